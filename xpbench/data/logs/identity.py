"""Identity changes: exposed units that are one person under several ids, a device before the log-in and a user after it.

Mixpanel writes the device (`$device_id`, or `$device:<id>` as the unit itself), the user (`$user_id`), the id an event was
sent under before its identity was merged (`$distinct_id_before_identity`) and, in the older way of merging, the anonymous
id of an `$identify` event (`$anon_id`). Each links a unit to further ids; units that share one are the same person twice.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.logs.log import SENT_AS, Log, LogProperties, identity_properties
from xpbench.data.logs.people import Identities, bare
from xpbench.data.logs.values import events_of
from xpbench.data.moments import rows_of
from xpbench.data.summary import Finding
from xpbench.plan import Plan
from xpbench.plan.metrics import EventMetric

NAME = "identity_changes"

c = nw.col


def identity_changes(
    log: Log, units: nw.LazyFrame[Any], plan: Plan, properties: LogProperties, identities: Identities | None = None
) -> tuple[Finding, ...]:
    """The finding `identity_changes` (count 0 where ids were compared and none changed); nothing where none can be compared.

    A unit counts where it shares an id with another exposed unit (one device seen with several units, or one person exposed
    as a device and as a user), or where its exposure was sent under another id than the one it has now.

    Args:
        log: Whose events carry the ids.
        units: Exposed units: u, variant.
        plan: Its unit and exposure event.
        properties: Where the ids stand in the log's normal form.
        identities: A table that says which ids are one person's.
    """
    wanted = identity_properties(plan.unit)
    present = [n for n in wanted if n in properties.texts and n not in log.missing_properties]
    if not present and identities is None:
        return ()
    frame = log.frame().filter(~c("u").is_null())
    links = []
    if identities is not None:  # its ids are text
        frame, units = (x.with_columns(u=c("u").cast(nw.String)) for x in (frame, units))
        table = log.brought(identities.table(), "identities")
        met = frame.select("u", a=bare(c("u"))).group_by("u", "a").agg(n=nw.len())
        links.append(met.join(table, on="a", how="inner").select("u", k=c("p")).group_by("u", "k").agg(n=nw.len()))
    everyone = log.keep(units.select("u", "variant", me=c("u").cast(nw.String)), "named")
    for name in present:
        key = c(properties.texts[name])
        links.append(frame.filter(~key.is_null(), key != "").select("u", k=bare(key)).group_by("u", "k").agg(n=nw.len()))
    linked = log.keep(nw.concat([x.select("u", "k") for x in links]), "linked")
    if not rows_of(linked.select(n=nw.len()))[0]["n"]:
        return ()
    told = log.keep(linked.join(everyone.select("u"), on="u", how="semi"), "links")
    own = everyone.select("u", k=bare(c("me")))
    pairs = log.keep(nw.concat([told, own]).group_by("u", "k").agg(n=nw.len()), "identities")
    shared = pairs.group_by("k").agg(units=nw.len()).filter(c("units") > 1).select("k")
    changed = [pairs.join(shared, on="k", how="semi").select("u")]
    if SENT_AS in present and plan.exposure.identities != "merge":
        sent = c(properties.texts[SENT_AS])
        exposed = frame.filter(c("event") == plan.exposure.event, ~sent.is_null(), sent != "")
        renamed = exposed.select("u", before=bare(sent)).join(everyone.select("u", "me"), on="u", how="inner")
        changed.append(renamed.filter(c("before") != bare(c("me"))).select("u"))
    elsewhere, events = _events_elsewhere(log, frame, plan, everyone.select("u"), linked, pairs.select("u", "k"))
    changed.append(elsewhere)
    ids = nw.concat(changed).group_by("u").agg(n=nw.len()).select("u")
    hit = everyone.join(ids, on="u", how="semi").group_by("variant").agg(n=nw.len())
    by = {r["variant"]: int(r["n"]) for r in rows_of(hit)}
    total = int(rows_of(everyone.select(n=nw.len()))[0]["n"])
    several = int(rows_of(shared.select(n=nw.len()))[0]["n"])
    compared = ", ".join([*present, *([] if identities is None else ["a table of identities"])])
    return (
        Finding(
            NAME,
            sum(by.values()),
            total,
            "kept",
            by_variant={v.key: by[v.key] for v in plan.variants if v.key in by},
            detail=f"Compared by {compared}; {several:,} ids are seen with several exposed units"
            + (
                f", and {events:,} events of metrics have another id of an exposed unit and are not counted." if events else "."
            ),
        ),
    )


def _events_elsewhere(
    log: Log,
    frame: nw.LazyFrame[Any],
    plan: Plan,
    exposed: nw.LazyFrame[Any],
    linked: nw.LazyFrame[Any],
    known: nw.LazyFrame[Any],
) -> tuple[nw.LazyFrame[Any], int]:
    """Exposed units whose metrics' events have another id, and how many such events there are.

    Args:
        log: Where frames are computed.
        frame: Its events, with a unit.
        plan: Whose metrics are meant.
        exposed: Exposed units: u.
        linked: Further ids of every unit, exposed or not: u, k.
        known: Ids of the exposed units, their own included: u, k.
    """
    names = sorted({n for m in plan.metrics if isinstance(m, EventMetric) for n in events_of(m) or ()})
    done = frame.filter(c("event").is_in(names)) if names else frame.filter(c("event") != plan.exposure.event)
    strangers = log.keep(done.group_by("u").agg(n=nw.len()).join(exposed, on="u", how="anti"), "strangers")
    own = strangers.select("u", k=bare(c("u").cast(nw.String)))
    others = nw.concat([linked.join(strangers.select("u"), on="u", how="semi"), own])
    hits = others.rename({"u": "other"}).join(known, on="k", how="inner").group_by("other", "u").agg(n=nw.len())
    hits = log.keep(hits.select("other", "u"), "elsewhere")
    mine = strangers.join(hits.group_by("other").agg(k=nw.len()).select(u=c("other")), on="u", how="semi")
    return hits.select("u"), int(rows_of(mine.select(n=c("n").sum()))[0]["n"] or 0)
