"""What health checks say of counts, derived from the findings, units and days of the payload: status, sentence, numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date

from xpbench.verifier.health import as_shown
from xpbench.verifier.numbers import near
from xpbench.verifier.quantiles import chi2_tail
from xpbench.verifier.report import J, Notes

Counted = tuple[str, str, Mapping[str, J]]
"""Status, sentence, and some numbers of a check."""

WARNS, FAILS = 0.001, 0.01
"""Shares of units that met several variants."""
SKEWED = 0.001
MISSING_FAILS = 0.05
UNKNOWN_FAILS, UNNAMED_FAILS, REJECTED_FAILS, OUTSIDE_WARNS = 0.5, 0.05, 0.01, 0.01
IMMATURE, KEPT_IMMATURE, SLOW, ENOUGH = 0.5, 0.05, 0.5, 1000
EDGE = 1e-6
"""How close a p-value may come to its level before two computations may differ in which side it is on."""
WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def check_counted(notes: Notes, readout: J) -> None:
    """Compare each check that follows from the payload's own counts with what is said of it.

    Args:
        notes: Where to note what is found.
        readout: Of this version: another release may have had other limits and words.
    """
    before, done = len(notes.differences), 0
    checks = {c["name"]: c for c in readout["health"]}
    world = _Counts(readout)
    for name, derive in DERIVED.items():
        check = checks.get(name)
        ours = derive(world) if check is not None else None
        if check is None or ours is None:
            continue
        done += 1
        status, sentence, numbers = ours
        notes.same(f"health, {name}", status, check["status"])
        if sentence != check["meaning"] and "://" not in sentence:  # of an address the house shows no password
            notes.differs(f"health, {name}, sentence", sentence, check["meaning"])
        for key, value in numbers.items():
            if not near(value, check["evidence"].get(key), 1e-6) and value != check["evidence"].get(key):
                notes.differs(f"health, {name}, {key}", value, check["evidence"].get(key))
    if len(notes.differences) == before:
        notes.checked.append(f"{done} health checks, each sentence and status from the counts of the payload")


class _Counts:
    """What a readout has counted."""

    def __init__(self, readout: J) -> None:
        self.plan, self.summary = readout["plan"], readout["summary"]
        self.units = {v["key"]: int(self.summary["units"].get(v["key"], 0)) for v in self.plan["variants"]}
        self.n = sum(self.summary["units"].values())
        self.is_log = not any(m["kind"] == "column" for m in self.plan["metrics"])
        self.policy = self.plan.get("health") or {}

    def found(self, *names: str) -> list[J]:
        return [f for f in self.summary["findings"] if f["name"] in names and f["count"] > 0]

    def counted(self, *names: str) -> tuple[int, float, str]:
        """Count, largest share and action: of several metrics the one with most speaks for all."""
        by: dict[str, list[J]] = {}
        for f in self.found(*names):
            by.setdefault(f["metric"], []).append(f)
        found = max(by.values(), key=lambda fs: sum(f["count"] for f in fs), default=[])
        share = max((f["count"] / f["of"] for f in found if f["of"]), default=0.0)
        return sum(f["count"] for f in found), share, found[0]["action"] if found else ""


def _number_of(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _no_units(w: _Counts) -> Counted:
    empty = [v["key"] for v in w.plan["variants"] if v["split"] > 0 and w.units[v["key"]] == 0]
    numbers = {"units": w.units, "empty": empty}
    if not empty:
        return "pass", "Every planned variant has exposed units.", numbers
    if len(empty) == len(w.units):
        return "fail", "No unit of any planned variant was found: this may be another experiment's data.", numbers
    return "fail", f"{len(empty)} of {len(w.units)} variants have no exposed unit.", numbers


def _contamination(w: _Counts) -> Counted | None:
    found = w.found("several_variants")
    if not w.is_log and not found and w.plan.get("members") is None:
        words = "A table with one row per unit does not show who met several variants."
        return "not answerable", words, {}
    count = sum(f["count"] for f in found)
    everyone = w.n + (0 if any(f["action"] != "excluded" for f in found) else count)
    if not everyone:
        return "not answerable", "There are no units yet.", {}
    share, by = count / everyone, dict.fromkeys(w.units, 0)
    for f in found:
        for variant, n in f["by_variant"].items():
            by[variant] = by.get(variant, 0) + int(n)
    p = _skew_p(by, {k: n + by.get(k, 0) for k, n in w.units.items()}) if any(f["by_variant"] for f in found) else None
    level = w.policy.get("srm_alpha", SKEWED)
    if p is not None and abs(p - level) < EDGE * level:
        return None
    skewed = p is not None and p < level
    fails = share > w.policy.get("contamination_fail", FAILS) or skewed
    numbers = {"units": count, "share": share, "skew_p_value": p}
    if not fails and share <= w.policy.get("contamination_warn", WARNS):
        return "pass", f"{_number_of(count, 'unit')} ({share:.3%}) met several variants.", numbers
    words = f"{_number_of(count, 'unit')} ({share:.2%}) met several variants."
    if skewed and p is not None:
        words += f" It is not the same in every variant ({_p_words(p)}), so leaving these units out makes the variants unlike."
    return ("fail" if fails else "warn"), words, numbers


def _p_words(p: float) -> str:
    return f"p = {p:.2e}" if p >= 1e-300 else "p < 1e-300"


def _skew_p(counts: Mapping[str, int], of: Mapping[str, int]) -> float | None:
    """p-value of one rate in every variant: Pearson's chi-squared, Fisher's exact test where a variant expects under 5."""
    names = [k for k, n in of.items() if n > 0]
    hit = [min(counts.get(k, 0), of[k]) for k in names]
    total, everyone = sum(hit), sum(of[k] for k in names)
    if len(names) < 2:
        return None
    if total in (0, everyone):
        return 1.0
    if min(min(total, everyone - total) * of[k] / everyone for k in names) >= 5:
        parts = []
        for k, h in zip(names, hit, strict=True):
            for seen, all_of in ((h, total), (of[k] - h, everyone - total)):
                expected = all_of * of[k] / everyone
                parts.append((seen - expected) ** 2 / expected)
        return chi2_tail(math.fsum(parts), len(names) - 1)
    tests = [_fisher(h, of[k], total, everyone) for k, h in zip(names, hit, strict=True)]
    tests = tests[:1] if len(names) == 2 else tests
    return min(1.0, min(tests) * len(tests))


def _fisher(x: int, drawn: int, marked: int, everyone: int) -> float:
    """Two-sided: all tables that are at most as likely as this one."""

    def log(k: int) -> float:
        return _choose(marked, k) + _choose(everyone - marked, drawn - k) - _choose(everyone, drawn)

    limit = log(x) + 1e-7
    found = (log(k) for k in range(max(0, drawn - (everyone - marked)), min(marked, drawn) + 1))
    return min(1.0, math.fsum(math.exp(value) for value in found if value <= limit))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _unknown_variant(w: _Counts) -> Counted:
    found = w.found("unknown_variant", "unknown_variants")
    count, of = sum(f["count"] for f in found), max([f["of"] for f in found], default=w.n)
    share = count / of if of else 0.0
    numbers = {"count": count, "of": of, "share": share}
    if not count:
        return "pass", "Every variant in the data is one of the plan.", numbers
    if share > UNKNOWN_FAILS:
        words = f"{share:.0%} of the units carry a variant that the plan does not have: most likely another experiment's data."
        return "fail", words, numbers
    did = found[0]["action"]
    words = f"{count:,} of {of:,} ({share:.2%}) carry a variant that the plan does not have; they were {did}."
    return "warn", words, numbers


def _unnamed(w: _Counts) -> Counted:
    found = w.found("missing_variant")
    found += [f for f in w.found("missing_unit") if not (w.is_log and f["of"] == w.summary["rows"])]
    count, of = sum(f["count"] for f in found), max([f["of"] for f in found], default=w.n)
    share = count / of if of else 0.0
    numbers = {"count": count, "of": of, "share": share}
    if not count:
        return "pass", "Every row names its unit and its variant.", numbers
    words = f"{count:,} of {of:,} ({share:.2%}) name no unit or no variant; they were {found[0]['action']}."
    return ("fail" if share > UNNAMED_FAILS else "warn"), words, numbers


def _doubled(w: _Counts) -> Counted:
    if w.is_log:
        return "not answerable", "An event log has many rows per unit by nature.", {}
    count, share, action = w.counted("duplicate_units", "duplicate_unit")
    if not count:
        return "pass", "Every unit has one row.", {"count": count}
    verb = "repeats a unit; it was" if count == 1 else "repeat a unit; they were"
    words = f"{_number_of(count, 'row')} ({share:.2%}) {verb} {action}."
    return ("fail" if action == "kept" else "warn"), words, {"count": count, "share": share}


def _finite(w: _Counts) -> Counted:
    found = w.found("not_a_number", "infinite", "non_numeric", "non_finite")
    count, share = sum(f["count"] for f in found), max((f["count"] / f["of"] for f in found if f["of"]), default=0.0)
    numbers = {"count": count, "largest_share": share}
    if not count:
        return "pass", "Every value is a finite number.", numbers
    where = ", ".join(sorted({as_shown(f["metric"]) for f in found if f["metric"]}))[:200]
    words = f"{count:,} values{f' of {where}' if where else ''} are not finite numbers and were {found[0]['action']}."
    return ("fail" if share > w.policy.get("missing_fail", MISSING_FAILS) else "warn"), words, numbers


def _codes(w: _Counts) -> Counted:
    found = w.found("missing_code", "missing_codes")
    count, kept = sum(f["count"] for f in found), [f for f in found if f["action"] == "kept"]
    if not count:
        return "pass", "No code for missing values was seen.", {"count": count}
    if kept and (w.plan.get("data") or {}).get("missing_codes") is None:
        where = ", ".join(as_shown(f["metric"] or f["detail"] or "a column") for f in kept[:3])
        total = sum(f["count"] for f in kept)
        words = f"{total:,} values look like codes for missing (in {where}) and would be averaged in."
        return "fail", words, {"count": count}
    return "warn", f"{count:,} values are codes for missing and were {found[0]['action']}.", {"count": count}


def _negative(w: _Counts) -> Counted:
    found = w.found("negative", "negative_value", "negative_values")
    count = sum(f["count"] for f in found)
    if not count:
        return "pass", "No value is negative.", {"count": count}
    where = ", ".join(sorted({as_shown(f["metric"]) for f in found if f["metric"]}))[:200] or "the data"
    return "warn", f"{count:,} values of {where} are negative and were {found[0]['action']}.", {"count": count}


def _rejected(w: _Counts) -> Counted:
    count, share, action = w.counted("rejected_lines", "bad_time", "missing_event_name", "truncated_file")
    numbers = {"count": count, "share": share}
    if broken := w.found("broken_file"):
        told = " ".join(f["detail"] for f in broken)
        return "fail", f"{_number_of(len(broken), 'file')} could be read in part alone: {told}", numbers
    if not count:
        return "pass", "Every row was read.", numbers
    words = f"{_number_of(count, 'row')} ({share:.3%}) could not be read and {'was' if count == 1 else 'were'} {action}."
    return ("fail" if share > REJECTED_FAILS else "warn"), words, numbers


def _exposure_dates(w: _Counts) -> Counted:
    policy, found = w.plan.get("exposure") or {}, w.found("outside_dates")
    start, end = _day_of(policy.get("start")), _day_of(policy.get("end"))
    first, last = w.summary["first_exposure"], w.summary["last_exposure"]
    count = sum(f["count"] for f in found if f["action"] == "excluded")
    kept = sum(f["count"] for f in found if f["action"] != "excluded")
    of = max([f["of"] for f in found], default=w.n)
    share = count / of if of else 0.0
    numbers = {"excluded": count, "kept": kept, "share_excluded": share}
    if start is None and end is None and not found:
        return "not answerable", "The plan has no start or end.", numbers
    begins, ends = _day_of(first), _day_of(last)
    early = start is not None and begins is not None and begins < start
    late = end is not None and ends is not None and ends > end
    if early or late or kept:
        what = "before the start" if early else "after the end" if late else "outside the dates"
        words = f"Exposures {what} are among the units (first {first or 'unknown'}, last {last or 'unknown'})."
        return "fail", words, numbers
    if share > OUTSIDE_WARNS:
        verb = "was" if count == 1 else "were"
        return "warn", f"{_number_of(count, 'exposure')} ({share:.2%}) {verb} outside the dates and left out.", numbers
    return "pass", "Exposures lie within the planned dates.", numbers


def _immature(w: _Counts) -> Counted:
    if not w.is_log:
        return "not answerable", "A table with one row per unit does not say whose window is over.", {}
    count, share, action = w.counted("immature_units", "immature_unit")
    one = count == 1
    words = (
        f"{_number_of(count, 'unit')} ({share:.1%}) {'is' if one else 'are'} still within {'its' if one else 'their'} window"
    )
    numbers = {"count": count, "share": share}
    if share <= (KEPT_IMMATURE if action == "kept" else IMMATURE):
        return "pass", f"{words}.", numbers
    verb = "was" if one else "were"
    return "warn", f"{words} and {verb} {action}: a metric that grows with time compares early units only.", numbers


def _weeks(w: _Counts) -> Counted:
    by_day = w.summary["exposures_by_day"]
    days = [(d, sum(int(n) for n in by_day[t].values())) for t in sorted(by_day) if (d := _day_of(t)) is not None]
    if not days:
        return "not answerable", "The source has no dates of exposure.", {}
    seen = {d.weekday() for d, n in days if n}
    absent = [name for i, name in enumerate(WEEK) if i not in seen]
    span = (days[-1][0] - days[0][0]).days + 1
    if absent:
        words = f"There are no exposures on {', '.join(absent)}: units of these days may behave otherwise."
        return "warn", words, {"days": span, "absent": absent}
    return "pass", f"All days of the week are covered ({span} days).", {"days": span, "absent": absent}


def _sample_size(w: _Counts) -> Counted | None:
    horizon = w.plan.get("horizon") or {}
    wanted, planned_days = horizon.get("units"), horizon.get("days")
    numbers = {"units": w.n, "horizon_units": wanted, "horizon_days": planned_days}
    if wanted is None and planned_days is None:
        return "not answerable", "The plan has no horizon.", numbers
    if wanted is not None and w.n >= wanted:
        return "pass", f"{w.n:,} of {wanted:,} planned units: the horizon is reached.", numbers
    first, last = _day_of(w.summary["first_exposure"]), _day_of(w.summary["data_until"])
    if first is None or last is None or last < first:
        return None  # it went by the clock of the reading, which no payload carries
    days = (last - first).days + 1
    over = planned_days is not None and days >= planned_days
    if over and wanted is not None:
        asked = _number_of(wanted, "unit")
        words = f"The {planned_days} days are over with {w.n:,} of {asked}: no significance may mean too few units."
        return "warn", words, numbers
    daily, planned = w.n / days, (w.plan.get("planning") or {}).get("daily_units")
    if planned and days >= 3 and daily < SLOW * planned:
        return "warn", f"{daily:,.0f} new units a day come instead of the planned {planned:,.0f}.", numbers
    of = f" of {wanted:,} planned units" if wanted else " units"
    return "pass", f"{w.n:,}{of}{f', day {days:,} of {planned_days:,}' if planned_days else ''}.", numbers


def _day_of(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


DERIVED: Mapping[str, Callable[[_Counts], Counted | None]] = {
    "no_units": _no_units,
    "contamination": _contamination,
    "unknown_variant": _unknown_variant,
    "missing_variant": _unnamed,
    "duplicate_units": _doubled,
    "not_a_number": _finite,
    "missing_codes": _codes,
    "negative_values": _negative,
    "rejected_lines": _rejected,
    "exposure_dates": _exposure_dates,
    "immature_data": _immature,
    "day_of_week": _weeks,
    "sample_size": _sample_size,
}
"""Checks that follow from the payload alone, and how."""
