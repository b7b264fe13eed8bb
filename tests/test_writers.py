"""Every class that shows itself, found by a walk over the package, shows hostile names as text and no more.

The names come from whoever writes plans, tables and logs: they hold markup, a formula, escapes of a terminal, marks that turn
directions, Markdown, a template, source of a notebook.
"""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import json
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, plan_document
from xpbench import outward

BAD = "=1+1<img src=x onerror=alert(1)>\x1b[31m\u202e`{{c}}`[l](javascript:x)|**b**\"' onmouseover='x"
"""A name that is a command somewhere: a sheet, a page, a terminal, Markdown, a template."""
METHODS = ("_repr_html_", "_repr_mimebundle_", "to_html", "to_csv", "to_markdown", "to_text")
SKIPPED = ("xpbench.__main__", "xpbench.assign", "xpbench.lab", "xpbench.data.engines.spark")

ELSEWHERE = {
    "Shows": "the base of them",
    "Shown": "a protocol",
    "Panel": "the base of the panels",
    "Card": "the base of the cards",
    "PlanForm": "tests/forms: widgets in a real front end",
    "DecisionForm": "tests/forms",
    "PreflightPanel": "tests/forms",
    "ReadoutPanel": "tests/forms",
    "Workbench": "tests/forms",
}
"""Classes that this walk does not make: bases of those that it makes, and forms, which are walked in a real front end."""


class Tags(HTMLParser):
    """Tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def html_is_text(text: str) -> None:
    """No tag and no attribute of the hostile name is one of the page; the house has buttons and pictures of its own."""
    found = Tags(text)
    assert not {"onerror", "onmouseover"} & set(found.attributes)
    assert "script" not in found.tags


def csv_is_text(text: str) -> None:
    for row in csv.reader(io.StringIO(text)):
        for value in row:
            assert not outward.is_formula(value) or _is_number(value), value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def terminal_is_text(text: str) -> None:
    assert not {"\x1b", "\u202e"} & set(text), text


def markdown_is_text(text: str) -> None:
    assert "<img" not in text
    assert "](javascript" not in text
    assert "\x1b" not in text


JUDGES: dict[str, Callable[[str], None]] = {
    "_repr_html_": html_is_text,
    "to_html": html_is_text,
    "to_csv": csv_is_text,
    "to_markdown": markdown_is_text,
    "to_text": terminal_is_text,
}


def classes() -> dict[str, type]:
    """Every class of the package that shows itself."""
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(xp.__path__, "xpbench."):
        if module.name.startswith(SKIPPED) or module.name.endswith("__main__"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = importlib.import_module(module.name)
        for name, one in vars(loaded).items():
            if inspect.isclass(one) and one.__module__ == module.name:
                own = [k for k in one.__mro__ if k.__module__.startswith("xpbench")]
                if any(method in k.__dict__ for k in own for method in METHODS):
                    found[name] = one
    return found


def plan_named(**changes: Any) -> xp.Plan:
    whole: dict[str, Any] = plan_document(
        [column("bought", name=BAD)],
        key="writers",
        title=BAD,
        owner=BAD,
        lift=0.2,
        change=BAD,
        because=BAD,
        variants=[
            {"key": "control", "name": BAD, "split": 0.5, "control": True},
            {"key": "beta", "name": BAD, "split": 0.5},
        ],
        unit="id",
        assignment={"hash": "sha256"},
        horizon={"units": 2000},
        planning={"baselines": {"bought": 0.3}},
        watch={"weeks": 4, "metrics": ["bought"], "owner": BAD},
    )
    return xp.Plan(**{**whole, **changes})


def others(plan: xp.Plan, experiment: Any, readout: Any, watched: Any, root: Path) -> list[Any]:
    """What shows names of data, of a flag service or of Mixpanel, made by hand around a hostile one."""
    from xpbench.data.logs.list_experiments import SeenExperiment
    from xpbench.forecast.findings import Findings, FoundName
    from xpbench.forecast.rehearsal_report import Play, Rehearsal, RehearsalScenario
    from xpbench.forecast.size_table import Remedy, SizeRow, SizeTable
    from xpbench.forecast.unit_choice import UnitCandidate, UnitChoice
    from xpbench.forms.decision_form import DecisionCard
    from xpbench.forms.workbench import RegistryCard
    from xpbench.mixpanel.difference import RemoteDifference
    from xpbench.mixpanel.sync import Sync
    from xpbench.randomiser.changes import VariantChange
    from xpbench.randomiser.flags import Flags, RefusedFlag
    from xpbench.randomiser.seeds import SeedCandidate, SeedSearch

    seen = SeenExperiment(BAD, {BAD: 3}, 3, 1, 4, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", 0, (BAD,))
    name = FoundName(BAD, 3, "text", f"Texts such as {BAD}.", (BAD,))
    differs = (RemoteDifference("experiment", BAD, BAD, [BAD]),)
    salt = SeedCandidate(BAD, 0.1, BAD, {BAD: 3})
    scenario = RehearsalScenario(BAD, {BAD: 0.1}, 10, 0.5, 0.1, 0.2, 0.2, 0.5, 7.0, 900, 0.01)
    play = Play(BAD, "ship", BAD, (BAD,), 7.0, ({"metric": BAD, "variant": BAD, "lift": 0.1, "low": 0.0, "high": 0.2},))
    return [
        watched,
        DecisionCard(experiment, readout),
        RegistryCard(root),
        VariantChange(10, 8, 1, 0, 1, {(None, BAD): 1, (BAD, "control"): 1}),
        seen,
        Findings("table", 3, columns=(name,), by_day={"2026-11-01": 3}, remarks=(BAD,)),
        Findings("log", 3, events=(name,), properties=(name,), experiments=(seen,), by_day={}),
        UnitChoice((UnitCandidate(BAD, 9, 0.1, 0.1, 1.2, 8.0, 1.1, 1.0, 0.0),), 9, 0.1, 0.1, 0.1, {BAD: 0.2}, BAD),
        SizeTable((SizeRow(BAD, "fixed", 7, 100, 0.1),), 0.8, 0.05, 0.05, 14, (Remedy(f"Take {BAD}.", 9),), (BAD,)),
        SeedSearch(plan, BAD, salt, salt, 2, (salt,), (0.1, 0.2), ("units", BAD), "The smallest.", BAD),
        Sync(BAD, differs, differs, (BAD,), (BAD,), BAD, BAD, BAD),
        Rehearsal(
            BAD, BAD, 900, 900, False, 7.0, {BAD: 0.1}, 0.05, 0.05, (scenario,), (play,), (BAD,), cancelled=False, seed=1
        ),
        Flags({}, problems=(RefusedFlag(1, BAD, BAD),), warnings=(BAD,)),
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """One of each, from a plan, a table and a log with hostile names."""
    from xpbench.data.jsonl.ingestion import ingest
    from xpbench.experiment.watching import Watched
    from xpbench.memo.letter import programme_letter
    from xpbench.mixpanel.client import ImportReport
    from xpbench.mixpanel.pull import PulledDay, PullReport
    from xpbench.randomiser.handoff.folder import handoff
    from xpbench.verifier.report import Difference, Report
    from xpbench.views.card import PlanCard
    from xpbench.views.preflight import PreflightCard
    from xpbench.views.readout_card import ReadoutCard
    from xpbench.views.variants import variant_table
    from xpbench.watch.contract import CheckDate, WatchStatus
    from xpbench.watch.holdouts import CumulativeEffect
    from xpbench.watch.ramp import GuardRow, RampAnswer

    day = datetime(2026, 9, 7, tzinfo=UTC)
    watched = WatchStatus("writers", "kept", BAD, BAD, day, day, BAD, (BAD,), "holdback", (CheckDate(7, day, "kept", 3, BAD),))
    root = Path(tmp_path_factory.mktemp("writers"))
    plan = plan_named()
    generator = np.random.default_rng(1)
    ids = np.arange(2000)
    frame = pd.DataFrame({"id": ids, "variant": xp.assign(plan, ids), "bought": generator.random(2000) < 0.3})
    experiment = xp.register(plan, root, by=BAD)
    sealed = experiment.readout(xp.units(frame.head(500), unit="id", variant="variant"), by=BAD)
    readout = experiment.readout(xp.units(frame, unit="id", variant="variant"), by=BAD)
    experiment.decide(readout, readout.recommendation.outcome, because=BAD, by=BAD)
    lines = root / "log.jsonl"
    lines.write_text(
        '{"event":"seen","properties":{"distinct_id":"u","time":1767225600,"$insert_id":"i"}}\n{' + BAD[:40] + "\n", "utf-8"
    )
    handed = handoff(plan, root / "handed", unit_ids=ids)
    named = frame.rename(columns={"bought": BAD[:40]}).assign(variant=frame["variant"].map({"control": "old", "beta": BAD}))
    preflight = xp.preflight(plan, ids)
    explored = xp.explore(named, [BAD[:40]], unit="id", variant="variant", control="old", root=None)
    return [
        plan,
        experiment,
        experiment.status(),
        sealed,
        readout,
        readout.recommendation,
        readout.health[0],
        readout.summary,
        explored,
        xp.power(plan),
        xp.sample_size(baseline=0.1, lift=0.1, daily=2000),
        xp.srm({"A": 6192, BAD: 6288}),
        preflight,
        xp.audit(plan, frame[["id", "variant"]]),
        handed,
        handed.sheet,
        experiment.memo(),
        xp.portfolio(root),
        variant_table(readout),
        variant_table(readout).table,
        PlanCard(plan.to_dict()),
        PreflightCard(preflight),
        ReadoutCard(readout),
        Report("differs", "memo.html", BAD, (Difference(BAD, BAD, "b"),), (BAD,)),
        ImportReport(3, ({"position": 1, "field": "time", "message": BAD},)),
        PullReport("export", (PulledDay("2026-11-01", BAD, 5, 100, "2026-11-03T00:00:00Z", True),)),
        ingest([lines], out=root / "parquet"),
        programme_letter(root),
        RampAnswer("writers", "hold", BAD, BAD, 1, 2, 0.1, 0.5, 3.0, 400, (GuardRow(BAD, BAD, "open", BAD, BAD),)),
        CumulativeEffect(BAD, 0.1, 0.0, 0.2, 0.95, 100, 900, 0.5, ((BAD, 0.1),), 0.1, 0.1, None, None, (BAD,)),
        Watched(watched, (), None, (), BAD),
        *others(plan, experiment, readout, watched, root),
    ]


def shown(one: Any) -> Iterator[tuple[str, str]]:
    """Everything that an object shows of itself, with how."""
    for method in ("_repr_html_", "to_html", "to_csv", "to_markdown", "to_text"):
        if hasattr(one, method):
            yield method, getattr(one, method)()
    bundle = getattr(one, "_repr_mimebundle_", None)
    if bundle is not None:
        told = bundle()
        data = told[0] if isinstance(told, tuple) else told
        yield "_repr_html_", data.get("text/html", "")
        yield "to_text", data.get("text/plain", "")
    yield "to_text", str(one)
    if hasattr(one, "to_frame"):
        yield "to_csv", outward.csv_of_frame(one.to_frame())


def test_whatever_shows_itself_shows_hostile_names_as_text(made: list[Any]) -> None:
    wrong = []
    for one in made:
        for method, text in shown(one):
            try:
                JUDGES[method](text)
            except AssertionError as error:
                wrong.append(f"{type(one).__name__}.{method}: {str(error)[:200]!r}")
    assert not wrong, "\n".join(wrong)


def test_every_class_that_shows_itself_was_walked(made: list[Any]) -> None:
    walked = {type(one).__name__ for one in made}
    left = classes().keys() - walked - ELSEWHERE.keys()
    assert left == set(), "make one of it in `made`, or name the test that does in ELSEWHERE"
    assert ELSEWHERE.keys() - classes().keys() == set()


def test_the_name_would_be_seen(made: list[Any]) -> None:
    """A control: without the guard, each judge finds it."""
    for judge in (html_is_text, terminal_is_text, markdown_is_text):
        with pytest.raises(AssertionError):
            judge(f"<td>{BAD}</td>")
    with pytest.raises(AssertionError):
        csv_is_text(f'"{BAD}"'.replace("\"'", "'"))
    plan, *_ = made
    assert "alert(1)" in plan._repr_html_()
    assert json.loads(json.dumps(plan.to_dict()))["title"] == BAD
