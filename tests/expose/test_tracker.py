"""The tracker: one event per unit and experiment, whatever calls come, and no failure for the caller."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock_time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixpanel import Mixpanel

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.errors import ExposeError
from xpbench.expose.event import INCIDENT_EVENT, insert_id, unit_key
from xpbench.ledger.clock import fixed_clock
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.plan import Plan

Make = Callable[..., xp.Tracker]


def exposures(box: Sandbox) -> list[dict[str, Any]]:
    return [e["properties"] for e in box.events() if e["event"] == "$experiment_started"]


def test_one_event_with_the_documented_properties(box: Sandbox, track: Make) -> None:
    tracker = track()
    before = time.time()
    assert tracker.expose("u1", "beta", platform="web") == ("queued", "beta-homepage", "beta", "")
    assert tracker.flush()
    (event,) = exposures(box)
    assert event["Experiment name"] == "beta-homepage"
    assert event["Variant name"] == "beta"
    assert event["distinct_id"] == "u1"
    assert event["platform"] == "web"
    assert event["mp_lib"] == "python"
    assert before - 1 <= event["time"] / 1000 <= time.time()
    assert event["$insert_id"].isalnum()
    assert len(event["$insert_id"]) <= 36


def test_repeats_send_nothing_even_after_a_restart(box: Sandbox, track: Make) -> None:
    tracker = track()
    states = [tracker.expose("u1", "beta").state for _ in range(5)]
    tracker.close()
    again = track()
    states.append(again.expose("u1", "beta").state)
    again.flush()
    assert states == ["queued", "repeat", "repeat", "repeat", "repeat", "repeat"]
    assert len(exposures(box)) == 1


def test_assigning_sends_nothing(box: Sandbox, track: Make, plan: Plan) -> None:
    tracker = track(plan)
    xp.assign(plan, [f"u{i}" for i in range(100)])
    tracker.flush()
    assert box.events() == []


def test_a_missing_variant_is_assigned_by_the_plan(box: Sandbox, track: Make, plan: Plan) -> None:
    tracker = track(plan)
    units = [f"u{i}" for i in range(20)]
    for unit in units:
        tracker.expose(unit)
    tracker.flush()
    assert {e["distinct_id"]: e["Variant name"] for e in exposures(box)} == dict(
        zip(units, xp.assign(plan, units), strict=True)
    )


def test_units_outside_the_rollout_are_not_exposed(box: Sandbox, track: Make) -> None:
    none = make_plan(assignment={"hash": "sha256", "salt": "s", "rollout": [{"key": "nobody", "share": 0.0}]})
    tracker = track(none)
    assert tracker.expose("u1").state == "unassigned"
    tracker.flush()
    assert box.events() == []


def test_a_variant_switch_is_recorded_and_told_once(box: Sandbox, track: Make) -> None:
    tracker = track()
    states = [tracker.expose("u1", v).state for v in ("control", "beta", "beta", "control")]
    tracker.flush()
    assert states == ["queued", "switch", "switch", "repeat"]
    assert [e["Variant name"] for e in exposures(box)] == ["control"]
    (told,) = [e["properties"] for e in box.events() if e["event"] == INCIDENT_EVENT]
    assert (told["Incident"], told["Former variant name"], told["Variant name"]) == ("variant switch", "control", "beta")
    assert [(i.kind, i.detail, i.times) for i in tracker.incidents()] == [("variant switch", "control to beta", 2)]


def test_an_unknown_variant_is_sent_and_recorded(box: Sandbox, track: Make) -> None:
    tracker = track()
    assert tracker.expose("u1", "gamma").state == "queued"
    tracker.flush()
    assert [e["Variant name"] for e in exposures(box)] == ["gamma"]
    assert [i.kind for i in tracker.incidents()] == ["unknown variant"]


def test_exposures_outside_the_dates_are_recorded_and_do_not_use_up_the_one(box: Sandbox, track: Make) -> None:
    plan = make_plan(exposure={"start": "2026-03-02", "end": "2026-03-03"})
    tracker = track(plan)
    days = [datetime(2026, 3, d, 12, tzinfo=UTC) for d in (1, 2, 2, 4)]
    assert [tracker.expose("u1", "beta", time=d).state for d in days] == ["outside", "queued", "repeat", "repeat"]
    assert tracker.expose("u2", "beta", time=days[3]).state == "outside"
    tracker.flush()
    assert [e["time"] for e in exposures(box)] == [days[1].timestamp() * 1000]
    assert {(i.kind, i.times) for i in tracker.incidents()} == {("outside dates", 1)}


def test_insert_id_and_time_stay_the_same_when_an_answer_is_lost(box: Sandbox, track: Make) -> None:
    tracker = track()
    box.faults.set(cut_after=1.0, limit=2, path="/import")
    tracker.expose("u1", "beta")
    assert tracker.flush()
    assert len(exposures(box)) == 3
    assert len({(e["$insert_id"], e["time"]) for e in exposures(box)}) == 1
    assert len(box.deduplicated()) == 1


def test_combined_event_as_dictionary(box: Sandbox, track: Make) -> None:
    plans = [make_plan(k, exposure={"format": "dictionary"}) for k in ("first", "second", "third")]
    tracker = track(plans)
    tracker.expose("u1", "beta", experiment="second")
    results = tracker.expose_all("u1", {"first": "beta", "second": "beta", "third": "control"}, page="home")
    tracker.flush()
    assert [r.state for r in results] == ["queued", "repeat", "queued"]
    one, combined = exposures(box)
    assert one["second"] == "beta"
    assert (combined["first"], combined["third"], combined["page"]) == ("beta", "control", "home")
    assert "second" not in combined


def test_combined_event_as_list(box: Sandbox, track: Make) -> None:
    plans = [make_plan(k, exposure={"format": "list", "list_separator": "|"}) for k in ("first", "second")]
    tracker = track(plans)
    tracker.expose_all("u1", {"first": "beta", "second": "control"})
    tracker.flush()
    assert [e["Experiments"] for e in exposures(box)] == [["first|beta", "second|control"]]


def test_separate_events_for_several_experiments(box: Sandbox, track: Make) -> None:
    tracker = track([make_plan("first"), make_plan("second")])
    assert [r.state for r in tracker.expose_all("u1", {"first": "beta", "second": "control"})] == ["queued", "queued"]
    tracker.flush()
    assert [(e["Experiment name"], e["Variant name"]) for e in exposures(box)] == [("first", "beta"), ("second", "control")]


def test_renamed_event_and_properties(box: Sandbox, track: Make) -> None:
    names = {"event": "Seen", "experiment_property": "Test", "variant_property": "Arm", "experiment": "Homepage"}
    tracker = track(make_plan(exposure=names))
    tracker.expose("u1", "beta")
    tracker.flush()
    (event,) = box.events()
    assert (event["event"], event["properties"]["Test"], event["properties"]["Arm"]) == ("Seen", "Homepage", "beta")


@pytest.mark.parametrize(
    ("unit", "given", "expected"),
    [
        ("company_id", None, {"company_id": "u1", "distinct_id": ""}),
        ("company_id", "ann", {"company_id": "u1", "distinct_id": "ann"}),
        ("device_id", None, {"$device_id": "u1", "distinct_id": "$device:u1"}),
        ("device_id", "ann", {"$device_id": "u1", "distinct_id": "ann"}),
    ],
)
def test_units_that_are_no_person(box: Sandbox, track: Make, unit: str, given: str | None, expected: dict[str, str]) -> None:
    tracker = track(make_plan(unit=unit))
    tracker.expose("u1", "beta", distinct_id=given)
    tracker.flush()
    (event,) = exposures(box)
    assert {k: event.get(k) for k in expected} == expected


@pytest.mark.parametrize("unit", ["", "anonymous", "NULL", "0", "x" * 256, True, 1.5, None, "\ud800", b"x"])
def test_units_that_mixpanel_refuses_are_invalid_and_named(track: Make, unit: Any) -> None:
    tracker = track()
    result = tracker.expose(unit, "beta")
    assert result.state == "invalid"
    assert not result.is_acknowledged
    assert "XPB-E10" in result.reason
    assert tracker.status().incidents == {"invalid exposure": 1}


UNSENDABLE: list[tuple[dict[str, Any], str]] = [
    ({f"p{i}": 1 for i in range(255)}, "too many properties"),
    ({"deep": {"a": {"b": {"c": {"d": 1}}}}}, "nested"),
    ({"list": list(range(255))}, "255 items"),
    ({"endless": float("inf")}, "finite"),
    ({"much": Decimal("inf")}, "finite"),
    ({"object": object()}, "JSON does not have"),
    ({"raw": b"x"}, "JSON does not have"),
    ({"complex": 1j}, "JSON does not have"),
    ({"bucket": "x"}, "hides events"),
    ({"text": "x" * 300_000}, "near the limit"),
    ({"\ud800": 1}, "Unicode"),
]


@pytest.mark.parametrize(("context", "reason"), UNSENDABLE)
def test_a_property_that_can_not_be_sent_never_costs_the_exposure(
    box: Sandbox, track: Make, caplog: pytest.LogCaptureFixture, context: Any, reason: str
) -> None:
    tracker = track()
    assert tracker.expose("u1", "beta", page="home").state == "queued"
    assert tracker.expose("u2", "beta", page="home", **context).state == "queued"
    assert tracker.flush()
    assert {e["distinct_id"]: e.get("page") for e in exposures(box)} == {"u1": "home", "u2": "home"}
    found = [i for i in tracker.incidents() if i.kind == "property left out"]
    assert found
    assert all(reason in i.detail for i in found)
    assert [r.levelname for r in caplog.records if reason in r.getMessage()][:1] == ["WARNING"]


@pytest.mark.parametrize(("context", "reason"), UNSENDABLE)
def test_a_property_that_can_not_be_sent_is_raised_where_asked(track: Make, context: Any, reason: str) -> None:
    with pytest.raises(ExposeError, match="XPB-E11"):
        track(on_error="raise").expose("u2", "beta", **context)


class Colour(enum.Enum):
    RED = "red"


class Size(enum.StrEnum):
    LARGE = "large"


BERLIN = timezone(timedelta(hours=2))
SENDABLE: list[tuple[Any, Any]] = [
    (Decimal("9.90"), 9.9),
    (Decimal(10), 10),
    (Decimal("0E+500"), 0),
    (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
    (Decimal("NaN"), None),
    (Fraction(1, 4), 0.25),
    (Fraction(1, 3), "1/3"),
    (datetime(2026, 5, 1, 12, 30, tzinfo=BERLIN), "2026-05-01T10:30:00"),
    (datetime(2026, 5, 1, 12, 30), "2026-05-01T12:30:00"),  # noqa: DTZ001 - naive on purpose
    (date(2026, 5, 1), "2026-05-01"),
    (clock_time(8, 15), "08:15:00"),
    (timedelta(minutes=2), 120.0),
    (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (PurePosixPath("/a/b"), "/a/b"),
    (ipaddress.ip_address("10.0.0.1"), "10.0.0.1"),
    (Colour.RED, "red"),
    (Size.LARGE, "large"),
    (np.int64(3), 3),
    (np.float32(0.5), 0.5),
    (np.bool_(True), True),
    (np.str_("x"), "x"),
    (np.array([1, 2]), [1, 2]),
    (np.datetime64("2026-05-01T10:30:00.000000000"), "2026-05-01T10:30:00"),
    (np.datetime64("NaT"), None),
    (np.timedelta64(1500, "ms"), 1.5),
    (pd.Timestamp("2026-05-01 12:30", tz="Europe/Berlin"), "2026-05-01T10:30:00"),
    (pd.NaT, None),
    (pd.NA, None),
    (float("nan"), None),
    (pd.Series([1.5, 2.5]), [1.5, 2.5]),
    (pa.scalar(5), 5),
    ({"b", "a"}, ["a", "b"]),
    ((1, Decimal("0.5")), [1, 0.5]),
    ({"at": date(2026, 5, 1), 3: UUID(int=1)}, {"at": "2026-05-01", "3": "00000000-0000-0000-0000-000000000001"}),
    (2**80, str(2**80)),
    ("half \ud83d a pair", "half \ufffd a pair"),
    (True, True),
    (None, None),
]


@pytest.mark.parametrize(("value", "sent"), SENDABLE)
def test_properties_of_every_type_that_programs_hold_are_sent(
    box: Sandbox, track: Make, caplog: pytest.LogCaptureFixture, value: Any, sent: Any
) -> None:
    tracker = track()
    assert tracker.expose("u1", "beta", value=value).state == "queued"
    assert tracker.flush()
    (event,) = exposures(box)
    assert event.get("value") == sent
    assert type(event.get("value")) is type(sent)
    assert tracker.status().incidents == {}
    assert not caplog.records


@pytest.mark.parametrize("value", [v for v, _ in SENDABLE])
def test_the_same_values_go_through_every_door(track: Make, value: Any) -> None:
    tracker = track([make_plan(k, exposure={"format": "dictionary"}) for k in ("first", "second")], sender="none")
    assert [r.state for r in tracker.expose_all("u1", {"first": "beta", "second": "beta"}, value=value)] == ["queued"] * 2
    assert tracker.expose_unplanned("flag", "u1", "on", distinct_id="u1", properties={"value": value}).state == "queued"
    assert tracker.enqueue("u1", "Other", {"value": value})
    assert tracker.outbox.pending() == 3


@pytest.mark.parametrize("unit", ["u1", 7, UUID(int=7), np.int64(7), np.uint8(7), np.str_("u1"), pa.scalar("u1"), Size.LARGE])
def test_units_of_every_type_that_assign_takes(track: Make, plan: Plan, unit: Any) -> None:
    tracker = track(plan, sender="none")
    result = tracker.expose(unit)
    assert (result.state, result.variant) == ("queued", xp.assign(plan, [unit])[0])
    assert asyncio.run(tracker.aexpose(unit, result.variant)).state == "repeat"


@pytest.mark.parametrize("variant", [Size.LARGE, np.str_("beta"), Colour.RED, "größer"])
def test_variants_as_other_text(track: Make, variant: Any) -> None:
    assert track(sender="none").expose("u1", variant).state == "queued"


@pytest.mark.parametrize("variant", [True, 1.5, "", b"beta", "\ud800"])
def test_what_is_no_variant_is_named_and_logged(track: Make, caplog: pytest.LogCaptureFixture, variant: Any) -> None:
    tracker = track(sender="none")
    assert "XPB-E15" in tracker.expose("u1", variant).reason
    assert [r.levelname for r in caplog.records] == ["WARNING"]


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "time",
    [
        NOON,
        NOON * 1000,
        int(NOON),
        np.int64(NOON),
        Decimal(str(NOON)),
        datetime(2026, 5, 1, 14, tzinfo=BERLIN),
        pd.Timestamp("2026-05-01 14:00", tz="Europe/Berlin"),
        "2026-05-01T12:00:00Z",
        "2026-05-01T14:00:00+02:00",
    ],
)
def test_times_of_every_type(box: Sandbox, track: Make, time: Any) -> None:
    tracker = track()
    assert tracker.expose("u1", "beta", time=time).state == "queued"
    tracker.flush()
    assert [e["time"] for e in exposures(box)] == [NOON * 1000]


NAIVE = """
import logging, sys
import xpbench as xp
from datetime import datetime
from tests.expose.conftest import make_plan
logging.basicConfig(format="%(levelname)s %(message)s")
tracker = xp.Tracker(make_plan(), mixpanel="a-token", outbox=sys.argv[1], sender="none")
print(tracker.expose("u1", "beta", time=datetime(2026, 5, 1, 12)).state, tracker.outbox.pending())
"""


@pytest.mark.parametrize(("zone", "state"), [("UTC", "queued 1"), ("Europe/Berlin", "invalid 0")])
def test_a_time_without_an_offset_is_taken_where_it_can_be_read_in_one_way(tmp_path: Path, zone: str, state: str) -> None:
    environment = {**os.environ, "TZ": zone}
    command = [sys.executable, "-c", NAIVE, str(tmp_path / "o.sqlite")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == state
    assert ("WARNING xpbench: invalid exposure" in done.stderr) == (zone != "UTC")


@pytest.mark.parametrize("unit", ["", 1.5, None])
def test_what_is_refused_is_logged_once_a_minute(track: Make, caplog: pytest.LogCaptureFixture, unit: Any) -> None:
    tracker = track(sender="none")
    for _ in range(3):
        tracker.expose(unit, "beta")
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert tracker.status().incidents == {"invalid exposure": 3}


def test_a_person_whose_id_can_not_be_sent_does_not_cost_the_companys_exposure(box: Sandbox, track: Make) -> None:
    tracker = track(make_plan(unit="company_id"))
    assert tracker.expose("acme", "beta", distinct_id="anonymous").state == "queued"
    tracker.flush()
    assert [(e["company_id"], e["distinct_id"]) for e in exposures(box)] == [("acme", "")]
    assert tracker.status().incidents == {"property left out": 1}


FIRST = """
import sys
import xpbench as xp
from tests.expose.conftest import make_plan
plans = [make_plan("native"), make_plan("flag", assignment={"hash": "mixpanel", "hash_salt": "abc"})]
tracker = xp.Tracker(plans, mixpanel="a-token", outbox=sys.argv[1], sender="none")
before = set(sys.modules)
for name in ("native", "flag"):
    assert tracker.expose("user-1", experiment=name).state == "queued"
assert tracker.expose("user-1", experiment="flag").state == "repeat"
print(sorted(set(sys.modules) - before))
print([m for m in ("pyarrow", "narwhals", "duckdb", "pandas", "scipy") if m in sys.modules])
"""


def test_the_first_exposure_imports_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FIRST, str(tmp_path / "o.sqlite")], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"], done.stderr


def test_errors_are_raised_when_asked_for(track: Make) -> None:
    tracker = track(on_error="raise")
    with pytest.raises(ExposeError, match="XPB-E10"):
        tracker.expose("", "beta")
    with pytest.raises(ExposeError, match="XPB-E09"):
        tracker.expose("u1", "beta", experiment="beta-hompage")
    with pytest.raises(ExposeError, match="XPB-E12"):
        tracker.expose("u1", "beta", time="yesterday")


def test_several_plans_need_the_experiment(track: Make) -> None:
    tracker = track([make_plan("first"), make_plan("second")])
    assert "XPB-E08" in tracker.expose("u1", "beta").reason
    with pytest.raises(ExposeError, match="XPB-E06"):
        track([make_plan("first"), make_plan("first")])


def test_no_mixpanel_object(track: Make) -> None:
    with pytest.raises(ExposeError, match="XPB-E05"):
        track(mixpanel=object())


def test_async_twin(box: Sandbox, track: Make) -> None:
    async def serve() -> list[str]:
        async with track() as tracker:
            results = await asyncio.gather(*(tracker.aexpose(f"u{i % 10}", "beta") for i in range(50)))
            await tracker.aexpose_all("u99", {"beta-homepage": "control"})
            assert await tracker.aflush()
            return [r.state for r in results]

    assert Counter(asyncio.run(serve())) == {"queued": 10, "repeat": 40}
    assert len(exposures(box)) == 11


def test_threads_expose_each_unit_once(box: Sandbox, track: Make) -> None:
    tracker = track(max_block=5.0)
    states: Counter[str] = Counter()
    lock = threading.Lock()

    def work(seed: int) -> None:
        mine = Counter(tracker.expose(f"u{(i * 7 + seed) % 200}", "beta").state for i in range(200))
        with lock:
            states.update(mine)

    threads = [threading.Thread(target=work, args=(s,)) for s in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.flush()
    assert states == {"queued": 200, "repeat": 1_400}
    assert len(exposures(box)) == 200


def _forked(tracker: xp.Tracker, first: int) -> None:
    results = [tracker.expose(f"u{i}", "beta") for i in range(first, first + 100)]
    ok = all(r.is_acknowledged for r in results) and tracker.flush(timeout=10)
    tracker.close(timeout=1.0)
    os._exit(0 if ok else 1)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_processes_share_the_outbox(box: Sandbox, track: Make) -> None:
    """A web server forks after the tracker was made: every process goes on with connections of its own."""
    tracker = track(max_block=2.0)
    tracker.expose("u0", "beta")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_forked, args=(tracker, first), daemon=True) for first in (0, 50, 100)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert tracker.expose("u199", "beta").state == "repeat"
    assert len(exposures(box)) == len(box.deduplicated()) == 200


PROGRAM = """
import sys, mixpanel
from tests.expose.conftest import make_plan
import xpbench as xp
sdk = mixpanel.Mixpanel("sandbox-token", consumer=mixpanel.Consumer(api_host=sys.argv[1]))
tracker = xp.Tracker(make_plan(), mixpanel=sdk, outbox=sys.argv[2], interval=30, sender=sys.argv[3])
for i in range(50):
    assert tracker.expose(f"u{i}", "beta").is_acknowledged
"""


@pytest.mark.parametrize("sender", ["thread", "process"])
def test_events_are_flushed_on_exit(box: Sandbox, tmp_path: Path, sender: str) -> None:
    root = Path(__file__).resolve().parents[2]
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), box.address, str(tmp_path / "o.sqlite"), sender]
    subprocess.run(program, check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=60)
    assert len(exposures(box)) == 50


def test_sender_in_a_process_of_its_own(box: Sandbox, track: Make) -> None:
    tracker = track(sender="process")
    for i in range(20):
        tracker.expose(f"u{i}", "beta")
    assert tracker.flush(timeout=20)
    first = tracker._sender._process
    first.kill()  # it is started again
    first.wait()
    time.sleep(0.15)
    tracker.expose("late", "beta")
    assert tracker.flush(timeout=20)
    assert [e["distinct_id"] for e in exposures(box)] == [*(f"u{i}" for i in range(20)), "late"]


def test_a_clock_that_jumps_is_noted_and_exposures_still_arrive(box: Sandbox, track: Make) -> None:
    now = [time.time()]
    tracker = track(clock=lambda: datetime.fromtimestamp(now[0], UTC))
    tracker.expose("u1", "beta")
    now[0] += 2 * 86_400
    tracker.expose("u2", "beta")
    now[0] -= 3 * 86_400
    tracker.expose("u3", "beta")
    assert tracker.flush()
    arrived = {e["distinct_id"]: e for e in exposures(box)}
    assert list(arrived) == ["u1", "u2", "u3"], "in order"
    assert arrived["u2"]["Clock ahead (s)"] > 86_000
    assert sum(i.times for i in tracker.incidents() if i.kind == "clock") == 3


def test_a_fixed_clock_makes_the_same_bytes(box: Sandbox, track: Make, tmp_path: Path) -> None:
    stored = []
    for name in ("a", "b"):
        tracker = track(clock=fixed_clock("2026-03-01T00:00:00"), outbox=tmp_path / name)
        tracker.expose("u1", "beta", platform="web")
        tracker.flush()
        stored.append(box.events()[-1]["properties"])
    for event in stored:
        event.pop("mp_processing_time_ms")
    assert stored[0] == stored[1]
    assert len(box.deduplicated()) == 1


def test_reprs_and_reports_hold_no_token(track: Make) -> None:
    tracker = track(mixpanel=Mixpanel("canary-5c1b7f"))
    assert "canary-5c1b7f" not in f"{tracker!r}{tracker._delivery!r}{tracker.status().to_dict()}"


@given(st.text(), st.text(), st.text(), st.text())
def test_ids_depend_on_the_parts_and_not_on_how_they_join(a: str, b: str, c: str, d: str) -> None:
    if (a, b) != (c, d):
        assert unit_key(a, b) != unit_key(c, d)
        assert insert_id("x", "u", [(a, b)]) != insert_id("x", "u", [(c, d)])
    made = insert_id("x", a, [(b, c), (c, d)])
    assert made == insert_id("x", a, [(c, d), (b, c)])
    assert made.isalnum()
    assert len(made) == 32


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, "api.mixpanel.com"),
        ({"MIXPANEL_REGION": "eu"}, "api-eu.mixpanel.com"),
        ({"MIXPANEL_REGION": " IN "}, "api-in.mixpanel.com"),
        ({"MIXPANEL_REGION": "eu", "MIXPANEL_HOST": "127.0.0.1:9"}, "127.0.0.1:9"),
    ],
)
@pytest.mark.parametrize("via", ["import", "track"])
def test_a_token_alone_goes_to_the_configured_region(
    environment: dict[str, str], host: str, via: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MIXPANEL_REGION", "MIXPANEL_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with xp.Tracker(make_plan(), mixpanel="token", outbox=tmp_path / "o.sqlite", sender="none", via=via) as tracker:
        assert tracker.status().host == host
        assert tracker.status().notes == ()


def test_an_object_of_another_region_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("MIXPANEL_HOST", raising=False)
    monkeypatch.setenv("MIXPANEL_REGION", "eu")
    with xp.Tracker(make_plan(), mixpanel=Mixpanel("token"), outbox=tmp_path / "o.sqlite", sender="none") as tracker:
        assert tracker.status().host == "api.mixpanel.com"
        assert "api.mixpanel.com is in the region us, and MIXPANEL_REGION says eu" in tracker.status().notes[0]
    assert "MIXPANEL_REGION says eu" in caplog.text


def test_an_unknown_region_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIXPANEL_HOST", raising=False)
    monkeypatch.setenv("MIXPANEL_REGION", "asia")
    with pytest.raises(ExposeError, match="XPB-E17"):
        xp.Tracker(make_plan(), mixpanel="token", outbox=tmp_path / "o.sqlite", sender="none")
