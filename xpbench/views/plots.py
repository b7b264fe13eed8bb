"""One view of a readout or an exploration, by its name: what `.plot()` gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xpbench.errors import DecisionError, InputError, SealedError, nearest, plain
from xpbench.plan import Plan
from xpbench.views.checks import health_summary
from xpbench.views.forest_plot import forest
from xpbench.views.segments import segment_heatmap
from xpbench.views.split import exposure_split
from xpbench.views.timeline import exposures_over_time
from xpbench.views.variants import variant_table
from xpbench.views.view import View

if TYPE_CHECKING:
    from xpbench.decide.exploration import Exploration
    from xpbench.decide.readout import Readout, SealedReadout

EFFECTS = ("effects", "table", "path", "segments")
"""Views that show effects: a sealed readout has none of them."""


def plot(readout: Readout | Exploration, what: str) -> View:
    """One view of effects, health or units.

    Args:
        readout: Open, or an exploration.
        what: `effects`, `table`, `split`, `time` (units by day), `path` (the effect as units came in), `health`, `segments`.

    Raises:
        InputError: `XPB-I04`, there is no such view.
        DecisionError: `XPB-R20`, the readout has nothing to draw there.
    """
    given = readout.plan
    plan = given if isinstance(given, Plan) else Plan(**dict(given))
    summary = readout.summary
    makers: dict[str, Callable[[], View]] = {
        "effects": lambda: forest(readout),
        "table": lambda: variant_table(readout),
        "split": lambda: exposure_split(
            summary.units,
            {v.key: v.split for v in plan.variants},
            alpha=plan.health.srm_alpha,
            warn=plan.health.srm_warn_alpha,
            labels=_labels(plan),
            assumed=bool(getattr(readout, "assumed_split", False)),
        ),
        "time": lambda: _time(
            summary.exposures_by_day, horizon=plan.horizon.units, days=plan.horizon.days, labels=_labels(plan)
        ),
        "path": lambda: _path(readout, plan),
        "health": lambda: health_summary(readout.health),
        "segments": lambda: _segments(readout),
    }
    return _made(makers, what)


def health(readout: Any) -> View:
    """Health checks of a readout, worst first.

    Args:
        readout: A readout, sealed or open, or an exploration.
    """
    return health_summary(readout)


def exposures(readout: Any) -> View:
    """Exposed units of a readout day by day, with the plan's horizon; a day is a day of the plan in every time zone.

    Args:
        readout: A readout, sealed or open, or an exploration.

    Raises:
        DecisionError: `XPB-R20`, the data has no day of exposure.
    """
    return exposures_over_time(readout)


def plot_sealed(readout: SealedReadout, what: str) -> View:
    """One view of what may be seen before results are due: `split`, `time` or `health`.

    Args:
        readout: Sealed.
        what: Which.

    Raises:
        SealedError: `XPB-R01`, the view would show effects.
        InputError: `XPB-I04`, there is no such view.
    """
    if what in EFFECTS:
        raise SealedError("XPB-R01", key=readout.key, reason=plain(readout.due.reason.rstrip(".")))
    shares = next((c.evidence.get("expected_share") for c in readout.health if c.name == "srm"), None)
    planned = shares if isinstance(shares, Mapping) else dict.fromkeys(readout.units, 1 / max(len(readout.units), 1))
    makers: dict[str, Callable[[], View]] = {
        "split": lambda: exposure_split(readout.units, planned),
        "time": lambda: _time(readout.exposures_by_day, horizon=readout.due.units_needed, days=None, labels={}),
        "health": lambda: health_summary(readout.health),
    }
    return _made(makers, what)


def _made(makers: Mapping[str, Callable[[], View]], what: str) -> View:
    maker = makers.get(what)
    if maker is None:
        rule = plain(f"It is one of {', '.join(makers)}")
        raise InputError(
            "XPB-I04", name=plain("The view"), value=what, rule=rule, remedy=plain(nearest(str(what), list(makers)))
        )
    return maker()


def _labels(plan: Plan) -> dict[str, str]:
    return {v.key: v.label for v in plan.variants}


def _time(by_day: Mapping[str, Mapping[str, int]], *, horizon: int | None, days: int | None, labels: Mapping[str, str]) -> View:
    if not by_day:
        raise _nothing("time", "The data has no day of exposure", 'Name the column, such as xp.units(df, day="date")')
    return exposures_over_time(by_day, horizon=horizon, horizon_days=days, labels=labels)


def _path(readout: Readout | Exploration, plan: Plan) -> View:
    from xpbench.decide.exploration import Exploration
    from xpbench.views.report import paths

    found = [] if isinstance(readout, Exploration) else paths(readout, plan)
    if not found:
        raise _nothing(
            "path", "How an effect moved is known for readouts with days of exposure", 'Draw plot("effects") instead'
        )
    return found[0]


def _segments(readout: Readout | Exploration) -> View:
    if not readout.segments:
        raise _nothing("segments", "The plan declares no segment, and none was asked for", 'Read it with segments=["platform"]')
    return segment_heatmap(readout.segments[0])


def _nothing(what: str, rule: str, remedy: str) -> DecisionError:
    return DecisionError(
        "XPB-R20", name=plain(f"The view “{what}”"), value=plain("empty here"), rule=plain(rule), remedy=plain(remedy)
    )
