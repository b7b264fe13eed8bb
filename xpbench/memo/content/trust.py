"""Why the numbers may be believed: health, looks, deviations, split and accrual, data, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.errors import number_of
from xpbench.health.five import WORDS as HEALTH_WORD
from xpbench.health.five import five, short
from xpbench.ledger.knowledge import data_of
from xpbench.memo import figures
from xpbench.memo.content.plain_words import HEALTH_TONE, json_text, minute_text, plain_text
from xpbench.memo.messages import say
from xpbench.memo.names import metric_names, named, says_how_it_was_read
from xpbench.wording import numbers as digits
from xpbench.wording.rows import DASH


def health_check(check: Mapping[str, Any]) -> dict[str, Any]:
    """One health check with its evidence in a line."""
    return {
        "title": check["title"],
        "status": check["status"],
        "word": HEALTH_WORD.get(check["status"], check["status"]),
        "tone": HEALTH_TONE.get(check["status"], "muted"),
        "gate": check["gate"],
        "meaning": check["meaning"],
        "next_step": check["next_step"],
        "evidence": _evidence(check["evidence"]),
    }


def _evidence(evidence: Mapping[str, Any]) -> str:
    parts = []
    for name, value in evidence.items():
        if isinstance(value, (dict, list)):
            continue
        parts.append(f"{name.replace('_', ' ')} {plain_text(value)}")
    return " · ".join(parts[:8])


def health_line(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Health as words, worst first: loud checks by name, then how many pass."""
    loud = [c for c in checks if c["status"] in ("fail", "warn")]
    out = [{"text": f"{c['title']}: {c['status']}", "tone": HEALTH_TONE[c["status"]]} for c in loud[:3]]
    if len(loud) > 3:
        out.append({"text": f"{len(loud) - 3} more fail or warn", "tone": "warn"})
    passed = sum(c["status"] == "pass" for c in checks)
    silent = sum(c["status"] == "not answerable" for c in checks)
    if passed:
        out.append({"text": f"{passed} {'more ' if loud else ''}pass", "tone": "better"})
    if silent:
        out.append({"text": f"{silent} not run", "tone": "muted"})
    return out or [{"text": "no check ran", "tone": "worse"}]


def health_lines(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The checks that matter most with what they found, further loud ones, and one line for the rest."""
    lines, more, rest = five(checks)
    return {
        "lines": [
            {
                "title": c["title"],
                "word": HEALTH_WORD.get(c["status"], c["status"]),
                "tone": HEALTH_TONE.get(c["status"], "muted"),
                "said": short(c),
            }
            for c in lines
        ],
        "more": more,
        "rest": rest,
    }


def ledger_looks(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All looks at effects in the memo's own ledger, oldest first, with the digest of the data that each was at."""
    entries = [json.loads(line) for line in payload["ledger"]["lines"]]
    return [
        {
            "seq": e["seq"],
            "at": e["at"],
            "by": e["by"] or "",
            "kind": e["kind"],
            "units": e["body"]["n"],
            "planned": e["kind"] == "opened",
            "reason": e["body"].get("reason", ""),
            "data": data_of(e["body"], e["seq"]),
            "agent": e.get("agent", ""),
            "times": (e["at"], (e["body"].get("merged") or {}).get("at", "")),
            "reading": e["body"].get("reading") or {},
        }
        for e in entries
        if e["kind"] in ("opened", "peeked")
    ]


def later_looks(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Looks after the one a memo rests on and before its decision, at other data: each state of the data once."""
    readout, looks = payload["readout"], ledger_looks(payload)
    own = next((k for k in looks if readout["at"] in k["times"] and k["kind"] == readout["kind"]), None)
    end = payload["decision"]["seq"] if payload["decision"] else len(payload["ledger"]["lines"]) + 1
    told = json.loads(payload["ledger"]["lines"][end - 1])["body"].get("later_looks") if payload["decision"] else None
    if told is not None:
        return [k for k in looks if k["seq"] in told]
    if own is None:
        return []
    found = {k["data"]: k for k in reversed(looks) if own["seq"] < k["seq"] < end and k["data"] != own["data"]}
    return sorted(found.values(), key=lambda k: int(k["seq"]))


def looks_section(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Looks at the effects, and what they cost; every count is that of the memo's own ledger."""
    looks, cost = ledger_looks(payload), payload["readout"]["cost"]
    peeks = len({k["data"] for k in looks if not k["planned"]})
    count = len({k["data"] for k in looks})
    words = {"looks": number_of(count, "look"), "peeks": peeks}
    words |= {"entries": number_of(len(looks), "entry", "entries")} if count < len(looks) else {}
    agents = len({k["data"] for k in looks if k["agent"]})
    line = say("looks.line" if count == len(looks) else "looks.line_again", **words)
    if agents:  # said apart, so that the line of a memo without them stays as it was
        line = say("looks.line_agents", line=line, agents=number_of(agents, "look"))
    return {
        "count": count,
        "peeks": peeks,
        "line": line,
        "cost": cost["sentence"] if count == cost["looks"] else _cost_of_all(payload["readout"], count),
        "rows": [
            {
                "at": minute_text(look["at"]),
                "by": _who(look),
                "units": digits.whole(look["units"]),
                "planned": "when due" if look["planned"] else "before due",
                "reason": look["reason"],
                "seq": look["seq"],
            }
            for look in looks
        ],
    }


def _who(look: Mapping[str, Any]) -> str:
    """Who looked; a program is named where the name of the person does not say it already."""
    who = named(look["by"]) if look["by"] else DASH
    program = named(look["agent"]) if look["agent"] else ""
    return who if not program or str(look["by"]).startswith("agent ") else f"{who} (by the program {program})"


def _cost_of_all(readout: Mapping[str, Any], count: int) -> str:
    """What all looks of the ledger cost, where the readout knew of another number of them."""
    if readout["plan"]["model"]["kind"] not in ("frequentist", "bayesian"):
        return say("looks.all", cost=readout["cost"]["sentence"], looks=number_of(count, "look"))
    return say("looks.chosen", looks=number_of(count, "look"), alpha=digits.share_text(readout["cost"]["alpha"]))


def deviation_row(deviation: Mapping[str, Any]) -> dict[str, str]:
    """One deviation from the plan as registered."""
    return {
        "pointer": str(deviation.get("pointer", "")),
        "class": str(deviation.get("class", "")),
        "registered": json_text(deviation.get("before")),
        "found": json_text(deviation.get("after")),
    }


def split_picture(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Units by variant against the planned split."""
    units = readout["summary"]["units"]
    total = sum(v["split"] for v in plan["variants"]) or 1.0
    return figures.split(
        [
            figures.MemoSplitRow(labels[v["key"]], units.get(v["key"], 0), v["split"] / total, bool(v.get("control")))
            for v in plan["variants"]
        ]
    )


def accrual_picture(readout: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Units by day, the horizon and the looks; empty without dates."""
    by_day = readout["summary"]["exposures_by_day"]
    if not by_day:
        return ""
    days = sorted(by_day)
    return figures.accrual(
        days,
        [sum(by_day[d].values()) for d in days],
        horizon=plan.get("horizon", {}).get("units"),
        looks=sorted({look["at"][:10] for look in readout["looks"]}),
    )


def data_section(readout: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """What was read, and what was left out."""
    summary, names = readout["summary"], metric_names(readout["plan"])
    return {
        "source": summary["source"],
        "rows": digits.whole(summary["rows"]),
        "units": [{"variant": labels.get(k, k), "n": digits.whole(v)} for k, v in summary["units"].items()],
        "first": minute_text(summary["first_exposure"]) if summary["first_exposure"] else "",
        "last": minute_text(summary["last_exposure"]) if summary["last_exposure"] else "",
        "until": minute_text(summary["data_until"]) if summary["data_until"] else "",
        "findings": [
            {
                "name": f["name"].replace("_", " "),
                "count": f"{digits.whole(f['count'])} of {digits.whole(f['of'])}",
                "action": f["action"],
                "metric": names.get(f["metric"], f["metric"]) or "all",
                "detail": f["detail"],
            }
            for f in summary["findings"]
        ],
        "caps": [
            {
                "metric": names.get(c["metric"], c["metric"]),
                "column": c["column"],
                "lower": DASH if c["lower"] is None else digits.significant(c["lower"], 6),
                "upper": DASH if c["upper"] is None else digits.significant(c["upper"], 6),
                "cut": f"{digits.whole(c['n_lower'])} raised, {digits.whole(c['n_upper'])} cut",
            }
            for c in summary["caps"]
        ],
    }


def reading_words(reading: Mapping[str, Any]) -> str:
    """How a look read its data, as its entry says: files, end, zone, columns and policies."""
    how, files = reading.get("how") or {}, list(reading.get("files") or ())
    more = len(files) - 3 + int(reading.get("more_files", 0))
    said = [", ".join(files[:3]) + (f" and {number_of(more, 'more file', 'more files')}" if more > 0 else "")] if files else []
    said += [f"a table in memory ({reading['table']})"] if reading.get("table") else []
    if reading["kind"] == "log":
        said.append(f"complete until {minute_text(how['until'])}" if how.get("until") else "complete until its last event")
        said.append(f"times in {how.get('time_zone', 'UTC')}")
        said.append("repeats kept" if how.get("duplicates") == "keep" else "repeats dropped")
        said += ["events that never occur count as zero"] if how.get("absent_events") == "zero" else []
        people = how.get("identities") or {}
        said += [f"several ids of one person by {', '.join(people.get('files') or [people['table']])}"] if people else []
        said += [
            f"{part.replace('_', ' ')} in {name or 'no column'}" for part, name in sorted((how.get("schema") or {}).items())
        ]
    if reading["kind"] == "moments":
        said.append("moments that were handed over, not read from data")
    if reading["kind"] == "table":
        said += [f"{part} in column {how[part]}" for part in ("unit", "variant", "day") if how.get(part)]
        said += [f"{value} means {key}" for value, key in sorted((how.get("variants") or {}).items())]
    return "; ".join(said)


def _witnessed(payload: Mapping[str, Any]) -> str:
    """Whether anybody but the writer of the ledger vouches for its dates."""
    stamped = [e for e in payload["ledger"]["entries"] if e["kind"] == "stamped"]
    if not stamped:
        return "not witnessed: they are those of the computers that wrote the ledger"
    return f"witnessed up to entry {stamped[-1]['seq'] - 1} by a time stamp, which xpbench verify checks"


def _reading_rows(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    readout = payload["readout"]
    own = next((k for k in ledger_looks(payload) if readout["at"] in k["times"] and k["kind"] == readout["kind"]), None)
    words = reading_words(own["reading"]) if own and own["reading"] else ""
    return [("How it was read", words)] if words else []


def provenance_rows(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Digests, versions and seeds."""
    readout = payload["readout"]
    summary = readout["summary"]
    pairs = [
        ("Plan in force, SHA-256", readout["plan_digest"]),
        ("Plan as registered, SHA-256", payload["registered"]["plan_digest"]),
        ("Decision rule, SHA-256", readout["rule_digest"]),
        ("Data, SHA-256 of what was read", summary["fingerprint"]),
        *_reading_rows(payload),
        (
            "Ledger at this memo",
            f"{payload['ledger']['witness']['length']} entries, head {payload['ledger']['witness']['digest']}",
        ),
        ("Readout made", minute_text(readout["at"])),
        *([("Dates", _witnessed(payload))] if says_how_it_was_read(readout) else []),
    ]
    pairs += [(f"Version of {k}", str(v)) for k, v in readout["versions"].items()]
    if summary["engine"]:
        pairs.append(("Data engine", summary["engine"]))
    pairs += [(f"Seed, {k}", str(v)) for k, v in payload["seeds"].items()]
    pairs.append(("Schema of this memo", str(payload["schema"])))
    return pairs
