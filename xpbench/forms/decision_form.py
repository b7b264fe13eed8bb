"""The decision form: what the rule recommends and by which row, a decision in words, sign-off, and the memo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xpbench.errors import DecisionError
from xpbench.experiment import DECISIONS, Experiment
from xpbench.forms.field import MISSING, box, html, is_visible, visible
from xpbench.forms.inputs import ChoiceLeaf, TextLeaf
from xpbench.forms.panel import Panel, Reveal, ViewPlace
from xpbench.forms.readout_panel import experiment_of
from xpbench.outward import for_terminal
from xpbench.outward import html as escape
from xpbench.views import truth_view
from xpbench.views.forest_plot import forest_table
from xpbench.views.readout_card import ReadoutCard, verdict_html
from xpbench.wording.verdicts import decided


class DecisionCard:
    """The decision in force, or what the rule recommends while there is none."""

    def __init__(self, experiment: Experiment, readout: Any) -> None:
        self._experiment = experiment
        self._readout = readout

    @property
    def _entry(self) -> Any:
        return self._experiment.decision

    @property
    def headline(self) -> str:
        """The card in one line."""
        entry = self._entry
        if entry is not None:
            body = entry.body
            follows = (
                "follows the rule" if body["follows_rule"] else f"differs from the rule, which recommends {body['recommended']}"
            )
            return f"{self._experiment.key}: decided to {decided(body)} ({follows}); {entry.by or 'nobody named'}"
        if self._readout is None or self._readout.is_sealed:
            return f"{self._experiment.key}: nothing to decide yet"
        return f"{self._experiment.key}: the rule recommends {ReadoutCard(self._readout).verdict.lower()}"

    @for_terminal
    def to_text(self) -> str:
        """The card as plain text."""
        entry = self._entry
        return self.headline + (f"\nBecause: {entry.body['because']}" if entry is not None else "")

    def to_html(self) -> str:
        """The card as static HTML."""
        entry = self._entry
        because = f"<p dir='auto'>Because: {escape(str(entry.body['because']))}</p>" if entry is not None else ""
        return f"<section class='xp-static'><p><b>{escape(self.headline)}</b></p>{because}</section>"


class DecisionForm(Panel):
    """Form that puts a decision on record.

    Args:
        experiment: The experiment or its key.
        readout: An open readout of it.
        root: Folder of experiments, for a key.
    """

    def __init__(self, experiment: Experiment | str, readout: Any = None, *, root: str | Path = "experiments") -> None:
        super().__init__()
        self.experiment = experiment_of(experiment, root)
        self.readout = readout
        self._supersedes: int | None = None
        names = [v.key for v in self.experiment.plan.treatments]
        self.advice = html("")
        self.rule_place = ViewPlace()
        self.outcome = ChoiceLeaf("Decision", list(DECISIONS), about="What is done now")
        self.variant = ChoiceLeaf("Variant to ship", names, optional=True, about="With ship only")
        self.because = TextLeaf("Because", long=True, about="The reason, in your words; it is in the memo")
        self.by = TextLeaf("Decided by", about="Who answers for it; the plan's owner, unless you say another")
        self.by.set(self.experiment.plan.owner)
        self.numbers = html("", "xp-numbers")
        self.differs = html("")
        for field in (self.outcome, self.variant, self.because, self.by):
            field.on_change(self._compare)
        self.ask_button = self.button("Decide …", self.ask, "xp-primary")
        self.decide_button = self.button("Put the decision on record", self.decide, "xp-primary")
        self.confirm = Reveal([], self.decide_button)
        self.signer = TextLeaf("Sign as", about="Your name, as the plan has it")
        self.sign_button = self.button("Sign the plan", self.sign)
        self.signatures = html("")
        self.memo_path = TextLeaf("Memo file", default=str(self.experiment.memo_path), about="One HTML file that proves itself")
        self.memo_button = self.button("Save memo", self.save_memo, "xp-primary")
        self.memo_page = html("", "xp-memo")
        self.memo_box = box([self.memo_path.widget, box([self.memo_button], "xp-actions", across=True)], "xp-group")
        self.rule_button = self.button("Show the whole rule", self.toggle_rule, "xp-quiet")
        visible(self.rule_place.widget, False)
        visible(self.rule_button, False)
        row = box([self.outcome.widget, self.variant.widget], "xp-row", across=True)
        fields = box([row, self.because.widget, self.by.widget, self.differs], "xp-object")
        self.signing = box(
            [self.signatures, self.signer.widget, box([self.sign_button], "xp-actions", across=True)], "xp-group"
        )
        asked = box([self.ask_button], "xp-actions", across=True)
        # what happened is said where the buttons are, and not under the rule
        self.widget.children = tuple(w for w in self.widget.children if w is not self.status.widget)
        left = box([fields, asked, self.confirm.widget, self.status.widget, self.signing, self.memo_box], "xp-main")
        beside = box([left, box([self.numbers], "xp-aside")], "xp-columns", across=True)
        self.main.children = (self.advice, self.rule_button, self.rule_place.widget, beside, self.memo_page)
        self.set_readout(readout)

    def set_readout(self, readout: Any) -> None:
        """Decide on this readout."""
        self.readout = readout
        self._signed()
        is_open = readout is not None and not readout.is_sealed
        self.ask_button.disabled = not is_open
        if is_open:
            advice = readout.recommendation
            rows = ", ".join(advice.rows)
            evidence = "; ".join(e for v in advice.variants for e in v.evidence)
            self.advice.value = verdict_html(
                advice.outcome,
                f"The rule recommends: {ReadoutCard(readout).verdict}",
                f"Row {rows}: {advice.because} {evidence}",
            )
            plan = self.experiment.plan
            found = forest_table([r.to_dict() for r in readout.rows])
            self.numbers.value = f"<div class='xp-static'><h4>What was found</h4>{found.to_html(with_csv=False)}</div>"
            situation = advice.variants[0].situation.to_dict() if advice.variants else None
            self.rule_place.show(truth_view(plan.decision, situation=situation, methods=plan.methods))
            self.outcome.set(advice.outcome if advice.outcome in DECISIONS else MISSING)
            self.variant.set(advice.variant or MISSING)
        else:
            self.advice.value = verdict_html(
                "sealed", "Nothing to decide yet", "A decision needs an open readout of this experiment."
            )
        visible(self.rule_button, is_open)
        visible(self.memo_box, self.experiment.decision is not None)
        self._compare()

    def toggle_rule(self) -> None:
        """Show every situation of the rule, or fold it again."""
        shown = not is_visible(self.rule_place.widget)
        visible(self.rule_place.widget, shown)
        self.rule_button.description = "Fold the rule" if shown else "Show the whole rule"

    def _compare(self) -> None:
        self.confirm.close()
        for field in (self.outcome, self.variant, self.because, self.by):
            field.complain()
        if self.readout is None or self.readout.is_sealed:
            self.differs.value = ""
            return
        advice = self.readout.recommendation
        same = self.outcome.get() == advice.outcome and (advice.outcome != "ship" or self.variant.get() == advice.variant)
        self.differs.value = (
            '<p class="xp-help">✓ Follows the rule of the plan.</p>'
            if same
            else '<p class="xp-problem"><span aria-hidden="true">▲</span> Differs from the rule of the plan: '
            "the memo will say so in its headline.</p>"
        )

    def ask(self) -> None:
        """Say what will be put on record, and ask."""
        outcome, because, by = self.outcome.get(), self.because.get(), self.by.get()
        wanted = [
            (self.outcome, "a decision", outcome is MISSING),
            (self.variant, "the variant to ship", outcome == "ship" and self.variant.get() is MISSING),
            (self.because, "a reason", because is MISSING),
            (self.by, "a name", by is MISSING),
        ]
        missing = [name for field, name, gone in wanted if gone]
        for field, name, gone in wanted:
            field.complain(f"The decision needs {name}." if gone else "")
        if missing:
            self.refuse(f"The decision needs {', '.join(missing)}.")
            self.guard.focus_on("xp-wrong")
            return
        variant = "" if outcome != "ship" or self.variant.get() is MISSING else f" {self.variant.get()}"
        earlier = self.experiment.decision
        self._supersedes = earlier.seq if earlier is not None else None
        former = (
            f"<p><strong>▲ It supersedes the decision of entry {earlier.seq}</strong>: "
            f"{escape(DecisionCard(self.experiment, self.readout).headline)}.</p>"
            if earlier is not None
            else ""
        )
        self.confirm.open(
            f"<h4>Put on record: {escape(outcome)}{escape(variant)}</h4>{former}<p>The readout is frozen with it, "
            "and the ledger gets an entry that later decisions can supersede but not remove.</p>"
        )
        self.status.say("Confirm or go back.")

    def decide(self) -> Any:
        """Put the decision on record; a click that arrives twice records it once."""
        variant = self.variant.get()
        entry = self.experiment.decide(
            self.readout,
            _text(self.outcome.get()),
            variant=None if variant is MISSING or self.outcome.get() != "ship" else variant,
            because=_text(self.because.get()),
            by=_text(self.by.get()),
            supersedes=self._supersedes,
        )
        self.confirm.close()
        visible(self.memo_box, True)
        self.guard.focus_on("xp-group")
        self.status.say(f"On record: {DecisionCard(self.experiment, self.readout).headline}", mood="good")
        self.update_twin()
        return entry

    def sign(self) -> None:
        """Put a signature over the plan in force on record."""
        name = self.signer.get()
        if name is MISSING:
            self.refuse("A signature needs a name.")
            return
        self.experiment.sign(str(name))
        self._signed()
        self.status.say(f"Signed by {name}.", mood="good")

    def _signed(self) -> None:
        missing = self.experiment.signatures_missing()
        wanted = len(self.experiment.plan.sign_offs)
        said = (
            f"Still to sign: {', '.join(missing)}"
            if missing
            else "All have signed."
            if wanted
            else "The plan asks for no signature."
        )
        visible(self.signing, wanted > 0)
        self.signatures.value = f'<p class="xp-label">Sign-off</p><p class="xp-help">{escape(said)}</p>'

    def save_memo(self) -> Path:
        """Write the memo."""
        path = self.memo_path.get()
        if path is MISSING:
            raise DecisionError("XPB-R06", key=self.experiment.key)
        target = Path(str(path))
        self.experiment.memo().save(target)
        if target.suffix.lower() in (".html", ".htm"):
            page = escape(target.read_text("utf-8"), quote=True)
            self.memo_page.value = f'<iframe class="xp-memo-page" title="Memo" sandbox="" srcdoc="{page}"></iframe>'
        self.status.say(f"Memo written to {target}.", mood="good")
        return target

    def twin(self) -> DecisionCard:
        """The static summary."""
        return DecisionCard(self.experiment, self.readout)

    def to_dict(self) -> dict[str, Any]:
        """What is in the form."""
        names = ("outcome", "variant", "because", "by")
        return {n: None if (v := getattr(self, n).get()) is MISSING else v for n in names}

    def __repr__(self) -> str:
        return f"DecisionForm({self.twin().headline!r})"


def _text(value: Any) -> str:
    return "" if value is MISSING else str(value)
