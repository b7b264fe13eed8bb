"""Further readings of the same metrics: by segment, over time, next to other experiments, computed in other ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.memo import figures
from xpbench.memo.content.metrics import metric_row
from xpbench.memo.names import metric_names
from xpbench.wording import numbers as digits
from xpbench.wording.rows import effect_interval, effect_text, lift_interval, lift_text, means, shown


def segment_tables(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The primary metrics by segment."""
    out = []
    for segment in readout["segments"]:
        slices = []
        for value, rows in segment["slices"].items():
            for row in rows:
                if row["role"] != "primary":
                    continue
                text = metric_row(0, row, plan, labels)
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


DIFFERS = 0.01
"""p-value of the same effect in all slices below which a metric is drawn by slice, whatever its role."""
MOST_PICTURES = 6


def segment_pictures(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Lift by slice of every metric whose effect differs between the slices of a segment; guardrails among them."""
    out: list[str] = []
    for segment in readout["segments"]:
        for key, p in segment["interaction"].items():
            if p is None or p >= DIFFERS or len(out) >= MOST_PICTURES:
                continue
            metric, _, variant = key.rpartition(":")
            lines = [
                _slice_line(str(value), next(r for r in rows if r["metric"] == metric and r["variant"] == variant))
                for value, rows in segment["slices"].items()
            ]
            name, where = _row_name(key, plan, labels), segment["dimension"]
            out.append(
                figures.forest(
                    lines,
                    heading=f"{figures.shorten(name, 24)} by {figures.shorten(where, 16)}, p {digits.p_value(p)}",
                    means_heading="control → treatment",
                    title=f"{name} by {where}",
                    part=f"-s{len(out)}",
                    marks=f"slices.{len(out)}",
                )
            )
    return out


def _slice_line(value: str, row: Mapping[str, Any]) -> figures.ForestRow:
    """One slice of a segment as a line of a picture."""
    margin = row["margin"]
    if margin is not None and row["margin_scale"] == "effect":
        margin = margin / abs(row["mean_control"]) if row["mean_control"] else None
    control, treatment = means(row)
    return figures.ForestRow(
        label=value,
        role=row["role"],
        lift=row["lift"],
        low=row["lift_low"],
        high=row["lift_high"],
        shown=shown(row),
        means=f"{control} → {treatment}",
        note=f"{digits.whole(row['n_control'] + row['n'])} units",
        margin=margin,
        status="ok" if row["lift"] is not None else digits.NOT_ENOUGH,
    )


def time_pictures(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Effect over time of every metric for which a test found a change; guardrails among them."""
    out: list[str] = []
    found = {(r["metric"], r["variant"]): r for r in readout["rows"]}
    for trend in readout.get("novelty", ()):
        row = found.get((trend["metric"], trend["variant"]))
        points = [p for p in trend["points"] if p["effect"] is not None and p["se"]]
        quiet = trend["word"] in ("steady", "not answerable")
        if quiet or row is None or len(points) < 3 or len(out) >= MOST_PICTURES:
            continue
        scale, unit = (100.0, "\u202fpp") if row["is_proportion"] else (1.0, "")
        name = _row_name(f"{trend['metric']}:{trend['variant']}", plan, labels)
        words = f"{name} by {AXES[trend['axis']]}"
        out.append(
            figures.effect_by_day(
                [(str(p["label"]), scale * p["effect"], scale * p["se"]) for p in points],
                overall=None,
                unit=unit,
                title=words,
                part=f"-t{len(out)}",
                heading=words,
            )
        )
    return out


def _row_name(key: str, plan: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Metric, and variant where there are several, of a key `metric:variant`."""
    metric, _, variant = key.rpartition(":")
    label = metric_names(plan).get(metric, metric)
    return f"{label} · {labels.get(variant, variant)}" if len(plan["variants"]) > 2 else label


AXES = {"age": "days since exposure", "cohort": "day of exposure", "weekday": "day of the week"}


def over_time_section(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Whether effects fade, grow or depend on the day, and on the variant of another experiment; exploratory."""
    names = metric_names(plan)
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


def sensitivity_section(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Each metric as planned, followed by the other ways; what differs is below once."""
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
