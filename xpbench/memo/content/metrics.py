"""Every metric against control: a row of the table, and the forest plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from xpbench.memo import figures
from xpbench.memo.content.plain_words import ARROW
from xpbench.memo.messages import say
from xpbench.memo.names import named
from xpbench.wording import numbers as digits
from xpbench.wording.rows import DASH, effect_interval, effect_text, lift_interval, lift_text, margin_text, means, shown
from xpbench.wording.verdicts import mark_of, word_of


def metric_row(index: int, row: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """One row of the table of metrics."""
    mark, tone = mark_of(row)
    control, treatment = means(row)
    return {
        "index": index,
        "metric": row["metric"],
        "label": named(row["label"]),
        "role": row["role"],
        "variant": labels.get(row["variant"], row["variant"]),
        "mark": mark,
        "tone": tone,
        "word": word_of(row),
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
        "reduction": reduction_text(row),
        "reason": row["reason"],
    }


def reduction_text(row: Mapping[str, Any]) -> str:
    """Share of the variance that covariates took, and of each source where there are several; "" without CUPED."""
    if row["variance_reduction"] is None:
        return ""
    whole = digits.percent(row["variance_reduction"], 0)
    each = [f"{named(s['source'])} {digits.percent(s['alone'], 0)}" for s in row.get("saved_by", ())]
    return f"{whole} ({', '.join(each)}, each alone)" if each else whole


def interval_name(readout: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Level and kind of the intervals."""
    model = plan["model"]
    kind = {"sequential": "sequential ", "group_sequential": "group-sequential ", "bayesian": "credible ", "frequentist": ""}[
        model["kind"]
    ]
    return f"{digits.share_text(model['confidence'])} {kind}interval"


FIRST_PAGE = 9
"""Rows of the forest plot that leave the first page on one sheet; of more it shows so many, the appendix the rest."""
A_PAGE = 22


def forest_plots(
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
    usual = digits.share_text(plan["model"]["confidence"])
    lines = _forest_rows(readout, treatments, rows, usual)
    unless = " unless named" if any(line.level for line in lines) else ""
    draw = partial(
        figures.forest,
        heading=f"lift vs {figures.shorten(control, 16)}, {interval_name(readout, plan)}{unless}",
        means_heading=f"{figures.shorten(control, 13)}{ARROW}{figures.shorten(treatment, 13)}",
    )
    if len(lines) <= FIRST_PAGE:
        return {"forest": draw(lines), "forest_note": "", "forests": []}
    decision = payload["decision"] or readout["recommendation"]
    main = decision["variant"] or readout["recommendation"]["variant"] or treatments[0]

    def weight(i: int) -> tuple[int, int]:
        """Primary metrics of the variant that is decided about come first: of many treatments not all fit."""
        row = readout["rows"][i]
        order = {"primary": 0, "guardrail": 2, "secondary": 3}[row["role"]]
        return (order if row["variant"] == main else {0: 1, 2: 4, 3: 5}[order], i)

    count = max(FIRST_PAGE - max(len(treatments) - 3, 0) // 2, 5)  # the split of many variants takes room as well
    picked = set(sorted(range(len(lines)), key=weight)[:count])
    rest = [line for i, line in enumerate(lines) if i not in picked]
    return {
        "forest": draw([line for i, line in enumerate(lines) if i in picked], scale=lines),
        "forest_note": say("forest.note", shown=count, all=len(lines), variant=labels.get(main, main)),
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
    readout: Mapping[str, Any], treatments: Sequence[str], rows: Sequence[Mapping[str, Any]], usual: str
) -> list[figures.ForestRow]:
    """Lines of the picture; one whose interval is not at the `usual` level says which it is."""
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
                level=f"{text['level']} interval" if row["lift"] is not None and text["level"] != usual else "",
            )
        )
    return lines
