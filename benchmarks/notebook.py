"""Forms and readouts in the notebook: `python -m benchmarks.notebook` → benchmarks/results/notebook.json.

Wall-clock and CPU seconds of the kernel's side: on a machine that does other things at the same time the wall clock says
little, so both are given.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import header
from tests.builders import claim, plan_document

RESULTS = Path(__file__).resolve().parent / "results" / "notebook.json"
ROOT = Path(__file__).resolve().parents[1]
METRICS = 40


def big_plan() -> dict[str, Any]:
    metrics = [
        {"key": f"metric_{i:02}", "kind": "column", "column": f"c{i}", "direction": "increase",
         "role": "primary" if i == 0 else "guardrail" if i % 5 == 0 else "secondary",
         **({"margin_rel": 0.05} if i and i % 5 == 0 else {})}
        for i in range(METRICS)
    ]  # fmt: skip
    return plan_document(
        metrics,
        key="forty",
        title="Forty metrics",
        owner="team",
        hypothesis=claim([{"metric": "metric_00", "direction": "increase"}]),
        unit="id",
        horizon={"units": 4000},
    )


def timed(action: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def p95(values: list[float]) -> float:
    return float(np.quantile(values, 0.95))


def form_response(folder: Path) -> dict[str, float]:
    import xpbench as xp

    form = xp.PlanForm(big_plan(), root=folder)
    actions: list[Callable[[], Any]] = []
    for i in range(60):
        text = f"text {i}"
        actions += [
            lambda t=text: setattr(form.field("/title").control, "value", t),
            lambda t=text: setattr(form.field("/hypothesis/if").control, "value", t),
            lambda n=i: form.metrics.select(n % METRICS),
            lambda n=i: setattr(form.metrics.editor.body.fields["min_lift"].control, "value", f"{n + 1} %"),  # type: ignore[union-attr]
            lambda n=i: form.field("/variants").split_moved({"index": 0, "value": 4000 + 10 * n}),  # type: ignore[attr-defined]
        ]
    walls, cpus = zip(*(timed(a) for a in actions), strict=True)
    return {"actions": len(actions), "p95_wall_ms": 1000 * p95(list(walls)), "p95_cpu_ms": 1000 * p95(list(cpus))}


def cached_panel(folder: Path) -> dict[str, float]:
    """A readout from the unit table of an earlier look: events of 20,000 units, 40 metrics counted from them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import xpbench as xp

    generator = np.random.default_rng(2)
    units, per_unit = 20_000, 8
    variant = np.where(np.arange(units) % 2, "beta", "control")
    first = 1_788_739_200 + generator.integers(0, 14 * 86_400, units)
    rows = np.repeat(np.arange(units), per_unit)
    names = np.array([f"E{i:02}" for i in range(METRICS)])[generator.integers(0, METRICS, rows.size)]
    times = first[rows] + generator.integers(1, 86_400, rows.size)
    table = pa.table(
        {
            "event": np.concatenate([np.full(units, "$experiment_started"), names]),
            "distinct_id": np.concatenate([np.arange(units), rows]).astype(str),
            "time": np.concatenate([first, times]),
            "$insert_id": [f"i{i}" for i in range(units + rows.size)],
            "Experiment name": ["forty"] * units + [None] * rows.size,
            "Variant name": [*variant, *[None] * rows.size],
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "log.parquet")
    plan = big_plan() | {"unit": "distinct_id"}
    plan["metrics"] = [
        {k: v for k, v in m.items() if k != "column"} | {"kind": "count", "event": f"E{i:02}", "window_days": 1}
        for i, m in enumerate(plan["metrics"])
    ]
    experiment = xp.register(xp.Plan(**plan), folder)
    panel = xp.ReadoutPanel(experiment, xp.events(str(folder / "log.parquet"), cache=folder / "cache"))
    first_wall, first_cpu = timed(panel.read)
    if panel.readout is None:
        raise RuntimeError(panel.status.text)
    wall, cpu = timed(panel.read)
    return {"units": units, "wall_s": wall, "cpu_s": cpu, "first_wall_s": first_wall, "first_cpu_s": first_cpu}


def readout_panel(folder: Path) -> dict[str, float]:
    import pandas as pd

    import xpbench as xp

    generator = np.random.default_rng(1)
    frame = {"id": np.arange(4000), "variant": np.where(np.arange(4000) % 2, "beta", "control")}
    frame |= {f"c{i}": generator.normal(10, 3, 4000) for i in range(METRICS)}
    experiment = xp.register(xp.Plan(**big_plan()), folder)
    summary = xp.units(pd.DataFrame(frame), unit="id").summarize(experiment.plan)
    panel = xp.ReadoutPanel(experiment, summary)
    xp.ReadoutPanel(experiment, summary).read()
    wall, cpu = timed(panel.read)
    if panel.readout is None:
        raise RuntimeError(panel.status.text)
    size = sum(len(json.dumps(output["data"])) for output in panel.place.widget.outputs) + len(panel.twin().to_html())
    return {"wall_s": wall, "cpu_s": cpu, "saved_kb": size / 1000}


COLD = """import time; t = time.perf_counter(), time.process_time()
import tempfile, xpbench as xp
form = xp.PlanForm(template="beta-homepage", root=tempfile.mkdtemp())
form._repr_mimebundle_()
print(time.perf_counter() - t[0], time.process_time() - t[1])"""


def cold_form() -> dict[str, float]:
    answer = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True, cwd=ROOT)
    wall, cpu = (float(x) for x in answer.stdout.split())
    return {"wall_s": wall, "cpu_s": cpu}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        result = {
            **header("python -m benchmarks.notebook", ("ipywidgets", "altair")),
            "form_response_40_metrics": form_response(Path(folder) / "a"),
            "readout_panel_40_metrics": readout_panel(Path(folder) / "b"),
            "readout_panel_cached_unit_table": cached_panel(Path(folder) / "c"),
            "first_form_cold": cold_form(),
            "targets": {"form_p95_ms": 100, "readout_panel_s": 2, "saved_kb": 300, "first_form_s": 3},
        }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
