"""What the page says, as plain text and numbers ready to show: a pure function of the payload.

Nothing here computes a statistic; every number is one of the frozen readout, turned into text by `digits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from xpbench.memo import digits, figures, prose
from xpbench.memo.impact import impact_sentences
from xpbench.memo.texts import DASH, effect_interval, effect_text, lift_interval, lift_text, margin_text, means, shown

ARROW = " → "

MARKS = {"better": ("▲", "better"), "worse": ("▼", "worse"), "unclear": ("─", "muted")}
RAILS = {"ok": ("✓", "better"), "bad": ("✕", "worse"), "unclear": ("?", "warn")}
RAIL_WORDS = {"ok": "within its margin", "bad": "worse than accepted", "unclear": "not yet shown to be within its margin"}
VERDICT_WORDS = {"better": "better", "worse": "worse", "unclear": "no difference shown"}
HEALTH_TONE = {"pass": "better", "warn": "warn", "fail": "worse", "not answerable": "muted"}
BARS = {
    "ship": ("▲", "accent"),
    "ship none": ("▬", "muted"),
    "iterate": ("↻", "warn"),
    "invalid": ("✕", "worse"),
    "defer": ("◆", "sealed"),
}


def content(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template shows, by section."""
    readout = payload["readout"]
    plan = readout["plan"]
    labels = {v["key"]: v.get("name") or v["key"] for v in plan["variants"]}
    rows = [_row(i, r, plan, labels) for i, r in enumerate(readout["rows"])]
    invalid = "INVALID" in readout["stamps"]
    return {
        "title": plan["title"],
        "key": plan["key"],
        "owner": plan["owner"],
        "made": _day(readout["at"]),
        "stamps": [{"word": s, "means": STAMPS.get(s, "")} for s in readout["stamps"]],
        "invalid": invalid,
        "decision": _decision(payload, labels),
        "impact": impact_sentences(payload),
        "hypothesis": _hypothesis(payload),
        **_forests(payload, rows, labels, hidden=invalid),
        "interval_name": _interval_name(readout, plan),
        "rows": rows,
        "level": digits.share_text(plan["model"]["confidence"]),
        "several": len(plan["variants"]) > 2,
        "guardrails": [r for r in rows if r["role"] == "guardrail"],
        "health": [_check(c) for c in readout["health"]],
        "health_line": _health_line(readout["health"]),
        "looks": _looks(readout),
        "deviations": [_deviation(d) for d in readout["deviations"]],
        "amendments": payload["amendments"],
        "waivers": payload["waivers"],
        "sign_offs": payload["sign_offs"],
        "split": _split(readout, plan, labels),
        "accrual": _accrual(readout, plan),
        "segments": _segments(readout, plan, labels),
        "over_time": _over_time(readout, plan, labels),
        "sensitivity": _sensitivity(readout, plan, labels),
        "rule": _rule(payload, labels),
        "data": _data(readout, labels),
        "method": prose.method(plan, readout),
        "limits": prose.limits(plan, readout),
        "provenance": _provenance(payload),
        "ledger": payload["ledger"]["entries"],
        "witness": payload["ledger"]["witness"],
    }


STAMPS = {
    "INVALID": "A gating health check failed. The effects must not be read.",
    "EXPLORATORY": "The analysis differs from the registered plan in a way that was not declared.",
    "PEEK": "The effects were revealed before they were due.",
}


def _day(at: str) -> str:
    return at[:10]


def _minute(at: str) -> str:
    return f"{at[:10]} {at[11:16]} UTC" if len(at) > 16 else at


# the headline


def headline(outcome: str, variant: str) -> str:
    """The decision as one would say it."""
    return {
        "ship": f"Ship {variant}" if variant else "Ship",
        "ship none": "Ship none",
        "iterate": "Iterate",
        "invalid": "Do not read the effects",
        "defer": "Decision deferred",
    }.get(outcome, outcome)


def _decision(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    recommended = payload["readout"]["recommendation"]
    decision = payload["decision"]
    fired = ", ".join(dict.fromkeys(recommended["rows"]))
    rule_says = headline(recommended["outcome"], labels.get(recommended["variant"], recommended["variant"]))
    if decision is None:
        return {
            "headline": rule_says,
            "mark": BARS[recommended["outcome"]][0],
            "tone": BARS[recommended["outcome"]][1],
            "basis": f"recommended by the rule of the plan ({fired}); nobody has decided yet",
            "differs": False,
            "because": recommended["because"],
            "by": "",
            "at": "",
            "outcome": recommended["outcome"],
            "rule_says": rule_says,
        }
    outcome = decision["outcome"]
    variant = labels.get(decision["variant"], decision["variant"])
    mark, tone = BARS.get(outcome, ("◆", "muted"))
    basis = (
        f"follows the rule of the plan ({fired})"
        if decision["follows_rule"]
        else f"differs from the rule of the plan, which says: {rule_says} ({fired})"
    )
    return {
        "headline": headline(outcome, variant),
        "mark": mark,
        "tone": tone,
        "basis": basis,
        "differs": not decision["follows_rule"],
        "because": decision["because"] or recommended["because"],
        "by": decision["by"],
        "at": _minute(decision["at"]),
        "outcome": outcome,
        "rule_says": rule_says,
    }


def _hypothesis(payload: Mapping[str, Any]) -> dict[str, Any]:
    plan = payload["readout"]["plan"]
    names = {m["key"]: m.get("name") or m["key"] for m in plan["metrics"]}
    hypothesis = plan["hypothesis"]
    claims = []
    for claim in hypothesis.get("then", []):
        verb = "will rise" if claim["direction"] == "increase" else "will fall"  # fits names in singular and plural
        size = f" by {digits.share_text(claim['lift'])}" if claim.get("lift") else ""
        claims.append(f"{names.get(claim['metric'], claim['metric'])} {verb}{size}")
    return {
        "if": hypothesis["if"],
        "then": " and ".join(claims) or DASH,
        "because": hypothesis["because"],
        "registered": _minute(payload["registered"]["at"]),
        "by": payload["registered"]["by"],
        "digest": payload["registered"]["plan_digest"],
        "amended": len(payload["amendments"]),
    }


# metrics


def _row(index: int, row: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    mark, tone = MARKS[row["verdict"]]
    word = VERDICT_WORDS[row["verdict"]]
    if row["role"] == "guardrail" and row["guardrail"]:
        mark, tone = RAILS[row["guardrail"]]
        word = RAIL_WORDS[row["guardrail"]]
    elif row["verdict"] == "better" and row["matters"] is False:
        word = "better, but by too little to matter"
    if row["status"] not in ("ok", "unbounded_lift", "control_near_zero", "few_events"):
        mark, tone, word = "?", "muted", digits.NOT_ENOUGH
    control, treatment = means(row)
    return {
        "index": index,
        "metric": row["metric"],
        "label": row["label"],
        "role": row["role"],
        "variant": labels.get(row["variant"], row["variant"]),
        "mark": mark,
        "tone": tone,
        "word": word,
        "direction": "more is better" if row["direction"] == "increase" else "less is better",
        "n": f"{digits.whole(row['n_control'])} / {digits.whole(row['n'])}",
        "control": control,
        "treatment": treatment,
        "effect": effect_text(row),
        "effect_interval": effect_interval(row),
        "lift": lift_text(row),
        "lift_interval": lift_interval(row),
        "shown": shown(row),
        "p": digits.p_value(row["p_value"]) if row["chance"] is None else DASH,
        "p_adjusted": digits.p_value(row["p_adjusted"]) if row["chance"] is None else DASH,
        "chance": digits.percent(row["chance"], 1) if row["chance"] is not None else "",
        "level": digits.level_text(row["alpha"]),
        "margin": margin_text(row),
        "margin_p": digits.p_value(row["margin_p_value"]),
        "min_lift": digits.share_text(row["min_lift"]) if row["min_lift"] is not None else "",
        "reduction": digits.percent(row["variance_reduction"], 0) if row["variance_reduction"] is not None else "",
        "reason": row["reason"],
    }


def _interval_name(readout: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    model = plan["model"]
    kind = {"sequential": "sequential ", "group_sequential": "group-sequential ", "bayesian": "credible ", "frequentist": ""}[
        model["kind"]
    ]
    return f"{digits.share_text(model['confidence'])} {kind}interval"


FIRST_PAGE = 9
"""Rows of the forest plot that leave the first page on one sheet; of more it shows so many, the appendix the rest."""
A_PAGE = 22


def _forests(
    payload: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str], *, hidden: bool
) -> dict[str, Any]:
    """The forest plot of the first page, and those of the appendix where there are too many rows for one."""
    if hidden:
        return {"forest": "", "forest_note": "", "forests": []}
    readout = payload["readout"]
    plan = readout["plan"]
    treatments = [v["key"] for v in plan["variants"] if not v.get("control")]
    control = next((labels[v["key"]] for v in plan["variants"] if v.get("control")), "control")
    treatment = labels[treatments[0]] if len(treatments) == 1 else "treatment"
    lines = _forest_rows(readout, treatments, rows)
    draw = partial(
        figures.forest,
        heading=f"lift vs {figures.shorten(control, 16)}, {_interval_name(readout, plan)}",
        means_heading=f"{figures.shorten(control, 13)}{ARROW}{figures.shorten(treatment, 13)}",
    )
    if len(lines) <= FIRST_PAGE:
        return {"forest": draw(lines), "forest_note": "", "forests": []}
    decision = payload["decision"] or readout["recommendation"]
    main = decision["variant"] or readout["recommendation"]["variant"] or treatments[0]

    def weight(i: int) -> tuple[int, int]:
        row = readout["rows"][i]
        order = {"primary": 0, "guardrail": 1, "secondary": 2}[row["role"]]
        return (order if row["role"] == "primary" or row["variant"] == main else 3 + order, i)

    count = max(FIRST_PAGE - max(len(treatments) - 3, 0) // 2, 5)  # the split of many variants takes room as well
    picked = set(sorted(range(len(lines)), key=weight)[:count])
    rest = [line for i, line in enumerate(lines) if i not in picked]
    return {
        "forest": draw([line for i, line in enumerate(lines) if i in picked], scale=lines),
        "forest_note": f"{count} of {len(lines)} rows: primary metrics first, then guardrails and metrics of "
        f"{labels.get(main, main)}. The other rows stand in the appendix, on the same scale.",
        "forests": [
            draw(
                rest[k : k + A_PAGE],
                scale=lines,
                part=f"-{k // A_PAGE + 2}",
                title=f"Lift of each metric against control, part {k // A_PAGE + 2}",
            )
            for k in range(0, len(rest), A_PAGE)
        ],
    }


def _forest_rows(
    readout: Mapping[str, Any], treatments: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[figures.ForestRow]:
    lines = []
    for index, (text, row) in enumerate(zip(rows, readout["rows"], strict=True)):
        good = 1 if row["direction"] == "increase" else -1
        margin = row["margin"]
        if margin is not None and row["margin_scale"] == "effect":
            margin = margin / abs(row["mean_control"]) if row["mean_control"] else None
        note = {
            "guardrail": f"margin {text['margin']} · {text['word']}" if text["margin"] else text["word"],
            "primary": f"min. lift {text['min_lift']} · {text['word']}" if text["min_lift"] else text["word"],
        }.get(row["role"], text["word"])
        lines.append(
            figures.ForestRow(
                label=text["label"],
                role=row["role"],
                lift=row["lift"],
                low=row["lift_low"],
                high=row["lift_high"],
                shown=text["shown"],
                means=f"{text['control']}{ARROW}{text['treatment']}",
                mark=text["mark"],
                tone=text["tone"],
                note=note,
                min_lift=good * row["min_lift"] if row["min_lift"] else None,
                margin=margin,
                variant=treatments.index(row["variant"]) if row["variant"] in treatments else 0,
                status="ok"
                if row["lift"] is not None
                else "no lift: read the effect"
                if row["effect"] is not None
                else digits.NOT_ENOUGH,
                of=figures.shorten(str(text["variant"]), 20) if len(treatments) > 1 else "",
                index=index,
            )
        )
    return lines


# what surrounds the metrics


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": check["title"],
        "status": check["status"],
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
        parts.append(f"{name.replace('_', ' ')} {_plain(value)}")
    return " · ".join(parts[:8])


def _plain(value: Any) -> str:
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return digits.whole(value)
    if isinstance(value, float):
        return digits.significant(value, 4)
    return str(value)


def _health_line(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
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
        out.append({"text": f"{silent} not answerable", "tone": "muted"})
    return out or [{"text": "no check ran", "tone": "worse"}]


def _looks(readout: Mapping[str, Any]) -> dict[str, Any]:
    looks, cost = readout["looks"], readout["cost"]
    peeks = sum(not look["planned"] for look in looks)
    count = len(looks)
    return {
        "count": count,
        "peeks": peeks,
        "line": f"{count} look{'' if count == 1 else 's'} at the effects, {peeks} before they were due",
        "cost": cost["sentence"],
        "rows": [
            {
                "at": _minute(look["at"]),
                "by": look["by"] or DASH,
                "units": digits.whole(look["units"]),
                "planned": "when due" if look["planned"] else "before due",
                "reason": look["reason"],
                "seq": look["seq"],
            }
            for look in looks
        ],
    }


def _deviation(deviation: Mapping[str, Any]) -> dict[str, str]:
    return {
        "pointer": str(deviation.get("pointer", "")),
        "class": str(deviation.get("class", "")),
        "registered": _json(deviation.get("before")),
        "found": _json(deviation.get("after")),
    }


def _json(value: Any) -> str:
    import json

    return DASH if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _split(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    units = readout["summary"]["units"]
    total = sum(v["split"] for v in plan["variants"]) or 1.0
    return figures.split(
        [
            figures.SplitRow(labels[v["key"]], units.get(v["key"], 0), v["split"] / total, bool(v.get("control")))
            for v in plan["variants"]
        ]
    )


def _accrual(readout: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
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


def _segments(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    out = []
    for segment in readout["segments"]:
        slices = []
        for value, rows in segment["slices"].items():
            for row in rows:
                if row["role"] != "primary":
                    continue
                text = _row(0, row, plan, labels)
                slices.append({"value": value, **text})
        out.append(
            {
                "dimension": segment["dimension"],
                "declared": segment["is_declared"],
                "slices": slices,
                "hidden": segment["hidden"],
                "interaction": [
                    {"what": _row_name(key, plan, labels), "p": digits.p_value(p)}
                    for key, p in segment["interaction"].items()
                    if p is not None
                ],
                "smallest": plan.get("data", {}).get("smallest_segment", 50),
            }
        )
    return out


def _row_name(key: str, plan: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Metric, and variant where there are several, of a key `metric:variant`."""
    metric, _, variant = key.rpartition(":")
    label = next((m.get("name") or m["key"] for m in plan["metrics"] if m["key"] == metric), metric)
    return f"{label} · {labels.get(variant, variant)}" if len(plan["variants"]) > 2 else str(label)


AXES = {"age": "days since exposure", "cohort": "day of exposure", "weekday": "day of the week"}


def _over_time(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Whether effects fade, grow or hang on the day, and on the variant of another experiment; exploratory."""
    names = {m["key"]: m.get("name") or m["key"] for m in plan["metrics"]}
    # a memo made before these tests existed has none
    trends, others = readout.get("novelty", []), readout.get("interactions", [])
    return {
        "trends": [
            {
                "metric": names.get(t["metric"], t["metric"]),
                "variant": labels.get(t["variant"], t["variant"]),
                "axis": AXES[t["axis"]],
                "points": digits.whole(len(t["points"])),
                "p": digits.p_value(t["p_adjusted"]),
                "word": t["word"],
                "sentence": t["sentence"],
            }
            for t in trends
        ],
        "interactions": [
            {
                "metric": names.get(i["metric"], i["metric"]),
                "variant": labels.get(i["variant"], i["variant"]),
                "other": i["other"],
                "p": digits.p_value(i["p_value"]),
                "v": digits.significant(i["phi"], 2),
                "word": i["state"],
                "sentence": i["sentence"],
            }
            for i in others
        ],
        "loud": [t["sentence"] for t in trends if t["word"] not in ("steady", "not answerable")]
        + [i["sentence"] for i in others if i["state"] in ("interaction", "assignments dependent")],
    }


def _sensitivity(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Each metric as planned, followed by the other ways; what differs stands below once."""
    out: list[dict[str, Any]] = []
    notes: dict[str, dict[str, None]] = {}
    several = len(plan["variants"]) > 2
    for row in readout["rows"]:
        if not row["sensitivity"]:
            continue
        label = f"{row['label']} · {labels.get(row['variant'], row['variant'])}" if several else row["label"]
        ways = [
            ("as planned", row),
            *((s["name"], {**row, **{k: v for k, v in s.items() if k in row}}) for s in row["sensitivity"]),
        ]
        for name, way in ways:
            out.append(
                {
                    "label": label,
                    "planned": name == "as planned",
                    "name": name,
                    "lift": f"{lift_text(way)} ({lift_interval(way)})"
                    if way["lift_low"] is not None
                    else lift_text(row | {"lift": way["lift"]}),
                    "effect": f"{effect_text(way)} ({effect_interval(way)})",
                    "p": digits.p_value(way["p_value"]),
                }
            )
        for s in row["sensitivity"]:
            if s["note"]:
                notes.setdefault(s["name"], {}).update(dict.fromkeys(_sentences(s["note"])))
    return {"rows": out, "notes": [{"name": name, "note": " ".join(each)} for name, each in notes.items()]}


def _sentences(text: str) -> list[str]:
    """The sentences of a note, so that one that belongs to several rows is said once."""
    return [part if part.endswith(".") else f"{part}." for part in text.removesuffix(".").split(". ")]


def _rule(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    recommendation = payload["readout"]["recommendation"]
    return {
        "rows": payload["rule"],
        "fired": recommendation["rows"],
        "digest": payload["readout"]["rule_digest"],
        "variants": [
            {
                "variant": labels.get(v["variant"], v["variant"]),
                "row": v["row"],
                "outcome": v["outcome"],
                "because": v["because"],
                "situation": "; ".join(f"{k} {_plain(x)}" for k, x in v["situation"].items()),
                "evidence": v["evidence"],
            }
            for v in recommendation["variants"]
        ],
    }


def _data(readout: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    summary = readout["summary"]
    return {
        "source": summary["source"],
        "rows": digits.whole(summary["rows"]),
        "units": [{"variant": labels.get(k, k), "n": digits.whole(v)} for k, v in summary["units"].items()],
        "first": _minute(summary["first_exposure"]) if summary["first_exposure"] else "",
        "last": _minute(summary["last_exposure"]) if summary["last_exposure"] else "",
        "until": _minute(summary["data_until"]) if summary["data_until"] else "",
        "findings": [
            {
                "name": f["name"].replace("_", " "),
                "count": f"{digits.whole(f['count'])} of {digits.whole(f['of'])}",
                "action": f["action"],
                "metric": f["metric"] or "all",
                "detail": f["detail"],
            }
            for f in summary["findings"]
        ],
        "caps": [
            {
                "metric": c["metric"],
                "column": c["column"],
                "lower": DASH if c["lower"] is None else digits.significant(c["lower"], 6),
                "upper": DASH if c["upper"] is None else digits.significant(c["upper"], 6),
                "cut": f"{digits.whole(c['n_lower'])} raised, {digits.whole(c['n_upper'])} cut",
            }
            for c in summary["caps"]
        ],
    }


# provenance


def _provenance(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    readout = payload["readout"]
    summary = readout["summary"]
    pairs = [
        ("Plan in force, SHA-256", readout["plan_digest"]),
        ("Plan as registered, SHA-256", payload["registered"]["plan_digest"]),
        ("Decision rule, SHA-256", readout["rule_digest"]),
        ("Data, SHA-256 of what was read", summary["fingerprint"]),
        (
            "Ledger at this memo",
            f"{payload['ledger']['witness']['length']} entries, head {payload['ledger']['witness']['digest']}",
        ),
        ("Readout made", _minute(readout["at"])),
    ]
    pairs += [(f"Version of {k}", str(v)) for k, v in readout["versions"].items()]
    if summary["engine"]:
        pairs.append(("Data engine", summary["engine"]))
    pairs += [(f"Seed, {k}", str(v)) for k, v in payload["seeds"].items()]
    pairs.append(("Schema of this memo", str(payload["schema"])))
    return pairs
