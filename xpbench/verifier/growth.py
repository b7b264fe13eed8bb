"""What two health checks say of the look before, derived from the ledger: units that are gone, outcomes that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xpbench.verifier.bound import is_known, look_on_record
from xpbench.verifier.health import as_shown
from xpbench.verifier.numbers import near
from xpbench.verifier.report import J, Notes

LOOKED = ("looked", "opened", "peeked")
COMPARED = ("shrunk_data", "restated_outcomes")
WHO_COUNTS = ("/exposure", "/data", "/variants")
"""Fields of the plan whose amendment leaves no look to compare with."""

LOST_ABOVE = 0.005
SAMPLED, HASH_DIGITS, MISSING_ABOVE, FEWEST = 64, 8, 0.05, 4
WARN_ABOVE, FAIL_ABOVE, WARN_ERRORS, FAIL_ERRORS, GROWN = 0.01, 0.05, 0.5, 1.0, 0.5


def check_growth(notes: Notes, payload: J, entries: Sequence[J], *, is_own: bool) -> None:
    """Status, numbers and sentence of *Data only grows* and *Outcomes stay* are those that the looks on record give.

    Args:
        notes: Where to note what is found.
        payload: Of a memo.
        entries: Of its ledger, whose chain holds.
        is_own: Whether this version made it; another release may have had other limits and words.
    """
    readout, look = payload["readout"], look_on_record(payload["readout"], entries)
    if look is None or not is_own or "outcomes_of" not in look["body"]:
        return
    before = _comparable([e for e in entries if e is not look and is_known(e, look, entries)])
    checks = {c["name"]: c for c in readout["health"]}
    said = len(notes.differences)
    if "shrunk_data" in checks:
        _compare_growth(notes, checks["shrunk_data"], _shrunk(readout, look["body"], before))
    if "restated_outcomes" in checks and _check_sums(notes, readout, look["body"]):
        keys = {m["key"] for m in readout["plan"]["metrics"]}
        if any(k in keys and k not in look["body"]["outcomes_of"] for e in before for k in e["body"].get("outcomes_of", ())):
            notes.left.append("whether outcomes stayed, as the data end before those of an earlier look")
            return
        _compare_growth(notes, checks["restated_outcomes"], _restated(readout, look["body"], before))
    if len(notes.differences) == said:
        notes.checked.append("what changed since the look before, from the counts and sums on record")


Found = tuple[str, str, dict[str, J]]
"""Status, sentence, and numbers of a check."""


def _compare_growth(notes: Notes, check: J, ours: Found) -> None:
    status, sentence, evidence = ours
    where = f"health, {check['name']}"
    notes.same(where, status, check["status"])
    if sentence != check["meaning"] and "://" not in sentence:  # of an address the house shows no password
        notes.differs(f"{where}, sentence", sentence, check["meaning"])
    if not _alike_numbers(evidence, check["evidence"]):
        notes.differs(f"{where}, numbers", evidence, check["evidence"])


def _alike_numbers(a: J, b: J) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike_numbers(a[k], b[k]) for k in a)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        return abs(a - b) <= 1e-7 * max(abs(a), abs(b), 1e-3)  # sums are on record with nine digits
    return near(a, b, 0.0)


def _comparable(known: Sequence[J]) -> list[J]:
    """Looks that this one is compared with, the newest first: none at which the comparison failed, none of other units."""
    out = []
    for entry in reversed(known):
        body = entry["body"]
        if entry["kind"] == "amended" and any(str(c["pointer"]).startswith(WHO_COUNTS) for c in body.get("changes", ())):
            break
        if entry["kind"] in LOOKED and not set(COMPARED) & set((body.get("health") or {}).get("gates", ())):
            out.append(entry)
    return out


def _shrunk(readout: J, look: J, before: Sequence[J]) -> Found:
    if not before:
        return "not answerable", "This is the first look.", {}
    last, keys = before[0]["body"], [v["key"] for v in readout["plan"]["variants"]]
    then = {k: int(last["units"].get(k, 0)) for k in keys}
    now = {k: int(readout["summary"]["units"].get(k, 0)) for k in keys}
    lost = {k: max(0, then[k] - now[k]) for k in keys}
    share = max((lost[k] / then[k] for k in keys if then[k]), default=0.0)
    begins = [str(last.get("first_exposure", "")), str(readout["summary"]["first_exposure"])]
    numbers = {
        "units_last_look": then,
        "units": now,
        "lost": lost,
        "largest_share": share,
        "fail_above": LOST_ABOVE,
        "first_exposure_last_look": begins[0],
        "first_exposure": begins[1],
    }
    compared, gone = _sampled_gone(str(last.get("sample", "")), str(look.get("sample", "")))
    if compared:
        numbers |= {"sampled": compared, "sampled_gone": gone}
    if share <= LOST_ABOVE and gone >= FEWEST and gone > MISSING_ABOVE * compared:
        words = (
            f"Of {compared} sampled units of the look before, {gone} are gone or have another variant: these are other units."
        )
        return "fail", words, numbers
    if share == 0 and all(begins) and begins[0] != begins[1]:
        words = f"The first exposure is of {begins[1]}; at the look before it was of {begins[0]}: not the same data, or older "
        return "warn", f"{words}data was added.", numbers
    if share == 0:
        return "pass", "No variant has fewer units than at the look before.", numbers
    count = sum(lost.values())
    words = (
        f"Since the look before, {count:,} {'unit is' if count == 1 else 'units are'} gone (up to {share:.2%} of a variant)."
    )
    return ("fail" if share > LOST_ABOVE else "warn"), words, numbers


def _sampled_gone(then: str, now: str) -> tuple[int, int]:
    """Sampled units that can be looked for, and how many of them are not there."""
    (kind, _, earlier), (other, _, later) = then.rpartition(" "), now.rpartition(" ")
    if kind != other or not earlier or not later:
        return 0, 0
    old, new = ([text[i : i + HASH_DIGITS] for i in range(0, len(text), HASH_DIGITS)] for text in (earlier, later))
    asked = {h for h in old if len(new) < SAMPLED or h <= new[-1]}
    return len(asked), len(asked - set(new))


# sums of outcomes

Sums = dict[str, float]


def _sums_of(readout: J, metric: str, until: str, variant: str | None = None) -> Sums:
    """Units, sum and sum of squares of a metric as it was counted, without caps, of days up to one."""
    dimension = "$day" if until else ""
    own = [
        c
        for c in readout["summary"]["cells"]
        if c["metric"] == metric and c.get("dimension", "") == dimension and c["form"] != "before"
    ]
    cells = [c for c in own if c["form"] == "raw"] or own
    total: Sums = {"n": 0, "sum": 0.0, "squares": 0.0}
    for c in cells:
        if (until and c["slice"] > until) or (variant is not None and c["variant"] != variant):
            continue
        total["n"] += c["n"]
        total["sum"] += c["n"] * c["mean"][0]
        total["squares"] += max(c["n"] - 1, 0) * c["cov"][0][0] + c["n"] * c["mean"][0] ** 2
    return {"n": total["n"], "sum": float(f"{total['sum']:.9g}"), "squares": float(f"{total['squares']:.9g}")}


def _check_sums(notes: Notes, readout: J, look: J) -> bool:
    """The sums that the look has put on record are those of the moments in the payload."""
    before = len(notes.differences)
    for metric, told in look["outcomes_of"].items():
        if not _alike_numbers({k: told[k] for k in ("n", "sum", "squares")}, _sums_of(readout, metric, told["until"])):
            notes.differs(f"look, outcomes of {metric}", _sums_of(readout, metric, told["until"]), told)
        for variant, by in (look.get("outcomes_by") or {}).get(metric, {}).items():
            if not _alike_numbers(by, _sums_of(readout, metric, told["until"], variant)):
                notes.differs(
                    f"look, outcomes of {metric} for {variant}", _sums_of(readout, metric, told["until"], variant), by
                )
    return len(notes.differences) == before


class _Restated:
    """How the outcomes of one metric changed since a look."""

    def __init__(self, readout: J, metric: str, then: J, *, signed: bool) -> None:
        self.mature, self.until = then["mature"], then["until"]
        now = _sums_of(readout, metric, self.until)
        self.is_there = bool(then["n"] and now["n"])
        if not self.is_there:
            return
        grown = now["n"] > then["n"] and not (self.mature and self.until)
        fell = now["squares"] < then["squares"] or (now["sum"] < then["sum"] and not signed)
        self.is_there = fell or not (grown or (not self.until and now["n"] != then["n"]))
        share = now["n"] / then["n"] if self.until and not grown else 1.0
        self.then, self.now = then["sum"] * share, now["sum"]
        scale = max(abs(self.then), (then["squares"] * share) ** 0.5)
        self.change = (self.now - self.then) / scale if scale > 0 else float(self.now != 0)
        if grown and now["squares"] < then["squares"]:
            self.change = min(self.change, now["squares"] / then["squares"] - 1.0)

    @property
    def judged(self) -> float:
        return self.change if self.mature or self.change < 0 else 0.0


def _restated_since(readout: J, look: J, before: Mapping[str, J]) -> dict[str, _Restated]:
    signed = {f["metric"] for f in readout["summary"]["findings"] if f["name"] == "negative" and f["count"]}
    out = {}
    for metric in (m["key"] for m in readout["plan"]["metrics"]):
        then, now = before.get(metric), look["outcomes_of"].get(metric)
        if then is not None and now is not None and then["of"] == now["of"]:
            change = _Restated(readout, metric, then, signed=metric in signed)
            if change.is_there:
                out[metric] = change
    return out


MATURE = "The outcomes of mature units are those of the look before."


def _restated(readout: J, look: J, before: Sequence[J]) -> Found:
    last = before[0]["body"].get("outcomes_of") if before else None
    if not last:
        return "not answerable", "No look before this one has recorded outcomes of mature units.", {}
    found = _restated_since(readout, look, last)
    if not found:
        return "not answerable", "No metric has days that were mature at the look before.", {}
    names = {m["key"]: as_shown(m.get("name") or m["key"]) for m in readout["plan"]["metrics"]}
    worst = max(found, key=lambda k: abs(found[k].judged))
    first = found[worst]
    numbers: dict[str, J] = {
        "metrics": len(found),
        "metric": worst,
        "then": first.then,
        "now": first.now,
        "largest_share": abs(first.judged),
        "warn_above": WARN_ABOVE,
        "fail_above": FAIL_ABOVE,
    }
    pooled = _pooled_words("before", names, numbers, first.judged) if abs(first.judged) > WARN_ABOVE else None
    if pooled is not None and pooled[0] == "fail":
        return pooled
    further = _little_by_little(readout, look, before, names, numbers) or _of_one_variant(readout, look, before, names, numbers)
    if further is not None and (pooled is None or further[0] == "fail"):
        return further
    grown = {k: c.change for k, c in found.items() if not c.mature and c.change > GROWN}
    if pooled is None and grown:
        metric = max(grown, key=lambda k: grown[k])
        words = (
            f"Since the look before, {names[metric]} grew by {grown[metric]:.0%} for the units of that look. They may still "
            "have acted; or rows were added twice."
        )
        return "warn", words, {**numbers, "metric": metric, "then": found[metric].then, "now": found[metric].now}
    return pooled or ("pass", MATURE, numbers)


def _pooled_words(look: str, names: Mapping[str, str], numbers: dict[str, J], change: float) -> Found:
    what = "gone" if change < 0 else "added"
    words = (
        f"Since the look {look}, {abs(change):.1%} of {names[numbers['metric']]} is {what} for units whose outcomes were "
        f"complete then ({numbers['then']:,.6g} then, {numbers['now']:,.6g} now, all variants together)."
    )
    return ("fail" if abs(change) > FAIL_ABOVE else "warn"), words, numbers


def _looks_further_back(before: Sequence[J]) -> list[tuple[str, J, J]]:
    """Looks further back than the last one: day, outcomes over all variants, and by variant."""
    return [
        (e["at"][:10], e["body"]["outcomes_of"], e["body"].get("outcomes_by") or {})
        for e in before[1:]
        if e["body"].get("outcomes_of")
    ]


def _little_by_little(
    readout: J, look: J, before: Sequence[J], names: Mapping[str, str], numbers: dict[str, J]
) -> Found | None:
    worst, said = FAIL_ABOVE, None
    for day, sums, _ in _looks_further_back(before):
        for metric, c in _restated_since(readout, look, sums).items():
            if abs(c.judged) > worst:
                worst = abs(c.judged)
                own = {"metric": metric, "then": c.then, "now": c.now, "largest_share": worst, "since": day}
                said = _pooled_words(f"of {day}", names, {**numbers, **own}, c.judged)
    return said


def _of_one_variant(readout: J, look: J, before: Sequence[J], names: Mapping[str, str], numbers: dict[str, J]) -> Found | None:
    said, last = None, before[0]["body"]
    for day, sums, by in (("before", last["outcomes_of"], last.get("outcomes_by") or {}), *_looks_further_back(before)):
        since = day if day == "before" else f"of {day}"
        for metric, (variant, share, errors) in _moved_between(readout, look, sums, by).items():
            fails = share > FAIL_ABOVE and errors > FAIL_ERRORS
            if not fails and (said is not None or day != "before" or share <= WARN_ABOVE or errors <= WARN_ERRORS):
                continue
            words = (
                f"Since the look {since}, {names[metric]} changed for units of one variant whose outcomes were complete then, "
                "and not as much for the others."
            )
            own = {"metric": metric, "variant": variant, "share_of_variant": share, "errors": errors}
            said = "fail" if fails else "warn", words, {**numbers, **own}
            if fails:
                return said
    return said


def _moved_between(readout: J, look: J, pooled: Mapping[str, J], by: Mapping[str, J]) -> dict[str, tuple[str, float, float]]:
    """By metric the variant whose sum changed most, by which share of it and by how many of its errors."""
    signed = {f["metric"] for f in readout["summary"]["findings"] if f["name"] == "negative" and f["count"]}
    planned = {v["key"] for v in readout["plan"]["variants"]}
    out: dict[str, tuple[str, float, float]] = {}
    for metric in (m["key"] for m in readout["plan"]["metrics"]):
        whole, own = pooled.get(metric), look["outcomes_of"].get(metric)
        if whole is None or own is None or whole["of"] != own["of"]:
            continue
        for variant, then in by.get(metric, {}).items():
            now = _sums_of(readout, metric, whole["until"], variant)
            if variant not in planned or not then["n"] or not now["n"]:
                continue
            is_open = not whole["mature"] or not whole["until"]
            share = now["n"] / then["n"] if whole["until"] and not (is_open and now["n"] > then["n"]) else 1.0
            change = now["sum"] - then["sum"] * share
            if is_open and not (change < 0 and now["n"] >= then["n"] and metric not in signed):
                continue
            scale, noise = abs(then["sum"] * share), (then["squares"] * share) ** 0.5
            if noise > 0:
                found = (variant, abs(change) / max(scale, noise), abs(change) / noise)
            elif change:
                found = (variant, 1.0, abs(change) / max(now["squares"], abs(change)) ** 0.5)
            else:
                continue
            if metric not in out or found[2] > out[metric][2]:
                out[metric] = found
    return out
