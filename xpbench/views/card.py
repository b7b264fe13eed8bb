"""The plan on a card: hypothesis as a sentence, then what was fixed in advance. Static, escaped, readable as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.errors import XpbenchError
from xpbench.outward import for_terminal
from xpbench.outward import html as escape
from xpbench.plan.model import Plan

_MOVES = {"increase": "will rise", "decrease": "will fall"}
"""Verbs that fit any name of a metric, in singular and plural."""
_ARROWS = {"increase": "▲", "decrease": "▼"}


def percent(share: Any) -> str:
    """A share as per cent; other values as they are."""
    if isinstance(share, bool) or not isinstance(share, (int, float)):
        return str(share)
    return f"{share * 100:.4g}\N{NO-BREAK SPACE}%"


def _list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def hypothesis_parts(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The sentence of the hypothesis as (role, text): `word` ours, `said` from the plan, `gap` still to be filled."""
    hypothesis = _dict(plan.get("hypothesis"))
    names = {m.get("key"): m.get("name") or m.get("key") for m in map(_dict, _list(plan.get("metrics")))}

    def said(value: Any, gap: str) -> tuple[str, str]:
        text = str(value).strip() if value not in (None, "") else ""
        return ("said", text.rstrip(".")) if text else ("gap", gap)

    out = [("word", "If "), said(hypothesis.get("if"), "we change something"), ("word", ", then ")]
    claims = [_dict(c) for c in _list(hypothesis.get("then"))]
    if not claims:
        out.append(("gap", "a metric moves"))
    for index, claim in enumerate(claims):
        if index:
            out.append(("word", ", " if index < len(claims) - 1 else " and "))
        out.append(said(names.get(claim.get("metric"), claim.get("metric")), "a metric"))
        out.append(("word", f" {_MOVES.get(str(claim.get('direction')), 'will move')}"))
        if claim.get("lift") is not None:
            out += [("word", " by "), ("said", percent(claim["lift"]))]
    out += [("word", ", because "), said(hypothesis.get("because"), "of a reason"), ("word", ".")]
    return out


def sentence(plan: Mapping[str, Any]) -> str:
    """The hypothesis as one plain sentence."""
    return "".join(text if role != "gap" else f"… {text} …" for role, text in hypothesis_parts(plan))


def sentence_html(plan: Mapping[str, Any]) -> str:
    """The hypothesis as one sentence in escaped HTML: what was said is bold, gaps are quiet."""
    tags = {"said": ("<b>", "</b>"), "gap": ('<span class="xp-gap">', "</span>"), "word": ("", "")}
    inner = "".join(f"{tags[role][0]}{escape(text)}{tags[role][1]}" for role, text in hypothesis_parts(plan))
    return f'<p class="xp-sentence" dir="auto">{inner}</p>'


def _metric_facts(metric: Mapping[str, Any]) -> list[str]:
    of = metric.get("event") or metric.get("column") or metric.get("expression")
    if not of and "numerator" in metric:
        of = f"{metric['numerator']} / {metric.get('denominator', '…')}"
    margin = metric.get("margin_rel")
    needs = (
        f"at least {percent(metric['min_lift'])}"
        if metric.get("min_lift") is not None
        else f"no worse than {percent(margin)}"
        if margin is not None
        else f"no worse than {metric['margin']:g} (absolute)"
        if isinstance(metric.get("margin"), (int, float))
        else ""
    )
    return [
        str(metric.get("name") or metric.get("key") or "…"),
        str(metric.get("role", "…")),
        _ARROWS.get(str(metric.get("direction")), "…"),
        f"{metric.get('kind', '…')}{f' of {of}' if of else ''}",
        needs,
    ]


SHIPS_WHEN = {
    "ship_when": {"any_primary": "a primary metric is better", "all_primaries": "all primary metrics are better"},
    "guardrails": {
        "non_inferior": "every guardrail is shown to be within its margin",
        "not_worse": "no guardrail is shown to be worse",
    },
}
"""The decision part of a plan in words, by field and value."""


CORRECTIONS = {
    "none": "no correction", "bonferroni": "Bonferroni", "holm": "Holm", "bh": "Benjamini–Hochberg", "e-bh": "e-BH",
}  # fmt: skip


def _gives_up(plan: Mapping[str, Any]) -> str:
    """What the futility row costs, once the plan is whole enough to compute it."""
    from xpbench.decide.futility import price_of  # brings the statistics, which no other card needs
    from xpbench.decide.whatnow import giving_up_said

    floor = percent(plan["decision"]["futility"])
    try:
        price = price_of(Plan(**plan))
    except (XpbenchError, ValueError, TypeError):  # a draft: its own list says what is missing
        price = None
    if price is None:
        return f"at a look from which the planned lift would win with a chance below {floor}"
    return f"{giving_up_said(price.to_dict())} It does not bind: the error level holds whether or not you follow it."


def facts(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was fixed in advance, as (name, words)."""
    model, horizon, decision = _dict(plan.get("model")), _dict(plan.get("horizon")), _dict(plan.get("decision"))
    variants = [_dict(v) for v in _list(plan.get("variants"))]
    due = " and ".join(
        f"{horizon[k]:,} {said}" if isinstance(horizon.get(k), int) else f"{horizon[k]} {said}"
        for k, said in (("units", "exposed units"), ("days", "days"))
        if horizon.get(k) is not None
    )
    watch = _dict(plan.get("watch"))
    rows = [
        ("Owner", str(plan.get("owner") or "…")),
        ("Unit", str(plan.get("unit") or "…")),
        (
            "Variants",
            ", ".join(
                f"{v.get('name') or v.get('key') or '…'} {percent(v.get('split', '…'))}"
                f"{' (control)' if v.get('control') else ''}"
                for v in variants
            )
            or "…",
        ),
        (
            "Model",
            f"{model.get('kind', '…').replace('_', '-')}, {percent(model.get('confidence', '…'))} confidence, "
            f"{CORRECTIONS.get(str(plan.get('correction')), '…')}",
        ),
        ("Due", due or "…"),
        ("Ships when", " and ".join(words.get(str(decision.get(k)), "…") for k, words in SHIPS_WHEN.items())),
    ]
    if decision.get("futility") is not None:
        rows.append(("Futility", _gives_up(plan)))
    if plan.get("segments"):
        rows.append(("Segments", ", ".join(map(str, _list(plan["segments"])))))
    if watch:
        labels = {str(m.get("key")): str(m.get("name") or m.get("key")) for m in map(_dict, _list(plan.get("metrics")))}
        watched = ", ".join(labels.get(str(key), str(key)) for key in _list(watch.get("metrics"))) or "all guardrails"
        rows.append(("Watched", f"{watch.get('weeks', '…')} weeks: {watched}"))
    if plan.get("sign_offs"):
        rows.append(
            (
                "Sign-offs",
                ", ".join(
                    f"{s.get('name', '…')} ({s.get('needed_for', 'register')})" for s in map(_dict, _list(plan["sign_offs"]))
                ),
            )
        )
    return rows


class PlanCard:
    """Hypothesis and plan on one card.

    Args:
        plan: A `Plan`, or a dictionary in its shape that may have gaps.
        problems: How many things keep it from being registered; None where that is not the question.
        state: One word more for the head line, such as `draft`.
    """

    def __init__(self, plan: Plan | Mapping[str, Any], *, problems: int | None = None, state: str = "") -> None:
        self._plan: Mapping[str, Any] = plan.to_dict() if isinstance(plan, Plan) else plan
        self._problems = problems
        self._state = state

    @property
    def headline(self) -> str:
        """The card in one line."""
        metrics, variants = len(_list(self._plan.get("metrics"))), len(_list(self._plan.get("variants")))
        parts = [f"{metrics} metric{'s' * (metrics != 1)}", f"{variants} variant{'s' * (variants != 1)}"]
        if self._problems is not None:
            parts.append(
                "ready to register" if not self._problems else f"{self._problems} problem{'s' * (self._problems != 1)}"
            )
        if self._state:
            parts.append(self._state)
        return f"{self._plan.get('title') or 'Untitled experiment'} ({self._plan.get('key') or 'no key'}): {', '.join(parts)}"

    @for_terminal
    def to_text(self) -> str:
        """The card as plain text."""
        lines = [self.headline, "", sentence(self._plan), ""]
        rows = [_metric_facts(_dict(m)) for m in _list(self._plan.get("metrics"))]
        widths = [max((len(r[i]) for r in rows), default=0) for i in range(5)]
        lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines += ["", *(f"{name}: {text}" for name, text in facts(self._plan))]
        return "\n".join(lines)

    def to_html(self) -> str:
        """The card as static HTML; everything from the plan is escaped."""
        cell = 'style="text-align:left;padding:2px 16px 2px 0;vertical-align:top"'
        metrics = "".join(
            f"<tr>{''.join(f'<td {cell} dir=auto>{escape(c)}</td>' for c in _metric_facts(_dict(m)))}</tr>"
            for m in _list(self._plan.get("metrics"))
        )
        head = "".join(f'<th {cell} scope="col">{h}</th>' for h in ("Metric", "Role", "Better", "Measured as", "Needs"))
        rows = "".join(
            f'<tr><th {cell} scope="row">{escape(n)}</th><td {cell} dir=auto>{escape(t)}</td></tr>'
            for n, t in facts(self._plan)
        )
        return (
            f'<div class="xp-static"><p><b>{escape(self.headline)}</b></p>{sentence_html(self._plan)}'
            f"<table><thead><tr>{head}</tr></thead><tbody>{metrics}</tbody></table><table><tbody>{rows}</tbody></table></div>"
        )

    def to_dict(self) -> dict[str, Any]:
        """The parts of the card."""
        return {"headline": self.headline, "sentence": sentence(self._plan), "facts": dict(facts(self._plan))}

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": self.to_text()}
