"""What an event log says for a draft plan: its experiment and variants, its events, baselines and units a day."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from xpbench.data import events, experiments
from xpbench.data.logs.list_experiments import survey_events
from xpbench.data.logs.opening import kind_of
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import DataError, InputError, nearest, number_of, plain, shown
from xpbench.forecast.baselines import baselines_of
from xpbench.forecast.history import History
from xpbench.plan import Plan

MOST_EVENTS = 6
WINDOW_DAYS = 7
DONE = re.compile(
    r"convert|conversion|purchas|bought|order|signup|sign_up|success|completed|subscrib|finish|quote", re.IGNORECASE
)
CONTROLS = ("control", "old", "baseline", "original", "default", "current", "a", "0", "false", "off", "placebo")
"""How the variant is called that others are compared with, the likeliest first."""


@dataclass(slots=True)
class Notes:
    """What the draft says of itself: found in the data, and proposed for a person to confirm."""

    found: list[str] = field(default_factory=list)
    proposed: list[str] = field(default_factory=list)

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
    data: Any, *, head: Mapping[str, str], primary: str | None, trigger: str | None, notes: Notes
) -> tuple[Plan, str]:
    """A draft without lift and horizon, and where it comes from.

    Raises:
        DataError: the log can't be read.
        InputError: `XPB-I04`, an event is not in the log, or none looks like the one that decides.
    """
    source = events(data)
    seen = survey_events(source)
    try:
        met = experiments(source)
    except DataError as error:
        if error.code not in ("XPB-D37", "XPB-D39"):
            raise
        met = []
    own = {name: n for name, n in seen.events.items() if not name.startswith("$")}
    for what, name in (("primary", primary), ("trigger", trigger)):
        if name is not None and name not in seen.events:
            raise _refused(what, name, "It is an event of the log", nearest(name, seen.events))
    exposed = None if trigger is not None or not met else met[0]
    if exposed is None and trigger is None:
        trigger = max((n for n in own if n != primary), key=lambda n: own[n], default=None)
        if trigger is None:
            raise _refused("trigger", plain("missing"), "The log has no exposures", "Name the event at which a unit is exposed")
        notes.proposed.append(f"A unit would be exposed at its first {shown(trigger)}, the most frequent event.")
    rest = [n for n in sorted(own, key=lambda n: -own[n]) if n != trigger]
    if primary is None:
        primary = next((n for n in rest if DONE.search(n)), rest[0] if rest else None)
        if primary is None:
            raise _refused("primary", plain("missing"), "The log has no event that could decide", "Name it with primary=…")
        notes.proposed.append(f"{shown(primary)} decides (primary).")
    chosen = [primary, *(n for n in rest if n != primary)][:MOST_EVENTS]
    listed = ", ".join(f"{shown(n)} {c:,}" for n, c in sorted(own.items(), key=lambda item: -item[1])[:8])
    notes.found.append(f"Events: {listed}.")
    notes.proposed.append(f"Each metric is whether a unit did the event within {WINDOW_DAYS} days of its exposure.")
    plan = Plan(
        **head,
        hypothesis={"if": "", "then": [{"metric": chosen[0][:64], "direction": "increase"}], "because": ""},
        variants=_variants(exposed, notes),
        **({"exposure": {"experiment": exposed.name}} if exposed is not None else {"assignment": {"hash": "sha256"}}),
        metrics=[
            {
                "key": n[:64], "kind": "conversion", "event": n, "role": "primary" if n == chosen[0] else "secondary",
                "direction": "increase", "window_days": float(WINDOW_DAYS),
            }
            for n in chosen
        ],
        model={"kind": "group_sequential", "looks": [0.5, 1.0]},
        horizon={"units": 1_000},
    )  # fmt: skip
    known = baselines_of(plan, History.of_events(data, plan, trigger=trigger))
    flat = [m for m in known.baselines if m != plan.metrics[0].key and not 0.0 < known.baselines[m] < 1.0]
    if flat:  # such as what everybody does, or what happens before the exposure only
        notes.found.append(f"{', '.join(map(shown, flat))} is left out: after the exposure nobody does it, or everybody.")
        plan = plan.changed(metrics=[m for m in plan.to_dict()["metrics"] if m["key"] not in flat])
        known = replace(known, baselines={k: v for k, v in known.baselines.items() if k not in flat})
    notes.found.append(f"{known.sentence} All units are one group, whatever their variant.")
    planning = {**plan.planning.model_dump(mode="json", exclude_none=True), **known.to_dict()}
    origin = f"Drafted from a log with {number_of(seen.rows, 'event')}."
    if exposed is not None:
        origin += (
            f" Its experiment {shown(exposed.name)} exposed {number_of(exposed.units, 'unit')} "
            f"from {exposed.first_exposure[:10]} to {exposed.last_exposure[:10]}; nothing was compared between variants."
        )
        if len(met) > 1:
            origin += f" It has {number_of(len(met) - 1, 'other experiment')}: {', '.join(shown(e.name) for e in met[1:6])}."
    return plan.changed(planning=planning), origin


def _variants(exposed: Any, notes: Notes) -> list[dict[str, Any]]:
    names = [] if exposed is None else [v for v in exposed.variants if v]
    if len(names) < 2:
        return [{"key": "control", "split": 0.5, "control": True}, {"key": "treatment", "split": 0.5}]
    control = next((n for c in CONTROLS for n in names if n.casefold() == c), sorted(names)[0])
    notes.found.append(f"Experiment {shown(exposed.name)} with the variants {', '.join(map(shown, names))}.")
    notes.proposed.append(f"{shown(control)} is the control, and the shares are equal.")
    ordered = [control, *sorted(n for n in names if n != control)]
    return [{"key": n[:64], "split": 1 / len(names), **({"control": True} if n == control else {})} for n in ordered]


def _refused(name: str, value: object, rule: str, remedy: str) -> InputError:
    return InputError("XPB-I04", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))
