"""Whether the plan came first: in the check, and in everything that a reader sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document
from xpbench.cli import main
from xpbench.decide.readout import Readout
from xpbench.experiment import statuses
from xpbench.plan import Plan
from xpbench.watch import portfolio

AFTER, PARTLY, RETRO = "PLANNED AFTER THE DATA", "PARTLY PLANNED AFTER THE DATA", "RETROSPECTIVE"
AMENDED = "AMENDED AFTER EFFECTS"


def plan(**changes: Any) -> Plan:
    base: dict[str, Any] = plan_document([column("y"), column("z", "guardrail", margin=0.1)], key="first", unit="user")
    return Plan(**{**base, **changes})


def table(days: int = 14, n: int = 2000) -> pd.DataFrame:
    """Exposures from 5 to 18 January."""
    rng = np.random.default_rng(4)
    variant = np.tile(["control", "beta"], n // 2)
    return pd.DataFrame(
        {
            "user": [f"u{i}" for i in range(n)],
            "variant": variant,
            "day": [f"2026-01-{5 + i * days // n:02d}" for i in range(n)],
            "y": (rng.random(n) < np.where(variant == "beta", 0.4, 0.2)).astype(float),
            "z": rng.random(n),
        }
    )


def clocks(first: str) -> Callable[[], datetime]:
    """The time of registering, and from the second question on that of the reading, in March."""
    asked: list[int] = []

    def clock() -> datetime:
        asked.append(1)
        return datetime.fromisoformat(first).replace(tzinfo=UTC) if len(asked) == 1 else LATER + timedelta(seconds=len(asked))

    return clock


LATER = datetime(2026, 3, 2, 9, tzinfo=UTC)


def read(folder: Path, at: str, *, day: str | None = "day", retrospective: bool = False, **changes: Any) -> tuple[Any, Readout]:
    experiment = xp.register(plan(**changes), folder, by="ana", retrospective=retrospective, clock=clocks(at))
    readout = experiment.readout(xp.units(table(), unit="user", variant="variant", day=day), further_health="off")
    assert isinstance(readout, Readout)
    return experiment, readout


def check(readout: Any) -> Any:
    return next(c for c in readout.health if c.name == "plan_first")


def surfaces(experiment: Any, readout: Readout, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Everything that a reader may look at, by its name."""
    advice = readout.recommendation
    experiment.decide(readout, advice.outcome, variant=advice.variant or None, because="rule", by="ana")
    memo = experiment.memo()
    report = xp.verify(memo.save(experiment.memo_path))
    assert report.differences == (), str(report)
    page = memo.html.split("<script", 1)[0]
    capsys.readouterr()
    main(["status", experiment.key, "--root", str(experiment.root)])
    return {
        "repr": repr(readout),
        "html": readout._repr_html_(),
        "memo": page,
        "headline": page.split('data-x="headline">', 1)[1].split("<", 1)[0] if 'data-x="headline">' in page else page,
        "status": experiment.status().sentence,
        "statuses": json.dumps(statuses(experiment.root)),
        "command": capsys.readouterr().out,
        "portfolio": portfolio(experiment.root)._repr_html_(),
        "verify": str(report),
    }


@pytest.mark.parametrize(
    ("at", "stamp", "headline", "sentence"),
    [
        ("2026-03-01T09:00:00", AFTER, "made after the data", "All outcomes existed by then"),
        ("2026-01-12T09:00:00", PARTLY, "part of the data", "50.0% of the units and 7 days of 14"),
    ],
    ids=["after", "partly"],
)
def test_a_plan_after_the_data_is_stamped_wherever_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], at: str, stamp: str, headline: str, sentence: str
) -> None:
    experiment, readout = read(tmp_path, at)
    assert readout.stamps == (stamp,)
    assert sentence in check(readout).meaning
    found = surfaces(experiment, readout, capsys)
    for name in ("repr", "html", "memo", "status", "statuses", "command", "portfolio", "verify"):
        assert stamp in found[name], name
        assert at[:10] in found[name] or name in ("repr", "html"), name
    assert headline in found["headline"]
    assert "promise" in readout.cost.sentence
    assert "planned level" not in found["memo"]


@pytest.mark.parametrize("at", ["2026-01-03T09:00:00", "2026-01-05T09:00:00"], ids=["before", "same day"])
def test_a_plan_that_came_first_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], at: str) -> None:
    experiment, readout = read(tmp_path, at)
    assert readout.stamps == ()
    found = surfaces(experiment, readout, capsys)
    assert check(readout).meaning in found["memo"]
    assert "the plan came first" in found["verify"]
    assert not [name for name, text in found.items() if AFTER in text]


def test_without_dates_it_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment, readout = read(tmp_path, "2026-03-01T09:00:00", day=None)
    assert readout.stamps == ()
    found = surfaces(experiment, readout, capsys)
    assert "It is not known whether the plan came first" in found["memo"]
    assert "whether the plan came before the data" in found["verify"]


def test_a_retrospective_plan_is_a_mode_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiment, readout = read(tmp_path, "2026-03-01T09:00:00", retrospective=True)
    assert readout.stamps == (RETRO,)
    found = surfaces(experiment, readout, capsys)
    assert not [n for n in ("repr", "html", "memo", "status", "portfolio", "verify") if RETRO not in found[n]]
    assert "by a retrospective plan" in found["headline"]
    assert portfolio(experiment.root).win_rate is None


def test_the_clean_way_out_leaves_the_early_units_out(tmp_path: Path) -> None:
    """An event log: `exposure.start` on the day after registering."""
    frame = table()
    rows = [
        (
            "$experiment_started",
            f"{r.day}T12:00:00",
            r.user,
            f"x{r.user}",
            {"Experiment name": "first", "Variant name": r.variant},
        )
        for r in frame.itertuples()
    ]
    rows += [("Buy", f"{r.day}T13:00:00", r.user, f"b{r.user}", {}) for r in frame.itertuples() if r.y]
    rows.append(("Ping", "2026-02-10T12:00:00", "zz", "p", {}))
    log = pd.DataFrame(rows, columns=["event", "time", "distinct_id", "$insert_id", "properties"])
    log["time"], log["properties"] = pd.to_datetime(log["time"]), log["properties"].map(json.dumps)
    metric = {"key": "y", "kind": "conversion", "event": "Buy", "role": "primary", "direction": "increase", "window_days": 7}
    events = plan(metrics=[metric], unit="distinct_id", horizon={"units": 500})
    found = {}
    for key, start in (("first", {}), ("cut", {"experiment": "first", "start": "2026-01-13"})):
        experiment = xp.register(events.changed(key=key, exposure=start), tmp_path / key, clock=clocks("2026-01-12T09:00:00"))
        found[key] = experiment.readout(xp.events(log), further_health="off")
    assert found["first"].stamps == (PARTLY,)
    assert "amend exposure.start to 2026-01-13" in check(found["first"]).next_step
    assert found["cut"].stamps == ()
    assert check(found["cut"]).status == "pass"


def test_a_sealed_readout_says_it_too(tmp_path: Path) -> None:
    experiment = xp.register(plan(horizon={"units": 9000}), tmp_path, clock=clocks("2026-03-01T09:00:00"))
    sealed = experiment.readout(xp.units(table(), unit="user", variant="variant", day="day"), further_health="off")
    assert sealed.is_sealed
    assert AFTER in repr(sealed)
    assert AFTER in experiment.status().sentence


def test_a_log_is_compared_by_the_hour(tmp_path: Path) -> None:
    """Exposures of the same day, some hours before the registration: part of the data came first."""
    from tests.health.worlds import healthy

    inputs = healthy(registered=datetime(2026, 9, 7, 12, tzinfo=UTC))
    from xpbench.health import run_checks

    (found,) = run_checks(inputs, only=["plan_first"])
    assert (found.status, found.evidence["state"]) == ("warn", "partly")


SEEN: dict[str, Callable[[Any, Any], Any]] = {
    "effects": lambda e, s: e.peek(s, reason="curious", further_health="off"),
    "nothing": lambda e, s: None,
}


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize(
    ("change", "is_decisive"),
    [
        ({"metrics": [plan().to_dict()["metrics"][0], plan().to_dict()["metrics"][1] | {"margin": 0.5}]}, True),
        ({"health": {"srm_alpha": 1e-9}}, True),
        ({"horizon": {"units": 2000}}, True),
        ({"model": {"kind": "frequentist", "confidence": 0.9}}, True),
        ({"correction": "none"}, True),
        ({"hypothesis": {"if": "a", "then": [{"metric": "y", "direction": "increase", "lift": 0.5}], "because": "b"}}, True),
        ({"title": "Another title"}, False),
        ({"owner": "someone"}, False),
        ({"watch": {"weeks": 8, "metrics": ["z"], "owner": "growth"}}, False),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else str(v),
)
def test_an_amendment_is_judged_by_what_had_been_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seen: str, change: dict[str, Any], is_decisive: bool
) -> None:
    experiment = xp.register(plan(), tmp_path, by="ana", clock=clocks("2026-01-03T09:00:00"))
    source = xp.units(table(), unit="user", variant="variant", day="day")
    SEEN[seen](experiment, source)
    amended = experiment.amend(experiment.plan.changed(**change), reason="thought again", by="ana")
    readout = amended.readout(source, further_health="off")
    assert isinstance(readout, Readout)
    stamped = is_decisive and seen == "effects"
    assert (AMENDED in readout.stamps) is stamped
    found = surfaces(amended, readout, capsys)
    assert ("changed after effects were seen" in found["headline"]) is stamped
    assert ("Changed after effects were seen" in found["memo"]) is stamped
    assert (AMENDED in found["verify"]) is stamped
    if stamped:
        assert "planned level" not in found["memo"]


def test_a_gate_that_failed_counts_as_seen(tmp_path: Path) -> None:
    experiment = xp.register(plan(horizon={"units": 9000}), tmp_path, clock=clocks("2026-01-03T09:00:00"))
    frame = table()
    tilted = frame[(frame.variant == "beta") | (frame.index % 3 == 0)]
    first = experiment.readout(xp.units(tilted, unit="user", variant="variant", day="day"), further_health="off")
    assert first.is_sealed
    amended = experiment.amend(experiment.plan.changed(health={"srm_alpha": 1e-9}, horizon={"units": 1000}), reason="noise")
    readout = amended.readout(xp.units(frame, unit="user", variant="variant", day="day"), further_health="off")
    assert AMENDED in readout.stamps
