"""The readout's rows and decision against those computed here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from xpbench.verifier.designs import adjust, alpha_of, design_of, interval_level
from xpbench.verifier.pairs import NAN
from xpbench.verifier.posterior import LOOSE, misses
from xpbench.verifier.quantiles import chi2_tail
from xpbench.verifier.report import J, Notes, shortened
from xpbench.verifier.rows import MATCHED, finite, rows_of
from xpbench.verifier.rule import recommended
from xpbench.verifier.text import canonical, sha256

CLOSE = 1e-9
"""Relative distance, on the scale of the interval, within which two implementations agree."""


def near(a: J, b: J, scale: float) -> bool:
    """Whether two values are the same: words exactly, numbers within `CLOSE` of the larger or of the scale."""
    if a is None or b is None:
        return a is b
    if isinstance(a, (bool, str)) or isinstance(b, (bool, str)):
        return type(a) is type(b) and bool(a == b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= CLOSE * max(abs(a), abs(b), scale)
    return False


_NUMBERS = ("mean_control", "mean", "effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "se", "variance_reduction")
_CHANCES = ("p_value", "p_adjusted", "alpha", "margin_p_value")
_WORDS = (
    *("metric", "variant", "role", "direction", "n_control", "n", "is_proportion", "status"),
    *("verdict", "matters", "too_small", "guardrail", "margin", "equivalent"),
)
_BY_ENGINE = (
    *("ci_low", "ci_high", "lift_low", "lift_high", "alpha", "margin_p_value", "p_value", "p_adjusted"),
    *("verdict", "matters", "too_small", "guardrail", "equivalent", "status", "effect", "lift", "last_q"),
)
"""Fields that follow from a boundary over looks too many or too close to be integrated in a moment."""
_LIFTS = ("lift", "lift_low", "lift_high")


def span_of(row: Mapping[str, J], low: str, high: str) -> float:
    """Width of an interval, 0 where it has an open end."""
    a, b = row.get(low), row.get(high)
    return float(b - a) if isinstance(a, (int, float)) and isinstance(b, (int, float)) else 0.0


def compare_row(
    notes: Notes,
    where: str,
    ours: Mapping[str, J],
    theirs: Mapping[str, J],
    skip: Sequence[str] = (),
    mass: float | None = None,
) -> None:
    """Note every field of a row that is not what the moments say.

    Args:
        notes: Where differences go.
        where: The row, in words.
        ours: From `rows_of`.
        theirs: As the readout has it.
        skip: Fields that another check compares.
        mass: Confidence of a Bayesian plan; None for other models.
    """
    if mass is not None and is_left(ours):
        skip = (*skip, "verdict", "guardrail", "status")
    elif mass is not None and ours["posterior"] is not None and ours["posterior"].close >= LOOSE:
        skip = (*skip, "status")
    if mass is not None and ours.get("equivalent") is not None:  # its interval is theirs, held against what defines it below
        low, high, within = theirs["lift_low"], theirs["lift_high"], ours["no_effect_within"]
        ours = {**ours, "equivalent": low is not None and high is not None and -within < low and high < within}
    effect, lift = span_of(ours, "ci_low", "ci_high"), span_of(ours, "lift_low", "lift_high")
    lift *= 1 + lift  # an interval that is all but unbounded magnifies the last digit of its multiplier
    for name in (*_WORDS, *_NUMBERS, *_CHANCES):
        if (
            name in skip
            or name not in ours
            or (mass is not None and name in _LIFTS and theirs["status"] in ("ok", "few_events"))
            or (mass is not None and name in _LIFTS and theirs["status"] == "separation" and ours["se"] is not None)
        ):
            continue
        scale = lift if name.startswith("lift") else effect if name in _NUMBERS else 1e-3
        expected, found = ours[name], theirs.get(name)
        if not near(expected, found, scale):
            notes.differs(f"estimates, {where}, {name}", expected, found)
    if mass is not None and not is_left(ours):
        _compare_posterior(notes, where, ours, theirs, mass)
    last = ours.get("last_q")
    if theirs.get("last_q") is not None and "last_q" not in skip:
        if last is not None and math.isnan(last):
            _leave(notes, f"the last multiplier of {where}, over looks that are very close")
        elif not near(last, theirs["last_q"], 1.0):
            notes.differs(f"estimates, {where}, last multiplier", last, theirs["last_q"])
    if "saved_by" in ours and "saved_by" in theirs:
        sources = [s["source"] for s in ours["saved_by"]]
        notes.same(f"estimates, {where}, sources of covariates", sources, [s["source"] for s in theirs["saved_by"]])
        for mine, other in zip(ours["saved_by"], theirs["saved_by"], strict=False):
            for name in ("alone", "more"):
                if not near(mine[name], other[name], 1.0):
                    notes.differs(f"estimates, {where}, {mine['source']}, {name}", mine[name], other[name])
    for name, other, p in ours.get("sensitivity", ()):
        match = next((s for s in theirs["sensitivity"] if s["name"] == name), None)
        if match is None:
            notes.differs(f"estimates, {where}, sensitivity", name, "nothing")
            continue
        for key, value in {**other, "p_value": finite(p)}.items():
            lifts = span_of(other, "lift_low", "lift_high")
            scale = lifts * (1 + lifts) if key.startswith("lift") else span_of(other, "ci_low", "ci_high")
            if key in match and key not in skip and not near(value, match[key], scale):
                notes.differs(f"estimates, {where}, {name}, {key}", value, match[key])
    if "sensitivity" in ours:
        known = [name for name, _, _ in ours["sensitivity"]]
        for extra in theirs["sensitivity"]:
            if extra["name"] not in known:
                notes.differs(f"estimates, {where}, sensitivity", "nothing", extra["name"])


def is_left(row: Mapping[str, J]) -> bool:
    """Whether the posterior of a Bayesian row is left to the engine."""
    return row["posterior"] is None and row["se"] is not None and not row["no_control"]


def _compare_posterior(notes: Notes, where: str, ours: Mapping[str, J], theirs: Mapping[str, J], mass: float) -> None:
    """Chance and risk within the digits that two quadratures share; lift and interval by what defines them."""
    posterior = ours["posterior"]
    if posterior is None:
        for name in ("chance", "risk"):
            notes.same(f"estimates, {where}, {name}", None, theirs[name])
        return
    for name, close in (
        ("chance", posterior.close),
        ("risk", 10 * posterior.close * max(abs(ours["risk"]), 1e-3 * ours["se"])),
    ):
        found = theirs.get(name)
        if not isinstance(found, (int, float)) or isinstance(found, bool) or not abs(found - ours[name]) <= close:
            notes.differs(f"estimates, {where}, {name}", ours[name], found)
    wrong = misses(posterior, theirs, mass)
    if wrong:
        notes.differs(f"estimates, {where}, lift", wrong, [theirs[name] for name in _LIFTS])


def check_estimates(notes: Notes, readout: J) -> None:
    """Every row of the readout, and of its segments, against the moments."""
    plan, model = readout["plan"], readout["plan"]["model"]
    mass = model["confidence"] if model["kind"] == "bayesian" else None
    before = len(notes.differences)
    groups = [("", "", readout["rows"])]
    groups += [(s["dimension"], value, rows) for s in readout["segments"] for value, rows in s["slices"].items()]
    looks = readout["looks"]
    left: set[str] = set()
    base: tuple[str, ...] = ()
    light = plan
    heavy = design_of(plan, plan["variants"][0], units=sum(readout["summary"]["units"].values()), looks=looks).boundary
    if heavy is not None and not heavy.is_light:
        base, light = _BY_ENGINE, {**plan, "model": {**model, "kind": "frequentist"}}
        _leave(notes, f"intervals over {len(heavy.information)} looks, some very close")
    for dimension, value, theirs in groups:
        ours = rows_of(
            plan if dimension else light,
            readout["summary"],
            looks=() if dimension else looks,
            dimension=dimension,
            slice_=value,
            methods=readout.get("methods", 1),
            levels=_slice_levels(plan, readout, dimension) if dimension else None,
        )
        if [(r["metric"], r["variant"]) for r in ours] != [(r["metric"], r["variant"]) for r in theirs]:
            notes.differs("estimates, rows", [r["metric"] for r in ours], [r["metric"] for r in theirs])
            continue
        for mine, other in zip(ours, theirs, strict=True):
            where = f"{other['metric']} for {other['variant']}" + (f" in {dimension} {value}" if dimension else "")
            metric = next(m for m in plan["metrics"] if m["key"] == other["metric"])
            notes.same(f"estimates, {where}, name", metric.get("name") or metric["key"], other["label"])
            notes.same(f"estimates, {where}, kind", metric["kind"], other["kind"])
            skip = ("p_adjusted", "verdict", "guardrail") if dimension else base
            if mass is not None and is_left(mine):
                left.add(where)
            compare_row(notes, where, {**mine, "sensitivity": []} if dimension else mine, other, skip, mass)
            if dimension:  # corrected over the slices, which has the last word
                shown = other["p_adjusted"] is not None and other["p_adjusted"] <= alpha_of(plan)
                notes.same(f"estimates, {where}, verdict", mine["verdict"] if shown else "unclear", other["verdict"])
    if looks and looks[-1].get("findings") and not base:
        _check_own_look(notes, plan, readout)
    _check_slices(notes, readout)
    if left:
        _leave(notes, f"posterior where the control may be zero: {shortened(', '.join(sorted(left)))}")
    if readout["health"]:
        notes.not_checked.append("health checks are the readout's own: they need the data (xpbench reproduce)")
    if len(notes.differences) == before:
        count = sum(len(rows) for _, _, rows in groups)
        how = {"bayesian": ", posteriors by quadrature", "group_sequential": ", boundaries by integration"}.get(
            model["kind"], ""
        )
        notes.checked.append(f"estimates, intervals, p-values and margins of {count} rows recomputed from the moments{how}")


def _leave(notes: Notes, what: str) -> None:
    """Note numbers that the engine has to compute."""
    notes.for_engine.append(what)
    notes.not_checked.append(f"{what}: they need the engine (xpbench verify)")


def _slice_levels(plan: J, readout: J, dimension: str) -> dict[tuple[str, str], float] | None:
    """Levels of the intervals of a segment: those of its discoveries, by metric and variant."""
    if readout.get("methods", 1) < MATCHED:
        return None
    slices = next(s["slices"] for s in readout["segments"] if s["dimension"] == dimension)
    out, alpha = {}, alpha_of(plan)
    of = [rows_of(plan, readout["summary"], dimension=dimension, slice_=v, methods=readout["methods"]) for v in slices]
    for rows in zip(*of, strict=True):
        known = [r["p_value"] for r in rows if r["p_value"] is not None]
        if known and rows[0]["role"] != "guardrail":
            found = sum(p <= alpha for p in adjust(known, "bh"))
            out[rows[0]["metric"], rows[0]["variant"]] = interval_level(alpha, "bh", found, len(known))
    return out


def _check_own_look(notes: Notes, plan: J, readout: J) -> None:
    """What this look found by itself, as it went on record: later looks rest on it."""
    look = readout["looks"][-1]["findings"]
    for row in rows_of(plan, readout["summary"], looks=readout["looks"], alone=True, methods=readout.get("methods", 1)):
        p = row["p_value"] if row["effect"] is not None else None
        theirs = look.get(row["metric"], {}).get(row["variant"])
        where = f"this look, {row['metric']} for {row['variant']}"
        if p is None or theirs is None:
            notes.same(where, p, theirs)
            continue
        effect = row["effect"]
        ours = {"p": p, "sign": (effect > 0) - (effect < 0), "guardrail": row["guardrail"], "matters": row["matters"]}
        for name, value in ours.items():
            if not near(value, theirs.get(name), 1e-3):
                notes.differs(f"{where}, {name}", value, theirs.get(name))


def _check_slices(notes: Notes, readout: J) -> None:
    """Correction over slices, and the test that the effect is the same in all of them."""
    for segment in readout["segments"]:
        columns = list(zip(*segment["slices"].values(), strict=True))
        for rows in columns:
            where = f"segment {segment['dimension']}, {rows[0]['metric']} for {rows[0]['variant']}"
            for p, row in zip(adjust([NAN if r["p_value"] is None else r["p_value"] for r in rows], "bh"), rows, strict=True):
                if not near(finite(p), row["p_adjusted"], 1e-3):
                    notes.differs(f"estimates, {where}, p_adjusted", finite(p), row["p_adjusted"])
            known = [(r["effect"], 1 / r["se"] ** 2) for r in rows if r["effect"] is not None and r["se"]]
            expected = None
            if len(known) > 1:
                mean = math.fsum(w * d for d, w in known) / math.fsum(w for _, w in known)
                expected = chi2_tail(math.fsum(w * (d - mean) ** 2 for d, w in known), len(known) - 1)
            found = segment["interaction"].get(f"{rows[0]['metric']}:{rows[0]['variant']}")
            if not near(expected, found, 1e-3):
                notes.differs(f"estimates, {where}, same effect in all slices", expected, found)


def check_decision(notes: Notes, payload: J) -> None:
    """The rule's digest, and the outcome that follows from rows and health by it."""
    readout = payload["readout"]
    plan, before = readout["plan"], len(notes.differences)
    notes.same("decision rule, digest", sha256(canonical(payload["rule"])), readout["rule_digest"])
    horizon, summary = plan.get("horizon", {}), readout["summary"]
    if horizon.get("units") and not horizon.get("days"):
        notes.same(
            "decision, horizon reached", sum(summary["units"].values()) >= horizon["units"], readout["due"]["is_adequate"]
        )
    ours = recommended(
        plan, readout["rows"], readout["health"], readout["due"]["is_adequate"], methods=readout.get("methods", 1)
    )
    theirs = readout["recommendation"]
    for name in ("outcome", "variant", "rows"):
        notes.same(f"decision, {name}", ours[name], theirs[name])
    for mine, other in zip(ours["variants"], theirs["variants"], strict=False):
        for name in ("variant", "situation", "row", "outcome"):
            notes.same(f"decision, {mine['variant']}, {name}", mine[name], other[name])
        fits = next(
            (r for r in payload["rule"] if all(mine["situation"][k] in allowed for k, allowed in r["when"].items())), None
        )
        notes.same(f"decision, {mine['variant']}, row of the rule", fits and fits["id"], mine["row"])
        notes.same(f"decision, {mine['variant']}, because", fits and fits["because"], other["because"])
    decision = payload["decision"]
    if decision is not None:
        follows = (decision["outcome"], decision["variant"]) == (ours["outcome"], ours["variant"])
        notes.same("decision, follows the rule", follows, decision["follows_rule"])
    if len(notes.differences) == before:
        notes.checked.append(f"decision follows from the estimates by row {', '.join(dict.fromkeys(ours['rows']))} of the rule")
