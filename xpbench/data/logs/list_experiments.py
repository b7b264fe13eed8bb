"""Which experiments a log holds: names, variants, times and units, however long ago the last exposure was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.engines.embedded import Progress, Stages
from xpbench.data.logs.log import MARK, QA_PROPERTY, LogProperties
from xpbench.data.logs.specification import LogSpecification
from xpbench.data.logs.survey import Survey, survey_of
from xpbench.data.moments import counted_where, rows_of
from xpbench.errors import DataError, nearest, number_of, plain, shown
from xpbench.plan import Plan
from xpbench.plan.design import Exposure
from xpbench.shows import Shows, plain_html


@dataclass(frozen=True, slots=True)
class SeenExperiment(Shows):
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
        ambiguous: List format: variants that hold the separator themselves, so that the name may have been cut too early.
    """

    name: str
    variants: dict[str, int]
    units: int
    switchers: int
    exposures: int
    first_exposure: str
    last_exposure: str
    qa_exposures: int
    ambiguous: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "ambiguous": list(self.ambiguous)}

    def __repr__(self) -> str:
        met = ", ".join(f"{shown(k)} {v:,}" for k, v in self.variants.items())
        return f"SeenExperiment({shown(self.name)}, {number_of(self.units, 'unit')}: {met})"

    def _repr_html_(self) -> str:
        days = f"from {self.first_exposure[:10]} to {self.last_exposure[:10]}"
        said = f"{self.name}: {number_of(self.units, 'unit')} exposed {days}, {self.switchers:,} of them to several variants."
        return plain_html(said, [{"variant": k, "units": f"{v:,}"} for k, v in self.variants.items()])


MOST_VARIANTS = 20
"""A text property with more different values is not an experiment."""

OWN = ("$", "mp_")
"""How the names of the properties begin that Mixpanel's libraries add by themselves."""


def experiments(
    source: LogSpecification | Any,
    *,
    unit: str | None = None,
    exposure: Exposure | Mapping[str, Any] | None = None,
    names: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> list[SeenExperiment]:
    """The experiments whose exposures are in a log, the most recently exposed first.

    In the list format an item is cut at its first separator. In the dictionary format any property may be an experiment:
    without `names`, every text property of the exposure events with at most 20 different values is listed, but for those
    that Mixpanel's libraries add themselves (`$…`, `mp_…`) and those of the schema.

    Args:
        source: Made by `xp.events`, or what it takes: a path, a pattern, a frame.
        unit: Unit to count; the schema's, or `distinct_id`.
        exposure: How exposures are written down, in the shape of a plan's `exposure`; Mixpanel's `$experiment_started` with
            one experiment for each event where it is left out.
        names: Only these experiments.
        progress: Called after every stage.

    Raises:
        InvalidPlan: `exposure` is none.
        DataError: `XPB-D37`, the log has no such event; `XPB-D39`, it has, but none names an experiment.
    """
    from xpbench.data.logs.opening import open_log

    if not isinstance(source, LogSpecification):
        from xpbench.data.logs.events import events

        source = events(source)
    how = exposure if isinstance(exposure, Exposure) else _any_plan("distinct_id", dict(exposure or {})).exposure
    wanted = None if names is None else list(names)
    identity = unit or source.schema.unit or "distinct_id"
    properties = LogProperties()
    name, variant, qa = (properties.text(p) for p in (how.experiment_property, how.variant_property, QA_PROPERTY))
    if how.format != "separate":
        properties = LogProperties(items=how.format)
        qa = properties.text(QA_PROPERTY)
    if how.format == "list":
        properties.text(how.list_property)
    stages = Stages(2, progress)
    c = nw.col
    with open_log(source, _any_plan(identity, how.model_dump(mode="json", exclude_none=True)), properties, stages) as log:
        frame = log.frame()
        own = frame.filter(c("event") == how.event, ~c("u").is_null(), ~c("t").is_null())
        tester = (c(qa) == "true").fill_null(False)
        if how.format == "separate":
            own = own.filter(~c(name).is_null())
            own = own.select("u", "t", name=c(name), variant=c(variant).fill_null(""), qa=tester)
        else:
            cut = c("item").str.split(MARK)
            own = log.itemized(own).select("u", "t", name=cut.list.get(0), variant=cut.list.get(1), qa=tester)
        if wanted is not None:
            own = own.filter(c("name").is_in(wanted))
        own = log.keep(own, "exposures")
        if how.format == "dictionary" and wanted is None:
            s = source.schema
            fixed = {identity, s.event, s.time, s.insert_id, s.arrived, s.properties, "token", "distinct_id", "device_id"}
            found = rows_of(own.group_by("name", "variant").agg(n=nw.len()).group_by("name").agg(k=nw.len()))
            good = [r["name"] for r in found if r["k"] <= MOST_VARIANTS and r["name"] not in fixed]
            own = own.filter(c("name").is_in([n for n in good if not n.startswith(OWN)]))
        whole = rows_of(own.group_by("name").agg(n=nw.len(), first=c("t").min(), last=c("t").max(), qa=counted_where(c("qa"))))
        if not whole:
            seen = [r["event"] for r in rows_of(frame.group_by("event").agg(n=nw.len())) if r["event"] is not None]
            if how.event in seen:
                raise DataError("XPB-D39", event=how.event, format=how.format, what=plain(_where(how, wanted)))
            raise DataError("XPB-D37", event=how.event, hint=plain(nearest(how.event, seen)))
        met = log.keep(own.group_by("name", "u", "variant").agg(n=nw.len()), "met")
        by_variant = rows_of(met.group_by("name", "variant").agg(units=nw.len()))
        per_unit = met.group_by("name", "u").agg(k=nw.len())
        several = counted_where(c("k") > 1)
        units = {r["name"]: r for r in rows_of(per_unit.group_by("name").agg(units=nw.len(), switchers=several))}
        stages.finish("list the experiments", sum(int(r["n"]) for r in whole))
    separator = how.list_separator if how.format == "list" else None
    out = []
    for r in whole:
        variants = dict(sorted((v["variant"], int(v["units"])) for v in by_variant if v["name"] == r["name"]))
        out.append(
            SeenExperiment(
                name=r["name"],
                variants=variants,
                units=int(units[r["name"]]["units"]),
                switchers=int(units[r["name"]]["switchers"]),
                exposures=int(r["n"]),
                first_exposure=_time(int(r["first"])),
                last_exposure=_time(int(r["last"])),
                qa_exposures=int(r["qa"] or 0),
                ambiguous=tuple(v for v in variants if separator and separator in v),
            )
        )
    return sorted(out, key=lambda e: (e.last_exposure, e.name), reverse=True)


def survey_events(source: LogSpecification) -> Survey:
    """How many events of which name a log holds, from when to when.

    Args:
        source: Made by `xp.events`.

    Raises:
        DataError: the log can't be read.
    """
    from xpbench.data.logs.opening import open_log

    now = int(source.clock().timestamp() * 1_000_000)
    plan = _any_plan(source.schema.unit or "distinct_id", {})
    with open_log(source, plan, LogProperties(), Stages(1, None)) as log:
        return survey_of(log, log.frame(), now=now)


def _where(how: Exposure, wanted: list[str] | None) -> str:
    """Where experiments were looked for."""
    place = {
        "separate": f"property {shown(how.experiment_property)}",
        "list": f"list property {shown(how.list_property)}, with {shown(how.list_separator)} between experiment and variant",
        "dictionary": "text properties with few values",
    }[how.format]
    return place if wanted is None else f"{place}, among {', '.join(shown(n) for n in wanted[:5])}"


def _any_plan(unit: str, exposure: Mapping[str, Any]) -> Plan:
    """A plan that only says where units and exposures are."""
    return Plan(
        key="any",
        title="any",
        owner="any",
        hypothesis={"if": "", "then": [], "because": ""},
        unit=unit,
        variants=[],
        metrics=[],
        exposure=exposure,
    )


def _time(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
