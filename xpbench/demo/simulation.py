"""Events of a simulated insurance platform, with the true effect of every metric planted and known.

Every effect is planted where winsorization and windows leave its relative size untouched (in the chance or the rate, not in
the tail of an amount), so that the truth of each metric of the plan is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.stats import norm

from xpbench.errors import InputError, plain
from xpbench.plan import Plan, template
from xpbench.randomiser.assigning import assign

Story = Literal["ship", "guardrail", "srm", "lost"]
"""`ship`: the new homepage works and harms nothing. `guardrail`: quotes rise, but pages load slower than the plan accepts.
`srm`: quotes rise, but exposures of the new page get lost. `lost`: quotes seem to rise, and nothing does: a release of the apps
loses exposures of visitors who leave at once."""

START = datetime(2026, 9, 7, tzinfo=UTC)
"""First day of exposures, where nobody asks for another: a Monday."""
EXPOSURE_DAYS = 21
WINDOW_DAYS = 14
PRE_DAYS = 14

QUOTE_RATE = 0.24
APPLICATIONS = 0.30
TRANSFER_IN_RATE = 0.16
TRANSFER_OUT_RATE = 0.20
LOAD_MEDIAN_MS = 900.0
LOAD_SIGMA = 0.55


@dataclass(frozen=True, slots=True)
class Effects:
    """True relative effects of the treatment."""

    quotes: float
    applications: float
    transfer_in: float
    transfer_out: float
    load: float


EFFECTS: dict[str, Effects] = {
    "ship": Effects(quotes=0.12, applications=0.06, transfer_in=0.05, transfer_out=-0.02, load=0.01),
    "guardrail": Effects(quotes=0.12, applications=0.06, transfer_in=0.05, transfer_out=-0.02, load=0.16),
    "srm": Effects(quotes=0.12, applications=0.06, transfer_in=0.05, transfer_out=-0.02, load=0.01),
    "lost": Effects(quotes=0.0, applications=0.0, transfer_in=0.0, transfer_out=0.0, load=0.0),
}

RELEASE_DAY = 12
"""In the story `lost`, the day of exposures on which the apps are released."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The planted effect of one metric: a lift, or for quantiles an absolute effect."""

    metric: str
    lift: float | None
    effect: float | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """A finished experiment.

    Attributes:
        events: Event table in the shape of `xp.events` (event, distinct_id, time, insert_id, properties as columns).
        ids: Ids of everyone who visited.
        truth: Planted effect by metric.
        end: End of the data.
    """

    events: pa.Table
    ids: list[str]
    truth: dict[str, Truth]
    end: datetime


def demo_plan(*, units: int, key: str = "beta-homepage") -> Plan:
    """The plan of the demo: the template, with horizon, power and margins that fit the simulated traffic."""
    plan = template("beta-homepage", key=key).to_dict()
    margins: dict[str, dict[str, Any]] = {
        "transfer_out": {"margin_rel": 0.10 * math.sqrt(max(1.0, 40_000 / units))},
        "page_load_p95": {"margin": 150.0},
    }
    for metric in plan["metrics"]:
        metric.update({k: round(min(v, 0.9) if k == "margin_rel" else v, 4) for k, v in margins.get(metric["key"], {}).items()})
    plan["horizon"] = {"units": round(units * 0.95)}
    plan["model"] |= {"n_opt": round(units * 0.95), "min_units": max(100, min(500, units // 20))}
    plan["planning"] = {"power": 0.8, "daily_units": units / EXPOSURE_DAYS, "baselines": {"quote_started": QUOTE_RATE}}
    return Plan(**plan)


def simulate(plan: Plan, *, units: int, seed: int, story: Story = "ship", start: datetime = START) -> Simulation:
    """Events of `units` visitors, assigned by the plan's own hash.

    Args:
        plan: From `demo_plan`.
        units: Visitors, at least 1,000.
        seed: Same seed, same events.
        story: Which ending, see `STORIES`.
        start: Midnight of the first day of exposures. Only dates depend on it, no number does.

    Raises:
        InputError: too few units, or an unknown story.
    """
    if units < 1_000:
        raise InputError(
            "XPB-I04", name="units", value=units, rule=plain("The demo needs at least 1,000"), remedy=plain("Give more")
        )
    if story not in EFFECTS:
        raise InputError(
            "XPB-I04",
            name="story",
            value=story,
            rule=plain("Stories: " + ", ".join(EFFECTS)),
            remedy=plain("Choose one of them"),
        )
    rng = np.random.default_rng([seed, units])
    effects = EFFECTS[story]
    ids = [f"visitor-{seed}-{i:07d}" for i in range(units)]
    variants = np.asarray(assign(plan, ids), dtype=object)
    treated = variants == plan.treatments[0].key
    first = start.timestamp() + _arrivals(rng, units) * 86_400
    platform = rng.choice(np.array(["web", "ios", "android"]), size=units, p=[0.5, 0.28, 0.22])
    activity = rng.gamma(2.0, 0.5, size=units)  # mean 1; makes the pre-period foretell the outcome
    log = _Log(ids, platform)

    log.add("$experiment_started", np.arange(units), first, experiment=plan.experiment_name, variant=variants)
    before = first - PRE_DAYS * 86_400
    span = float(WINDOW_DAYS * 86_400)

    def later(index: NDArray[np.int64]) -> NDArray[np.float64]:
        return first[index] + 1 + rng.random(index.size) * (span - 2)

    def earlier(index: NDArray[np.int64]) -> NDArray[np.float64]:
        return before[index] + rng.random(index.size) * (PRE_DAYS * 86_400 - 2)

    quote_chance = QUOTE_RATE * np.where(treated, 1 + effects.quotes, 1.0)
    quoted = np.flatnonzero(rng.random(units) < quote_chance)
    again = quoted[rng.random(quoted.size) < 0.35]
    for index in (quoted, again):
        log.add("Retirement Quote Started", index, later(index))

    rate = APPLICATIONS * activity
    for factor, when in ((np.ones(units), earlier), (np.where(treated, 1 + effects.applications, 1.0), later)):
        index = np.repeat(np.arange(units), rng.poisson(rate * factor))
        log.add("Application Processed", index, when(index))

    wealth = rng.normal(size=units)
    for factor, when in ((np.ones(units), earlier), (np.where(treated, 1 + effects.transfer_in, 1.0), later)):
        index = np.flatnonzero(rng.random(units) < TRANSFER_IN_RATE * factor)
        amount = np.round(np.exp(8.0 + 0.9 * wealth[index] + 0.6 * rng.normal(size=index.size)), 2)
        log.add("Transfer In", index, when(index), amount=amount)

    out = np.flatnonzero(rng.random(units) < TRANSFER_OUT_RATE * np.where(treated, 1 + effects.transfer_out, 1.0))
    log.add("Transfer Out", out, later(out), amount=np.round(np.exp(7.5 + rng.normal(size=out.size)), 2))

    views = np.repeat(np.arange(units), 1 + rng.poisson(3.0, size=units))
    own = rng.normal(scale=0.3, size=units)
    noise = math.sqrt(LOAD_SIGMA**2 - 0.3**2)
    load = (
        LOAD_MEDIAN_MS
        * np.exp(own[views] + noise * rng.normal(size=views.size))
        * np.where(treated, 1 + effects.load, 1.0)[views]
    )
    log.add("Page View", views, later(views), load_ms=np.round(load, 1))

    table = log.table()
    if story in ("srm", "lost"):
        if story == "srm":
            lost = treated & (platform == "ios") & (rng.random(units) < 0.35)
        else:
            stays = np.isin(np.arange(units), quoted)
            released = first >= start.timestamp() + RELEASE_DAY * 86_400
            lost = treated & (platform != "web") & released & ~stays & (rng.random(units) < 0.7)
        gone = set(np.asarray(ids, dtype=object)[lost])
        keep = [
            not (event == "$experiment_started" and unit in gone)
            for event, unit in zip(table["event"].to_pylist(), table["distinct_id"].to_pylist(), strict=True)
        ]
        table = table.filter(pa.array(keep))
    end = datetime.fromtimestamp(float(first.max()) + span, UTC)
    return Simulation(table, ids, _truth(effects), end)


def _arrivals(rng: np.random.Generator, units: int) -> NDArray[np.float64]:
    """Day and time of first visits: weekdays busier than weekends, few at night."""
    days = np.arange(EXPOSURE_DAYS)
    weights = np.where(days % 7 >= 5, 0.7, 1.0) * np.linspace(1.1, 0.9, EXPOSURE_DAYS)
    day = rng.choice(days, size=units, p=weights / weights.sum())
    hour = np.clip(rng.normal(14, 4, size=units), 0.01, 23.98)
    out: NDArray[np.float64] = day + hour / 24
    return out


def _truth(effects: Effects) -> dict[str, Truth]:
    """The lift of each metric of the plan; both quote metrics share one chance, so their lifts are equal."""
    p95 = LOAD_MEDIAN_MS * math.exp(LOAD_SIGMA * float(norm.ppf(0.95)))
    lifts = {
        "quote_started": effects.quotes,
        "applications": effects.applications,
        "transfer_in_value": effects.transfer_in,
        "quote_to_application": (1 + effects.applications) / (1 + effects.quotes) - 1,
        "quotes": effects.quotes,
        "transfer_out": effects.transfer_out,
    }
    truth = {k: Truth(k, v, None) for k, v in lifts.items()}
    truth["page_load_p95"] = Truth("page_load_p95", effects.load, p95 * effects.load)
    return truth


class _Log:
    """Collects events column by column."""

    def __init__(self, ids: list[str], platform: NDArray[Any]) -> None:
        self._ids = np.asarray(ids, dtype=object)
        self._platform = platform
        self._parts: list[dict[str, Any]] = []

    def add(self, event: str, index: NDArray[np.int64], time: NDArray[np.float64], **properties: Any) -> None:
        part: dict[str, Any] = {
            "event": np.full(index.size, event, dtype=object),
            "distinct_id": self._ids[index],
            "time": time,
            "platform": self._platform[index],
        }
        for name in ("amount", "load_ms"):
            part[name] = properties.get(name, np.full(index.size, np.nan))
        variant = properties.get("variant")
        part["Experiment name"] = np.full(index.size, properties.get("experiment"), dtype=object)
        part["Variant name"] = variant[index] if variant is not None else np.full(index.size, None, dtype=object)
        self._parts.append(part)

    def table(self) -> pa.Table:
        columns = {name: np.concatenate([p[name] for p in self._parts]) for name in self._parts[0]}
        order = np.lexsort((columns["distinct_id"].astype(str), columns["time"]))
        micro = (columns["time"][order] * 1_000_000).astype("int64")
        arrays: dict[str, pa.Array] = {}
        for name, values in columns.items():
            if name == "time":
                arrays[name] = pa.array(micro, pa.timestamp("us", tz="UTC"))
            elif name in ("amount", "load_ms"):
                arrays[name] = pa.array(values[order], pa.float64(), from_pandas=True)
            else:
                arrays[name] = pa.array(values[order].tolist(), pa.string())
        arrays["$insert_id"] = pa.array([f"e{i:09d}" for i in range(len(order))], pa.string())
        return pa.table(arrays)
