"""What an event log says for a draft plan: its experiment and variants, its events, baselines and units a day."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from xpbench.data import events, experiments
from xpbench.data.logs.list_experiments import survey_events
from xpbench.data.logs.opening import kind_of
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DataError, InputError, nearest, number_of, plain, shown
from xpbench.forecast.baselines import baselines_of
from xpbench.forecast.findings import Findings, of_log
from xpbench.forecast.history import History
from xpbench.forecast.size_table import reductions_of
from xpbench.plan import Plan
from xpbench.plan.metrics import Conversion

MOST_EVENTS = 6
MOST_SUMS = 2
WINDOWS = (7, 14, 28)
"""Days before the exposure that are tried as history."""
COUNTED = frozenset({"conversion", "count", "sum"})
LEAST_SAVED = 0.02
"""Share of the variance below which history is not worth asking for."""
WINDOW_DAYS = 7
DONE = re.compile(
    r"convert|conversion|purchas|bought|order|signup|sign.?up|success|completed|subscrib|finish|quote|kauf|bestell|gekauft",
    re.IGNORECASE,
)
"""Names of what one wants to happen, English and German."""
BAD = re.compile(
    r"error|crash|latenc|load|refund|cancel|churn|unsub|complain|bounce|fail|timeout|seconds|_ms\b|return|transfer.?out|storno|"
    r"kuendig|kündig|retoure|fehler|beschwerde",
    re.IGNORECASE,
)
"""Names of what one wants less of."""
MONEY = re.compile(
    r"amount|revenue|price|value|total|spend|spent|cost|gmv|sales|umsatz|betrag|preis|eur\b|usd\b", re.IGNORECASE
)
"""Names of properties whose sum is worth a metric."""
CONTROLS = (
    "control",
    "old",
    "baseline",
    "original",
    "default",
    "current",
    "a",
    "0",
    "false",
    "off",
    "placebo",
    "kontrolle",
    "kontrollgruppe",
    "alt",
    "bisher",
)
"""How the variant is called that others are compared with, the likeliest first."""


@dataclass(slots=True)
class DraftNotes:
    """What the draft says of itself: found in the data, and proposed for a person to confirm."""

    found: list[str] = field(default_factory=list)
    proposed: list[str] = field(default_factory=list)
    trigger: str | None = None
    day: str | None = None

    def text(self, origin: str) -> str:
        """Origin, findings and proposals, for the plan's notes."""
        parts = [origin, "Found: " + " ".join(self.found)]
        if self.proposed:
            parts.append("PROPOSED, to be confirmed by a person: " + " ".join(self.proposed))
        return "\n".join(parts)[:9_000]


def is_log(data: Any) -> bool:
    """Whether located data is an event log: JSON Lines, or a table with the columns `event` and `time` or `properties`."""
    if isinstance(data, list) and kind_of(data[0]) == "jsonl":
        return True
    columns = set(columns_of(data))
    return "event" in columns and bool(columns & {"time", "properties"})


def plan_of_log(
    data: Any,
    *,
    head: Mapping[str, str],
    primary: str | None,
    trigger: str | None,
    notes: DraftNotes,
    margins: Mapping[str, float | None],
    control: str | None = None,
    experiment: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Plan, str, Findings, dict[str, float]]:
    """A draft without lift and horizon, where it comes from, what the log holds, and what values from before save.

    Raises:
        DataError: the log can't be read.
        InputError: `XPB-I04`, an event is not in the log, or none looks like the one that decides.
    """
    source = events(data)
    progress("Counting events")
    seen = survey_events(source)
    progress("Looking for experiments")
    try:
        met = experiments(source)
    except DataError as error:
        if error.code not in ("XPB-D37", "XPB-D39"):
            raise
        met = []
    own = {name: n for name, n in seen.events.items() if not name.startswith("$")}
    for what, name in (("primary", primary), ("trigger", trigger), *(("guardrail", g) for g in margins)):
        if name is not None and name not in seen.events:
            raise _refused(what, name, "It is an event of the log", nearest(name, seen.events))
    if experiment is not None and experiment not in {e.name for e in met}:
        raise _refused("experiment", experiment, "The log has exposures of it", nearest(experiment, [e.name for e in met]))
    exposed = None if trigger is not None or not met else next((e for e in met if e.name == experiment), met[0])
    if exposed is None and trigger is None:
        trigger = max((n for n in own if n != primary), key=lambda n: own[n], default=None)
        if trigger is None:
            raise _refused("trigger", plain("missing"), "The log has no exposures", "Name the event at which a unit is exposed")
        notes.proposed.append(f"A unit would be exposed at its first {shown(trigger)}, the most frequent event.")
    notes.trigger = trigger
    rest = [n for n in sorted(own, key=lambda n: -own[n]) if n != trigger]
    if primary is None:
        likely = [n for n in rest if n not in margins and not BAD.search(n)]
        primary = next((n for n in likely if DONE.search(n)), likely[0] if likely else None)
        if primary is None:
            raise _refused("primary", plain("missing"), "The log has no event that could decide", "Name it with primary=…")
        notes.proposed.append(f"{shown(primary)} decides (primary).")
    chosen = [primary, *sorted((n for n in rest if n != primary), key=lambda n: n not in margins)][:MOST_EVENTS]
    for name in chosen:
        if BAD.search(name) and name not in margins and name != primary:
            notes.proposed.append(f"Less of {shown(name)} is better.")
    progress("Looking at properties")
    findings = of_log(data, seen.events, met)
    sums = _sums(findings, own, notes)
    listed = ", ".join(f"{shown(n)} {c:,}" for n, c in sorted(own.items(), key=lambda item: -item[1])[:8])
    notes.found.append(f"Events: {listed}.")
    notes.proposed.append(f"Each metric is whether a unit did the event within {WINDOW_DAYS} days of its exposure.")
    plan = Plan(
        **head,
        hypothesis={"if": "", "then": [{"metric": chosen[0][:64], "direction": "increase"}], "because": ""},
        variants=_variants(exposed, notes, control),
        **({"exposure": {"experiment": exposed.name}} if exposed is not None else {"assignment": {"hash": "sha256"}}),
        metrics=[
            {
                "key": n[:64], "kind": "conversion", "event": n, "window_days": float(WINDOW_DAYS),
                **_role(n, chosen[0], margins),
            }
            for n in chosen
        ]
        + sums,
        model={"kind": "group_sequential", "looks": [0.5, 1.0]},
        horizon={"units": 1_000},
    )  # fmt: skip
    progress("Computing baselines")
    history = History.of_events(data, plan, trigger=trigger)
    known = baselines_of(plan, history)
    rates = {m.key for m in plan.metrics if isinstance(m, Conversion)}
    flat = [
        m for m, value in known.baselines.items()
        if m != plan.metrics[0].key and (not 0.0 < value < 1.0 if m in rates else value == 0.0)
    ]  # fmt: skip
    if flat:  # such as what everybody does, or what happens before the exposure only
        notes.found.append(f"{', '.join(map(shown, flat))} is left out: after the exposure nobody does it, or everybody.")
        plan = plan.changed(metrics=[m for m in plan.to_dict()["metrics"] if m["key"] not in flat])
        known = replace(known, baselines={k: v for k, v in known.baselines.items() if k not in flat})
    notes.found.append(f"{known.sentence} All units are one group, whatever their variant.")
    planning = {**plan.planning.model_dump(mode="json", exclude_none=True), **known.to_dict()}
    begin = datetime.fromtimestamp(seen.first / 1e6, UTC).date() if exposed is None else None
    first = date.fromisoformat(exposed.first_exposure[:10]) if exposed is not None else begin
    if history.day is not None and first is not None:
        counts = Counter(history.day.tolist())
        findings = replace(
            findings, by_day={(first + timedelta(days=int(d))).isoformat(): int(c) for d, c in sorted(counts.items())}
        )
    notes.found += [t for t in (findings.pace, *findings.remarks) if t]
    origin = f"a log with {number_of(seen.rows, 'event')}."
    if exposed is not None:
        origin += (
            f" Its experiment {shown(exposed.name)} exposed {number_of(exposed.units, 'unit')} "
            f"from {exposed.first_exposure[:10]} to {exposed.last_exposure[:10]}: only values of all units together were used; "
            "nothing was compared between variants."
        )
        if len(met) > 1:
            origin += f" It has {number_of(len(met) - 1, 'other experiment')}: {', '.join(shown(e.name) for e in met[1:6])}."
    plan = plan.changed(planning=planning)
    progress("Looking at the time before")
    days = (seen.last - seen.first) / 86_400e6
    if exposed is not None:
        at = datetime.fromisoformat(exposed.first_exposure.replace("Z", "+00:00"))
        before = at.timestamp() / 86_400 - seen.first / 86_400e6
    else:
        before = days / 2
    plan, saved = _with_history(data, plan, trigger, before, notes)
    return plan, origin, findings, saved


def _with_history(
    data: Any, plan: Plan, trigger: str | None, before: float, notes: DraftNotes
) -> tuple[Plan, dict[str, float]]:
    """The plan with the window of history that saves most, and the share of the variance that it saves by metric."""
    best: tuple[Plan, dict[str, float]] = (plan, {})
    for window in WINDOWS:
        if window > before + 1.0:  # there is no such long time before the exposures
            break
        tried = plan.changed(
            pre_period_days=window, metrics=[{**m, "cuped": m["kind"] in COUNTED} for m in plan.to_dict()["metrics"]]
        )
        found = reductions_of(History.of_events(data, tried, trigger=trigger))
        if sum(found.values()) > sum(best[1].values()) + LEAST_SAVED:
            best = (tried, found)
    saved = {k: v for k, v in best[1].items() if v >= LEAST_SAVED}
    if not saved:
        return plan, {}
    used, _ = best
    said = ", ".join(f"{v:.0%} of the variance of {shown(k)}" for k, v in saved.items())
    notes.found.append(f"{number_of(used.pre_period_days // 7, 'week')} of history: CUPED saves {said}.")
    return used.changed(metrics=[{**m, "cuped": m["key"] in saved} for m in used.to_dict()["metrics"]]), saved


def _role(name: str, primary: str, margins: Mapping[str, float | None]) -> dict[str, Any]:
    """Role and direction of an event's metric."""
    bad = bool(BAD.search(name))
    if name == primary:
        return {"role": "primary", "direction": "decrease" if bad else "increase"}
    direction = "decrease" if bad else "increase"
    if name in margins or bad:
        return {"role": "guardrail", "direction": direction, "margin_rel": margins.get(name) or 0.05}
    return {"role": "secondary", "direction": direction}


def _sums(findings: Findings, own: Mapping[str, int], notes: DraftNotes) -> list[dict[str, Any]]:
    """Metrics that sum up an amount which events carry, such as revenue."""
    out: list[dict[str, Any]] = []
    for found in findings.properties:
        event = next((e for e in found.of if e in own), None)
        if found.kind == "number" and MONEY.search(found.name) and event is not None and len(out) < MOST_SUMS:
            key = f"{found.name} of {event}"[:64]
            out.append({
                "key": key, "kind": "sum", "event": event, "property": found.name, "role": "secondary", "direction": "increase",
                "window_days": float(WINDOW_DAYS), "winsorize": {"upper": 0.99, "over": "nonzero"},
            })  # fmt: skip
            notes.proposed.append(f"{shown(key)} sums up the property {shown(found.name)}, capped at the 99th percentile.")
    return out


def _variants(exposed: Any, notes: DraftNotes, chosen: str | None = None) -> list[dict[str, Any]]:
    names = [] if exposed is None else [v for v in exposed.variants if v]
    if chosen is not None and chosen not in names:
        raise _refused("control", chosen, "It is a variant of the experiment in the log", nearest(chosen, names))
    if len(names) < 2:
        return [{"key": "control", "split": 0.5, "control": True}, {"key": "treatment", "split": 0.5}]
    control = chosen or next((n for c in CONTROLS for n in names if n.casefold() == c), sorted(names)[0])
    notes.found.append(f"Experiment {shown(exposed.name)} with the variants {', '.join(map(shown, names))}.")
    notes.proposed.append(
        f"{shown(control)} is the control, and the shares are equal." if chosen is None else "The shares are equal."
    )
    ordered = [control, *sorted(n for n in names if n != control)]
    return [{"key": n[:64], "split": 1 / len(names), **({"control": True} if n == control else {})} for n in ordered]


def _refused(name: str, value: object, rule: str, remedy: str) -> InputError:
    return InputError("XPB-I04", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))
