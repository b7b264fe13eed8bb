"""Which experiments a log holds: names, variants, times and units, however long ago the last exposure was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.engine import Progress, Stages
from xpbench.data.events import EventsSource
from xpbench.data.log import QA_PROPERTY, Properties
from xpbench.data.moments import counted_where, rows_of
from xpbench.errors import DataError, nearest, plain, shown
from xpbench.plan import Plan
from xpbench.plan.design import Exposure


@dataclass(frozen=True, slots=True)
class SeenExperiment:
    """One experiment as a log shows it.

    Attributes:
        name: As the exposure events name it.
        variants: Units by variant, first-met and later ones alike; a unit that met two counts in both.
        units: Different units.
        switchers: Units that met more than one variant.
        exposures: Exposure events.
        first_exposure: ISO time in UTC.
        last_exposure: ISO time in UTC.
        qa_exposures: Exposures of QA testers among them.
    """

    name: str
    variants: dict[str, int]
    units: int
    switchers: int
    exposures: int
    first_exposure: str
    last_exposure: str
    qa_exposures: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        met = ", ".join(f"{shown(k)} {v:,}" for k, v in self.variants.items())
        return f"SeenExperiment({shown(self.name)}, {self.units:,} units: {met})"


def experiments(
    source: EventsSource,
    *,
    unit: str | None = None,
    exposure: Exposure | None = None,
    progress: Progress | None = None,
) -> list[SeenExperiment]:
    """The experiments whose exposures are in a log, the most recently exposed first.

    Args:
        source: Made by `xp.events`.
        unit: Unit to count; the schema's, or `distinct_id`.
        exposure: How exposures are written down; Mixpanel's `$experiment_started` where it is left out. Only the format
            with one experiment for each event names its experiments.
        progress: Called after every stage.

    Raises:
        DataError: `XPB-D37`, the log has no such event; `XPB-D39`, the format does not name experiments.
    """
    from xpbench.data.opening import open_log

    how = exposure or Exposure()
    if how.format != "separate":
        raise DataError("XPB-D39", format=how.format)
    properties = Properties()
    name, variant, qa = (properties.text(p) for p in (how.experiment_property, how.variant_property, QA_PROPERTY))
    stages = Stages(2, progress)
    c = nw.col
    with open_log(source, _any_plan(unit or source.schema.unit or "distinct_id", how), properties, stages) as log:
        frame = log.frame()
        own = frame.filter(c("event") == how.event, ~c("u").is_null(), ~c("t").is_null(), ~c(name).is_null())
        own = own.select("u", "t", name=c(name), variant=c(variant).fill_null(""), qa=(c(qa) == "true").fill_null(False))
        own = log.keep(own, "exposures")
        whole = rows_of(own.group_by("name").agg(n=nw.len(), first=c("t").min(), last=c("t").max(), qa=counted_where(c("qa"))))
        if not whole:
            seen = [r["event"] for r in rows_of(frame.group_by("event").agg(n=nw.len())) if r["event"] is not None]
            raise DataError("XPB-D37", event=how.event, hint=plain(nearest(how.event, seen)))
        met = log.keep(own.group_by("name", "u", "variant").agg(n=nw.len()), "met")
        by_variant = rows_of(met.group_by("name", "variant").agg(units=nw.len()))
        per_unit = met.group_by("name", "u").agg(k=nw.len())
        several = counted_where(c("k") > 1)
        units = {r["name"]: r for r in rows_of(per_unit.group_by("name").agg(units=nw.len(), switchers=several))}
        stages.finish("list the experiments", sum(int(r["n"]) for r in whole))
    out = [
        SeenExperiment(
            name=r["name"],
            variants=dict(sorted((v["variant"], int(v["units"])) for v in by_variant if v["name"] == r["name"])),
            units=int(units[r["name"]]["units"]),
            switchers=int(units[r["name"]]["switchers"]),
            exposures=int(r["n"]),
            first_exposure=_time(int(r["first"])),
            last_exposure=_time(int(r["last"])),
            qa_exposures=int(r["qa"] or 0),
        )
        for r in whole
    ]
    return sorted(out, key=lambda e: (e.last_exposure, e.name), reverse=True)


def _any_plan(unit: str, exposure: Exposure) -> Plan:
    """A plan that only says where units and exposures stand."""
    return Plan(
        key="any",
        title="any",
        owner="any",
        hypothesis={"if": "", "then": [], "because": ""},
        unit=unit,
        variants=[],
        metrics=[],
        exposure=exposure.model_dump(mode="json", exclude_none=True),
    )


def _time(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
