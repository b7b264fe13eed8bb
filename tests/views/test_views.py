"""Every view: takeaway, alt text, table, bundle; text from people only as data; features that JupyterLab's Vega-Lite has."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from benchmarks.gallery import VIEWS, bias, checks, many_metrics, row, rows, segment
from tests.builders import column, make_plan
from xpbench import views
from xpbench.errors import InputError
from xpbench.outward import cell
from xpbench.plan.design import Decision
from xpbench.views import numbers
from xpbench.views.card import facts
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import TONES
from xpbench.views.view import VEGALITE, View

HOSTILE = "</script><img src=x onerror=alert(1)>\"'{{7*7}}datum.x"


@pytest.fixture(scope="module")
def made() -> dict[str, View]:
    return {name: make() for name, make in VIEWS.items()}


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_every_view_has_a_takeaway_alt_text_and_a_table(made: dict[str, View], name: str) -> None:
    view = made[name]
    assert view.title
    assert view.alt
    assert view.to_text().startswith(view.title)
    frame = view.to_frame()
    assert list(frame.columns) == [c.key for c in view.table.columns]
    assert len(list(csv.reader(io.StringIO(view.table.to_csv())))) == len(view.table.rows) + 1
    json.dumps(view.to_dict())


@pytest.mark.parametrize("name", sorted(set(VIEWS) - {"forest-empty", "path-p-values"}))
def test_the_bundle_is_vega_lite_5_with_fixed_pixels(made: dict[str, View], name: str) -> None:
    spec: Any = made[name].spec
    assert spec["$schema"].endswith("/v5.json")
    assert isinstance(spec["width"], (int, float))
    assert isinstance(spec["height"], (int, float))
    assert spec["description"] == made[name].alt
    assert "params" not in spec
    assert "background" not in spec["config"]
    assert "color" not in spec["config"]["title"]


def test_the_bundle_holds_picture_and_text(made: dict[str, View]) -> None:
    bundle = made["forest"]._repr_mimebundle_()
    assert set(bundle) == {VEGALITE, "image/png", "text/plain"}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "<" not in bundle["text/plain"].replace("p < ", "")


@pytest.fixture(scope="module")
def hostile() -> list[View]:
    way = {"name": HOSTILE, "lift": 0.1, "lift_low": 0.0, "lift_high": 0.2, "p_value": 0.1, "status": "ok", "note": HOSTILE}
    bad_rows = [
        row(HOSTILE, r, lift=0.03, label=HOSTILE, variant=HOSTILE, verdict="better", variance_reduction=0.2)
        for r in ("primary", "secondary")
    ]
    bad_segment = segment() | {"slices": {HOSTILE: bad_rows}}
    bad_bias = bias() | {"rows": [{**r, "metric": HOSTILE} for r in bias()["rows"]]}
    return [
        views.forest(bad_rows),
        views.segment_heatmap(bad_segment),
        views.pre_experiment_bias(bad_bias),
        views.sensitivity({**bad_rows[0], "sensitivity": [way]}),
        views.cuped_reduction(bad_rows),
        views.exposure_split({HOSTILE: 10, "b": 12}, {HOSTILE: 0.5, "b": 0.5}),
        views.exposures_over_time({"2026-11-01": {HOSTILE: 3, "b": 2}}),
        views.bucket_heatmap([5] * 100, owners=[HOSTILE] * 100),
    ]


@pytest.mark.parametrize("index", range(8))
def test_text_from_people_is_data_and_plain_titles_only(hostile: list[View], index: int) -> None:
    view = hostile[index]
    spec: Any = view.spec
    assert HOSTILE in json.dumps(spec["datasets"], ensure_ascii=False).replace('\\"', '"')
    allowed = {k: v for k, v in spec.items() if k not in ("datasets", "title", "description")}
    text = json.dumps(_without_domains(allowed))
    assert "onerror" not in text
    assert all(isinstance(line, str) for line in spec["title"]["text"])


def _without_domains(value: Any) -> Any:
    """The specification without scale domains: lists of category names, which Vega never evaluates."""
    if isinstance(value, dict):
        return {k: _without_domains(v) for k, v in value.items() if not (k == "domain" and isinstance(v, list))}
    return [_without_domains(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("index", range(8))
def test_html_of_a_view_escapes(hostile: list[View], index: int) -> None:
    view = hostile[index]
    assert "<img" not in view.table_html()
    assert "<script" not in view.table_html()


def test_hostile_svg_is_escaped() -> None:
    svg = views.forest([row("m", "primary", lift=0.1, label=HOSTILE)]).to_svg()
    assert "<img" not in svg
    assert "<script" not in svg


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"lift": 0.03, "lift_low": None, "lift_high": None, "status": "unbounded_lift"}, "unbounded"),
        ({"lift": None, "effect": 0.009, "status": "control_near_zero"}, "–"),
        ({"lift": None, "status": "too_few_units"}, "not enough data"),
    ],
)
def test_lifts_that_do_not_exist_are_words(case: dict[str, Any], words: str) -> None:
    view = views.forest([row("m", "primary", **case)])
    assert words in view.table.rows[0]["lift_text"]
    assert view.spec


def test_forest_order_is_the_plans_not_the_effects() -> None:
    view = views.forest(many_metrics())
    primary_first = [r["metric"] for r in view.table.rows]
    assert primary_first == [r["metric"] for r in many_metrics()]


def test_forest_marks_follow_the_margin_and_the_verdict_in_words() -> None:
    table = {r["metric"]: r for r in views.forest(rows()).table.rows}
    assert (table["quote_started"]["mark"], table["quote_started"]["verdict_text"]) == ("▲", "better")
    assert (table["transfer_in"]["mark"], table["transfer_in"]["verdict_text"]) == ("▼", "worse")
    assert (table["transfer_out"]["mark"], table["transfer_out"]["verdict_text"]) == ("✓", "within its margin")
    assert (table["page_load"]["mark"], table["page_load"]["verdict_text"]) == ("✕", "worse than accepted")


def test_a_dataframe_is_as_good_as_a_readout() -> None:
    import pandas as pd

    listed = views.forest(rows())
    framed = views.forest(pd.DataFrame([{k: v for k, v in r.items() if k != "sensitivity"} for r in rows()]))
    assert framed.title == listed.title
    assert [r["lift_text"] for r in framed.table.rows] == [r["lift_text"] for r in listed.table.rows]


def test_a_visual_is_switched_off_and_restyled_by_one_mapping() -> None:
    plain = json.dumps(views.forest(rows()).spec)
    changed = json.dumps(
        views.forest(rows(), style={"margin": False, "interval": {"strokeWidth": 5}, "better": "#123456"}).spec
    )
    assert plain.count('"strokeWidth": 5') == 0
    assert changed.count('"strokeWidth": 5') == 2
    assert "#123456" in changed
    assert changed.count(TONES["worse"]) < plain.count(TONES["worse"])
    with pytest.raises(InputError, match="interval"):
        views.forest(rows(), style={"intervall": False})


def test_the_split_agrees_with_scipy() -> None:
    from scipy.stats import chisquare

    view = views.exposure_split({"a": 20830, "b": 19170}, {"a": 0.5, "b": 0.5})
    assert chisquare([20830, 19170]).pvalue < 0.001
    assert "does not fit" in view.title
    fine = views.exposure_split({"a": 20102, "b": 19898}, {"a": 0.5, "b": 0.5})
    assert f"p = {chisquare([20102, 19898]).pvalue:.2g}" in fine.title


def test_a_split_without_units_says_so() -> None:
    assert views.exposure_split({}, {"a": 0.5, "b": 0.5}).title == "No exposed units yet"


def test_the_forecast_reaches_the_horizon_at_the_pace_of_the_last_days() -> None:
    from xpbench.data.pace import day_of_horizon, pace_of

    days = {f"2026-11-{d:02}": 100 for d in range(1, 11)}
    assert day_of_horizon(days, 2000) == ("2026-11-20", 100.0)
    assert day_of_horizon(days, 1000) is None
    assert day_of_horizon({}, 10) is None
    sparse = {"2026-02-01": 30, "2026-02-06": 30, "2026-02-07": 30}
    assert pace_of(sparse) == 10.0  # 60 units in six days, the last day left out; not 30 a day over two listed ones


def test_health_is_worst_first_and_opens_failed_gates() -> None:
    view = views.health_summary(checks(fail=True))
    assert view.title == "Don't read the effects: Sample ratio failed"
    assert view.table.rows[0]["label"] == "Sample ratio"
    assert view.html.count("<details open>") == 1
    assert "Don't read" not in views.health_summary(checks(fail=False)).title


def test_truth_table_marks_the_situation() -> None:
    from xpbench.plan.design import Decision

    situation = {"primary": "win", "deteriorated": False, "guardrails": "bad", "health": "pass", "adequate": True}
    view = views.truth_view(Decision(), situation=situation)
    assert view.title == "Row R2 fires: ship none"
    assert len(view.table.rows) == 240


def test_csv_guards_against_spreadsheets_and_leaves_numbers_alone() -> None:
    assert cell("=1+1") == "'=1+1"
    assert cell("@x") == "'@x"
    assert cell(-3.5) == -3.5
    assert cell("plain") == "plain"


def test_a_long_table_says_how_much_it_shows() -> None:
    table = Table("t", (TableColumn("x", "X"),), [{"x": i} for i in range(500)])
    assert "Showing 200 of 500" in table.to_html()
    assert len(table.to_csv().splitlines()) == 501


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ((0.074, 0.031, 0.118), "+7.4\u202f% (+3.1 … +11.8)"),
        ((-0.0431, -0.0698, -0.0164), "−4.3\u202f% (−7.0 … −1.6)"),
        ((0.00012, 0.00003, 0.00021), "+0.012\u202f% (+0.003 … +0.021)"),
        ((0.5, -1.5, 2.5), "+50\u202f% (−150 … +250)"),
        ((0.1, None, None), "+10.00\u202f% (unbounded)"),
        ((None, None, None), "not enough data"),
        ((0.0, -0.01, 0.01), "0.0\u202f% (−1.0 … +1.0)"),
    ],
)
def test_digits_follow_the_interval(case: tuple[Any, Any, Any], expected: str) -> None:
    assert numbers.lift(dict(zip(("lift", "lift_low", "lift_high"), case, strict=True))) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.03, "0.030"), (0.00156, "0.0016"), (0.00001, "< 0.0001"), (None, "–"), (0.8, "0.80")]
)
def test_p_values(value: float | None, expected: str) -> None:
    assert numbers.p_value(value) == expected


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("tone", sorted(set(TONES.values())))
def test_chart_tones_contrast_with_both_grounds(tone: str) -> None:
    for ground in ("#ffffff", "#111417"):
        bright, dark = sorted((luminance(tone), luminance(ground)), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 3.0


def test_the_saved_size_of_forty_metrics() -> None:
    view = views.forest(many_metrics())
    size = sum(len(json.dumps(o["data"])) for o in view.outputs())
    assert size < 300_000


def test_a_shrunk_png_is_the_same_picture() -> None:
    import vl_convert

    from xpbench.views.png import shrunk

    view = views.forest(rows())
    before = vl_convert.vegalite_to_png(json.dumps(view.themed("light")), vl_version="5.8")
    after = shrunk(before)
    assert len(after) < len(before) / 3
    image = pytest.importorskip("PIL.Image")
    import numpy as np

    one, two = (np.asarray(image.open(io.BytesIO(p)).convert("RGB")).astype(int) for p in (before, after))
    assert one.shape == two.shape
    assert abs(one - two).max() <= 16
    assert abs(one - two).mean() < 0.5
    assert shrunk(after) == after


def strokes(view: View) -> list[Any]:
    return [layer for layer in view.spec["layer"] if "flatten" in json.dumps(layer.get("transform", []))]  # type: ignore[index]


def test_the_forest_shows_what_cuped_narrowed_and_hatches_what_is_forbidden(made: dict[str, View]) -> None:
    spec: Any = made["forest"].spec
    ghosts = [layer for layer in spec["layer"] if layer["encoding"].get("x", {}).get("field") == "g0"]
    (values,) = [spec["datasets"][g["data"]["name"]] for g in ghosts]
    assert [(v["g0"], v["g1"]) for v in values] == [(0.02, 0.12)]
    assert len(strokes(made["forest"])) == 1
    assert "thin line: without CUPED" in made["forest"].subtitle
    plain = views.forest(rows(), style={"ghost": False, "margin": False})
    assert strokes(plain) == []
    assert "CUPED" not in plain.subtitle


def test_the_path_draws_p_values_against_their_boundary() -> None:
    from benchmarks.gallery import path_points

    with_p = views.sequential_path(path_points(peek=False), metric="A", alpha=0.05)
    assert len(with_p.spec["vconcat"]) == 2  # type: ignore[index]
    assert "boundary 0.05" in json.dumps(with_p.spec)
    without = views.sequential_path(path_points(peek=False), metric="A", alpha=0.05, style={"p_values": False})
    assert "vconcat" not in without.spec  # type: ignore[operator]


def test_a_trend_says_what_the_test_says_in_points_of_percent() -> None:
    from xpbench.views.novelty_curve import trend

    points = [{"x": float(d), "label": str(d), "effect": 0.01 - 0.001 * d, "se": 0.002, "n": 1000} for d in range(8)]
    found = {
        "axis": "age", "word": "fading", "p_adjusted": 0.01, "points": points,
        "sentence": "Quotes: the effect fades with the days.",
    }  # fmt: skip
    view = trend(found, metric="Quotes", is_share=True)
    assert view.title == "Quotes: the effect fades with the days (corrected p = 0.010)"
    assert view.table.rows[0]["lift"] == pytest.approx(1.0)
    week = trend({**found, "axis": "weekday", "points": points[:7]}, metric="Quotes")
    assert week.table.rows[1]["label"] == "Tuesday"


def test_no_axis_of_counts_falls_back_to_powers_of_ten(made: dict[str, View]) -> None:
    for name in ("winsorization", "timeline", "path", "power"):
        svg = made[name].to_svg()
        assert "e+" not in "".join(part.split("<")[0] for part in svg.split(">") if len(part.split("<")[0]) < 12), name


@pytest.mark.parametrize("ship_when", get_args(Decision.model_fields["ship_when"].annotation))
@pytest.mark.parametrize("guardrails", get_args(Decision.model_fields["guardrails"].annotation))
def test_the_card_says_in_words_when_a_plan_ships(ship_when: str, guardrails: str) -> None:
    """Every value of the plan has words; a plan that is still being written has gaps."""
    said = dict(facts({"decision": {"ship_when": ship_when, "guardrails": guardrails}}))["Ships when"]
    assert "primary metric" in said
    assert "guardrail is" in said
    assert "_" not in said
    assert "…" not in said
    assert dict(facts({}))["Ships when"] == "… and …"


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo"])
def test_days_of_exposure_are_the_same_in_every_time_zone(zone: str) -> None:
    """The picture is drawn by a browser's engine, which tells a date by its own clock unless it is told the day."""
    code = (
        "import re; from xpbench.views.timeline import exposures_over_time as f;"
        "svg = f({f'2026-01-0{d}': {'control': 100, 'beta': 100} for d in range(1, 8)}, horizon=2000).to_svg();"
        "print(re.findall(r'Day: [A-Z][a-z]+ [0-9]+, [0-9]+', svg)[:1], re.findall(r'>Jan [0-9]+<', svg)[:1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TZ": zone}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['Day: Jan 1, 2026'] ['>Jan 1<']"


def test_views_take_a_readout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sealed or open: health, units by day and the split; an open one effects and its first primary metric, too."""
    monkeypatch.chdir(tmp_path)
    n = 2000
    users = pd.DataFrame(
        {
            "user": np.arange(n),
            "variant": np.where(np.arange(n) % 2, "beta", "control"),
            "bought": (np.arange(n) % 5 == 0).astype(int),
            "date": (pd.Timestamp("2026-08-03") + pd.to_timedelta(np.arange(n) // 200, unit="D")).strftime("%Y-%m-%d"),
        }
    )
    plan = make_plan([column("bought")], key="views", owner="team", unit="user", horizon={"units": n})
    experiment = xp.register(plan, root="experiments", retrospective=True)
    sealed = experiment.readout(xp.units(users.head(1000), unit="user", variant="variant", day="date"))
    readout = experiment.readout(xp.units(users, unit="user", variant="variant", day="date"))
    assert sealed.is_sealed
    for result in (sealed, readout):
        assert len(views.health(result).table.rows) == len(result.health)
        assert views.health_summary(result).title == views.health(result).title
        days = views.exposures(result).table.rows
        assert days[0]["day"] == "2026-08-03"
        assert sum(row["new"] for row in days) == sum(
            result.units.values() if result is sealed else result.summary.units.values()
        )
        assert views.exposures_over_time(result).title == views.exposures(result).title
        assert views.exposure_split(result).title == result.plot("split").title
    assert "bought" in views.sensitivity(readout).title
    assert "health" in dir(views)


def test_every_chart_fits_a_notebook_cell(made: dict[str, View]) -> None:
    """840 px: what JupyterLab leaves for an output at 1,280 px with the file browser open."""
    wide = {}
    for name, view in made.items():
        if view.chart is not None:
            found = re.search(r'<svg[^>]* width="([\d.]+)"', view.to_svg())
            assert found is not None, name
            if float(found[1]) > 840:
                wide[name] = float(found[1])
    assert wide == {}


def test_below_600_px_a_row_is_a_block() -> None:
    html = VIEWS["forest"]().table_html()
    assert "@media (max-width:600px)" in html
    assert "data-label='Lift (interval)'" in html


def test_a_long_name_in_the_forest_plot_takes_two_lines_before_it_is_cut() -> None:
    from xpbench.views.numbers import two_lines

    assert two_lines("Quote started", 23, 28) == ("Quote started", "")
    assert two_lines("Transfer in, value in dollars per unit", 23, 28) == ("Transfer in, value in", "dollars per unit")
    first, second = two_lines("x" * 80, 23, 28)
    assert (len(first), len(second), second[-1]) == (28, 28, "…")
    name = "Share of visitors who asked for a quote by mail"
    drawn = json.dumps(views.forest([{**rows()[0], "label": name}]).spec)
    assert '"first": "Share of visitors who asked"' in drawn
    assert '"second": "for a quote by mail"' in drawn
