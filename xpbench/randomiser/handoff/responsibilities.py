"""One page that says who assigns, who renders, who sends the exposure, when, and what breaks when a CMS decides on its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.files import write_atomic
from xpbench.outward import html as escape
from xpbench.outward import markdown
from xpbench.plan import Plan
from xpbench.randomiser.assigning import subject_of, unit_key
from xpbench.randomiser.html import table
from xpbench.randomiser.plan_randomiser import Randomiser


@dataclass(frozen=True, slots=True)
class ResponsibilitySheet:
    """The responsibility sheet.

    Attributes:
        title: Key of the plan or flag.
        facts: What is fixed: name and value.
        duties: Task, who does it, when, how it is checked.
        breaks: What the CMS must not do, and what breaks if it does.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    duties: tuple[tuple[str, str, str, str], ...]
    breaks: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The sheet as a JSON value."""
        return {
            "title": self.title,
            "facts": dict(self.facts),
            "duties": [dict(zip(("task", "who", "when", "check"), d, strict=True)) for d in self.duties],
            "breaks": [{"never": a, "because": b} for a, b in self.breaks],
        }

    def to_markdown(self) -> str:
        """The sheet in Markdown; text from the plan can't break its tables."""
        lines = [f"# Who does what: {markdown(self.title)}", "", "| Fixed | Value |", "|---|---|"]
        lines += [f"| {markdown(a)} | {markdown(b)} |" for a, b in self.facts]
        lines += ["", "| Task | Who | When | How it is checked |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(markdown(x) for x in duty) + " |" for duty in self.duties]
        lines += ["", "## What breaks if the CMS decides on its own", "", "| Never | Because |", "|---|---|"]
        lines += [f"| {markdown(a)} | {markdown(b)} |" for a, b in self.breaks]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        return (
            f"<h2>Who does what: {escape(self.title)}</h2>"
            + table(["fixed", "value"], self.facts)
            + table(["task", "who", "when", "how it is checked"], self.duties)
            + table(["never", "because"], self.breaks, caption="What breaks if the CMS decides on its own")
        )

    def save(self, path: str | Path) -> Path:
        """Write the sheet as Markdown; an existing file is replaced whole."""
        target = Path(path)
        write_atomic(target, self.to_markdown().encode())
        return target


def responsibility_sheet(subject: Any, *, cms: str = "the CMS", app: str = "the app") -> ResponsibilitySheet:
    """The page that goes to everyone who touches the experiment, made from the plan.

    Args:
        subject: Plan, flag, or opened experiment.
        cms: Name of the system that shows the variants.
        app: Name of the code that asks for the variant and sends the exposure.
    """
    chosen = subject_of(subject)
    key = unit_key(chosen)
    if isinstance(chosen, Plan):
        made = Randomiser(chosen)
        hashed = "SHA-256, 52 bits (native)" if not made.is_mixpanel else "FNV-1a, 100 buckets (Mixpanel)"
        salt = made.salt if not made.is_mixpanel else f"{made.salt}, hash_salt {made.assignment.hash_salt or 'none'}"
        split = ", ".join(f"{v.label} {v.split:.2%}" for v in chosen.variants)
        rollout = ", ".join(f"{g.key} {g.share:.2%}" for g in made.assignment.rollout)
        event = f"{chosen.exposure.event} with {chosen.exposure.experiment_property} = {chosen.experiment_name}"
        owner, sticky = chosen.owner, made.assignment.sticky
        fallback = f"{chosen.control.label} without an exposure"
        property_ = chosen.exposure.variant_property
    else:
        hashed, salt = "FNV-1a, 100 buckets (Mixpanel)", f"{chosen.key}, hash_salt {chosen.hash_salt or 'none'}"
        split = ", ".join(f"{v.key} {v.split or 0:.2%}" for v in chosen.variants)
        rollout = ", ".join(f"{r.name or i} {r.percentage:.2%}" for i, r in enumerate(chosen.rollouts))
        event, owner, sticky = f"$experiment_started with Experiment name = {chosen.key}", "", "no"
        control = next((v.key for v in chosen.variants if v.is_control), "the default")
        fallback, property_ = f"{control} without an exposure", "Variant name"
    facts = (
        ("experiment", chosen.key),
        *((("owner", owner),) if owner else ()),
        ("assignment key", key),
        ("hash", hashed),
        ("salt", salt),
        ("split", split),
        ("rollout", rollout),
        ("exposure event", event),
        ("without a variant", fallback),
    )
    duties = (
        (
            f"Assign: {key} to variant",
            "xpbench's hash, as audience list, SQL or JavaScript snippet",
            "before the page is put together; the same answer every time",
            "xpbench preflight before launch, xpbench audit afterwards",
        ),
        (
            "Render the variant",
            cms,
            "after the variant is known; the default is shown only to units without a variant",
            "QA overrides",
        ),
        (
            f"Send the exposure ({property_} = the variant shown)",
            app,
            "when the unit really sees the changed part, once; not at assignment, not when a cache is filled",
            "health checks: SRM, several variants per unit",
        ),
        (
            "Keep the variant in the cache key",
            cms,
            "for every page that holds the changed part",
            "open the page with two QA ids",
        ),
        ("Analyse and decide", "xpbench, by the registered plan", "when results are due", "the memo verifies itself"),
    )
    breaks = (
        (
            f"{cms} draws variants itself (its own A/B feature, a random rule, a weighted audience)",
            "nobody can recompute who should have seen what: the audit fails and every readout is invalid",
        ),
        (
            f"{cms} assigns by another id than {key} (cookie, session, e-mail)",
            "one unit meets several variants, at login at the latest, and effects shrink",
        ),
        (
            "targeting rules differ by variant, or one variant loads later",
            "units leave unevenly: the sample ratio breaks and the comparison is biased",
        ),
        (
            "the split or an audience list is edited while the experiment runs",
            "units change their variant; only rollout shares may rise, by an amendment",
        ),
        (
            "the exposure is sent for everyone on the list",
            "units that never saw the change dilute the effect",
        ),
        *(
            (("sticky variants are dropped", "a unit that returns gets another variant after the rollout changes"),)
            if sticky != "no"
            else ()
        ),
    )
    return ResponsibilitySheet(chosen.key, facts, duties, breaks)
