"""Tables and charts of the comparison, for the terminal and for docs/proof/peers.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from benchmarks.peers.judge import LINES, binomial_band
from benchmarks.peers.worlds import DAYS, HARMS, LIFTS, LOSSES, PEEKS
from xpbench.views.png import shrunk
from xpbench.views.theme import TONES, themed_config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "proof" / "peers.md"
Found = dict[str, Any]


def percent(value: float | None, digits: int = 1) -> str:
    """A share as text."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def tables(result: Found) -> str:
    """All tables as Markdown."""
    peers: Found = result["peers"]
    parts = [
        ("Coverage of 95 % lift intervals", coverage_table(peers)),
        ("Daily looks for 28 days", peeking_table(peers)),
        ("Guardrail", guardrail_table(peers)),
        ("Sample ratio, looked at daily", ratio_table(peers)),
        ("Sample size", size_table(peers)),
        ("Lines of code", lines_table(peers)),
        ("Time and memory", speed_table(result)),
        ("Versions", version_table(peers)),
    ]
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows])


def _world(its: Found, name: str) -> Found | None:
    found = its["worlds"].get(name)
    return None if found is None or "failed" in found else dict(found)


def coverage_table(peers: Found) -> str:
    """One row a peer, one column a world; a figure outside the 99 % band is bold."""
    rows = []
    for name, its in peers.items():
        cells = []
        for kind in LIFTS:
            found = _world(its, f"coverage/{kind}")
            text = "–" if found is None else percent(found["coverage"])
            cells.append(text if found is None or found["in_band"] else f"**{text}**")
        if any(c != "–" for c in cells):
            rows.append([name, *cells])
    return _table(["", *(f"{k}, true lift {percent(v, 0)}" for k, v in LIFTS.items())], rows)


def peeking_table(peers: Found) -> str:
    """False positives, power and the median day of a call."""
    rows = []
    for name, its in peers.items():
        null, lift = (_world(its, f"peeking/{k}") for k in PEEKS)
        if null is None or lift is None:
            continue
        text = percent(null["called"])
        day = f"day {lift['median_day']}" if lift["median_day"] else f"after day {DAYS}"
        rows.append([name, text if null["holds_alpha"] else f"**{text}**", percent(lift["called"]), day])
    return _table(["", "called without an effect", "called at a lift of 15 %", "median call"], rows)


def guardrail_table(peers: Found) -> str:
    """How often a guardrail lets a variant ship."""
    rows = []
    for name, its in peers.items():
        found = [_world(its, f"guardrail/{k}") for k in HARMS]
        if None not in found:
            rows.append([name, *(percent(f["passes"]) for f in found if f)])
    heads = [f"passes: {k} ({n:,} units a variant)" for k, (n, _) in HARMS.items()]
    return _table(["", *heads], rows)


def ratio_table(peers: Found) -> str:
    """Alarms of the sample ratio."""
    rows = []
    for name, its in peers.items():
        found = [_world(its, f"srm/{k}") for k in LOSSES]
        if None in found:
            continue
        odd = ["yes" if v is True else "**no**" if v is False else f"fails: {str(v)[:60]}" for v in its["odd counts"].values()]
        sound, lost = (f for f in found if f)
        rows.append([name, percent(sound["alarmed"]), percent(lost["alarmed"]), f"day {lost['median_day']}", *odd])
    odd_names = next(iter(peers.values()))["odd counts"]
    return _table(["", "false alarms", "4 % loss caught", "median day", *odd_names], rows)


def size_table(peers: Found) -> str:
    """Units in all for a lift of 5 % on a rate of 10 %."""
    rows = []
    for name, its in peers.items():
        size = its.get("sample size")
        if size is not None:
            rows.append([name, f"{size:,.0f}" if isinstance(size, (int, float)) else f"fails: {size[:60]}"])
    return _table(["", "units in both variants: 10 % rate, lift 5 %, alpha 5 %, power 80 %"], rows)


def lines_table(peers: Found) -> str:
    """Lines of code by task."""
    rows = [[name, *(str(its["lines"].get(task, "–")) for task in LINES)] for name, its in peers.items()]
    return _table(["", *LINES], rows)


def speed_table(result: Found) -> str:
    """Ratios against xpbench: above 1 the peer needs more."""
    rows = []
    for task, ratios in result["ratios_to_xpbench"].items():
        for name, r in ratios.items():
            its = result["peers"][name][task]
            rows.append(
                [
                    task,
                    name,
                    f"{its['wall']:.2f} s",
                    f"{r['wall']:.2f}",
                    f"{r['cpu']:.2f}",
                    f"{its['peak_mb'] - its['floor_mb']:.0f} MB",
                    f"{r['memory']:.2f}",
                ]
            )
    return _table(["task", "", "wall", "of xpbench", "cpu of xpbench", "memory above imports", "of xpbench"], rows)


def version_table(peers: Found) -> str:
    """What was compared."""
    return _table(
        ["", "versions"], [[n, ", ".join(f"{k} {v}" for k, v in its["versions"].items())] for n, its in peers.items()]
    )


# -- charts ------------------------------------------------------------------------------------------------------------


def _save(chart: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for ground in ("light", "dark"):
        spec = chart.configure(**themed_config(ground)).to_dict()  # type: ignore[arg-type]
        png = vl_convert.vegalite_to_png(spec, vl_version="5.20", scale=1.5)
        (folder / f"{name}-{ground}.png").write_bytes(shrunk(bytes(png)))


def _colour(ours: str = "xpbench") -> Any:
    return alt.condition(alt.datum.peer == ours, alt.value(TONES["treatment"]), alt.value(TONES["control"]))


def coverage_chart(peers: Found) -> Any:
    """Points by world, with the band in which 99 % of right methods fall."""
    rows = []
    for name, its in peers.items():
        for kind in LIFTS:
            found = _world(its, f"coverage/{kind}")
            if found is not None:
                rows.append({"peer": name, "world": kind, "coverage": found["coverage"], "runs": found["runs"]})
    half = binomial_band(0.95, rows[0]["runs"])
    low = min(0.90, min(r["coverage"] for r in rows)) - 0.005
    scale = alt.Scale(domain=[low, 1.0])
    values = alt.InlineData(rows)
    band = (
        alt.Chart(values)
        .transform_calculate(low=str(0.95 - half), high=str(min(1.0, 0.95 + half)))
        .mark_rect(color=TONES["better"], opacity=0.04)
        .encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    )
    points = (
        alt.Chart(values)
        .mark_point(filled=True, size=70, opacity=1)
        .encode(
            x=alt.X("coverage:Q", scale=scale, axis=alt.Axis(format="%", title="coverage of the 95 % interval")),
            y=alt.Y("peer:N", sort=list(peers), title=None, axis=alt.Axis(labelLimit=260)),
            color=_colour(),
        )
    )
    return (
        alt.layer(band, points)
        .properties(width=300, height=26 * len({r["peer"] for r in rows}))
        .facet(facet=alt.Facet("world:N", title=None, sort=list(LIFTS)), columns=2)
        .properties(
            title=alt.TitleParams(
                "Does the lift interval hold the planted lift?",
                subtitle=f"{rows[0]['runs']:,} experiments a world; in the band: as it should be",
            )
        )
    )


def peeking_chart(peers: Found) -> Any:
    """False positives under daily looks."""
    rows = []
    for name, its in peers.items():
        found = _world(its, f"peeking/{next(iter(PEEKS))}")
        if found is not None:
            rows.append({"peer": name, "rate": found["called"]})
    bars = (
        alt.Chart(alt.InlineData(rows))
        .mark_bar()
        .encode(
            x=alt.X("rate:Q", axis=alt.Axis(format="%", title="experiments without an effect that were called")),
            y=alt.Y("peer:N", sort=list(peers), title=None, axis=alt.Axis(labelLimit=260)),
            color=_colour(),
        )
    )
    rule = alt.Chart(alt.InlineData([{"alpha": 0.05}])).mark_rule(strokeDash=[5, 4], color=TONES["worse"]).encode(x="alpha:Q")
    return alt.layer(bars, rule).properties(
        width=520,
        height=30 * len(rows),
        title=alt.TitleParams(
            "False positives when one looks daily for 28 days", subtitle="dashed: the alpha that was asked for"
        ),
    )


def guardrail_chart(peers: Found) -> Any:
    """How often harm passes, and how often the harmless does."""
    rows = []
    for name, its in peers.items():
        for kind in HARMS:
            found = _world(its, f"guardrail/{kind}")
            if found is not None:
                rows.append({"peer": name, "world": kind, "passes": found["passes"]})
    return (
        alt.Chart(alt.InlineData(rows))
        .mark_bar()
        .encode(
            x=alt.X("passes:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", title="guardrail passes")),
            y=alt.Y("peer:N", sort=list(peers), title=None, axis=alt.Axis(labelLimit=260)),
            color=_colour(),
        )
        .properties(width=210, height=26 * len({r["peer"] for r in rows}))
        .facet(column=alt.Column("world:N", title=None, sort=list(HARMS)))
        .properties(title="A load time that is 7.5 % worse at a margin of 5 %, and one that is not worse at all")
    )


def draw(result: Found, folder: Path) -> list[str]:
    """Write all charts; returns their names."""
    peers = result["peers"]
    charts = {"peers-coverage": coverage_chart, "peers-peeking": peeking_chart, "peers-guardrail": guardrail_chart}
    for name, make in charts.items():
        _save(make(peers), folder, name)
    return list(charts)


# -- who is better -----------------------------------------------------------------------------------------------------

NOISE = 0.1
"""A tool is called faster, leaner or shorter when it needs at least this much less."""


def verdicts(result: Found) -> tuple[list[str], list[str]]:
    """Sentences in which a peer is better than xpbench, and in which xpbench is better, from the figures alone."""
    theirs: list[str] = []
    ours: list[str] = []
    peers: Found = result["peers"]
    for name, its in peers.items():
        if name != "xpbench":
            _coverage_verdict(name, its, peers["xpbench"], theirs, ours)
            _looks_verdict(name, its, peers["xpbench"], theirs, ours)
            _guardrail_verdict(name, its, peers["xpbench"], theirs, ours)
            _ratio_verdict(name, its, peers["xpbench"], theirs, ours)
            _cost_verdict(name, result, theirs, ours)
    return theirs, ours


def _coverage_verdict(name: str, its: Found, own: Found, theirs: list[str], ours: list[str]) -> None:
    for kind in LIFTS:
        a, b = _world(its, f"coverage/{kind}"), _world(own, f"coverage/{kind}")
        if a and b and a["in_band"] != b["in_band"]:
            said = f"**Coverage, {kind}**: {name} {percent(a['coverage'])}, xpbench {percent(b['coverage'])} of 95 % intervals."
            (theirs if a["in_band"] else ours).append(said)


def _looks_verdict(name: str, its: Found, own: Found, theirs: list[str], ours: list[str]) -> None:
    null, lift = PEEKS
    a, b = _world(its, f"peeking/{null}"), _world(own, f"peeking/{null}")
    c, d = _world(its, f"peeking/{lift}"), _world(own, f"peeking/{lift}")
    if not (a and b and c and d):
        return
    if a["holds_alpha"] != b["holds_alpha"]:
        rates = percent(a["called"]), percent(b["called"])
        said = f"**Daily looks**: {name} calls {rates[0]} of experiments without an effect, xpbench {rates[1]}."
        (theirs if a["holds_alpha"] else ours).append(said)
    elif a["holds_alpha"] and abs(c["called"] - d["called"]) > binomial_band(0.5, c["runs"]):
        rates = percent(c["called"]), percent(d["called"])
        said = f"**Power under daily looks**: {name} finds the planted lift in {rates[0]}, xpbench in {rates[1]}."
        (theirs if c["called"] > d["called"] else ours).append(said)


def _guardrail_verdict(name: str, its: Found, own: Found, theirs: list[str], ours: list[str]) -> None:
    harm, few, enough = (f"guardrail/{k}" for k in HARMS)
    for world, good_is_low, what in (
        (harm, True, "a guardrail that is harmed beyond its margin passes"),
        (few, False, "a harmless one passes with few units"),
        (enough, False, "a harmless one passes with enough units"),
    ):
        a, b = _world(its, world), _world(own, world)
        if a and b and abs(a["passes"] - b["passes"]) > binomial_band(0.5, a["runs"]):
            said = f"**Guardrail**: {what} in {percent(a['passes'])} with {name}, in {percent(b['passes'])} with xpbench."
            (theirs if (a["passes"] < b["passes"]) == good_is_low else ours).append(said)


def _ratio_verdict(name: str, its: Found, own: Found, theirs: list[str], ours: list[str]) -> None:
    sound, lost = (f"srm/{k}" for k in LOSSES)
    for world, good_is_low, what in ((sound, True, "false alarms in"), (lost, False, "a 4 % loss is seen in")):
        a, b = _world(its, world), _world(own, world)
        if a and b and abs(a["alarmed"] - b["alarmed"]) > binomial_band(max(0.02, min(0.5, b["alarmed"])), a["runs"]):
            said = f"**Sample ratio**: {what} {percent(a['alarmed'])} with {name}, in {percent(b['alarmed'])} with xpbench."
            (theirs if (a["alarmed"] < b["alarmed"]) == good_is_low else ours).append(said)
    for what, seen in its.get("odd counts", {}).items():
        mine = own["odd counts"][what]
        if (seen is True) != (mine is True):
            (theirs if seen is True else ours).append(
                f"**Sample ratio**: {what} is seen by {name if seen is True else 'xpbench'} alone."
            )


def _cost_verdict(name: str, result: Found, theirs: list[str], ours: list[str]) -> None:
    for task, ratios in result["ratios_to_xpbench"].items():
        for measure, ratio in ratios.get(name, {}).items():
            said = f"**{task.capitalize()}, {measure}**: {name} needs {ratio:.2g} times what xpbench needs."
            if abs(ratio - 1) > NOISE:
                (theirs if ratio < 1 else ours).append(said)
    mine = result["peers"]["xpbench"]["lines"]
    fewer = {k: (n, mine[k]) for k, n in result["peers"][name]["lines"].items() if k in mine and n < (1 - NOISE) * mine[k]}
    more = {k: (n, mine[k]) for k, n in result["peers"][name]["lines"].items() if k in mine and n > (1 + NOISE) * mine[k]}
    for found, place in ((fewer, theirs), (more, ours)):
        if found:
            listed = ", ".join(f"{k} {n} against {m}" for k, (n, m) in found.items())
            place.append(f"**Lines of code**, {name} against xpbench: {listed}.")


PICTURES = {
    "peers-coverage": "Coverage of lift intervals",
    "peers-peeking": "False positives when one looks daily",
    "peers-guardrail": "Guardrails that pass",
}

START, END = "<!-- made by python -m benchmarks.peers -->", "<!-- end -->"


def page(text: str, result: Found) -> None:
    """Put the tables into docs/proof/peers.md, between its marks."""
    before, _, rest = PAGE.read_text("utf-8").partition(START)
    _, _, after = rest.partition(END)
    machine = result["machine"]
    halves = result.get("halves", {})
    commits = " and ".join(f"`{half['commit']}` ({name})" for name, half in halves.items()) or f"`{result['commit']}`"
    told = (
        f"`{result['command']}`, commit {commits}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB, "
        f"{result['seconds']:,} s without installing." + (f" {result['note']}" if "note" in result else "")
    )
    theirs, ours = ("\n".join(f"- {line}" for line in lines) or "- Nowhere in these tasks." for lines in verdicts(result))
    shown = "\n\n".join(f"![{alt}](../gallery/{name}-light.png)" for name, alt in PICTURES.items())
    parts = [told, "## Where a tool is better", theirs, "## Where xpbench is better", ours, shown, "## Tables", text]
    PAGE.write_text(f"{before}{START}\n\n" + "\n\n".join(parts) + f"\n\n{END}{after}", "utf-8")
