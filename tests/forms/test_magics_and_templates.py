"""Templates: typed parameters that are data, headless runs that give the same notebook twice; `%xp`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.forms.test_panels import PLAN, source
from xpbench.errors import InputError
from xpbench.forms.magics import xp_line
from xpbench.notebooks import execute, fill, run_template, stripped, templates

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["decision", "monitor", "plan", "post-rollout", "preflight", "readout"]


def read(name: str) -> dict[str, Any]:
    return dict(json.loads(templates()[name].read_text("utf-8")))


def test_the_six_templates_are_there_and_valid() -> None:
    assert sorted(templates()) == NAMES
    for name in NAMES:
        nbformat.validate(nbformat.from_dict(read(name)))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_tagged_typed_and_commented(name: str) -> None:
    cell = next(c for c in read(name)["cells"] if "parameters" in c["metadata"].get("tags", ()))
    lines = [line for line in cell["source"].splitlines() if line.strip()]
    assert lines
    for line in lines:
        head, _, comment = line.partition("  # ")
        assert comment
        variable, _, rest = head.partition(": ")
        assert variable.isidentifier()
        assert rest.split(" = ")[0] in ("str", "int", "float", "bool")


def test_parameters_are_data_never_code() -> None:
    hostile = '"; import os; os.abort()  #\n\\"'
    made = fill(read("readout"), {"key": hostile}, strict=True)
    cell = next(c for c in made["cells"] if "parameters" in c["metadata"].get("tags", ()))
    scope: dict[str, Any] = {}
    exec(compile(cell["source"], "cell", "exec"), scope)  # noqa: S102 - that is what a kernel does with the cell
    assert scope["key"] == hostile
    with pytest.raises(InputError, match="key"):
        fill(read("readout"), {"kee": "x"}, strict=True)
    with pytest.raises(InputError):
        fill(read("readout"), {"key": float("nan")}, strict=True)


def test_a_headless_run_is_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    experiment = xp.register(xp.Plan(**PLAN), tmp_path / "experiments")
    readout = experiment.readout(source(4000))
    (tmp_path / "saved.json").write_text(json.dumps(readout.to_dict()))
    before = (experiment.folder / "ledger.jsonl").read_bytes()
    parameters = {"key": "shop-banner", "root": "experiments", "saved": "saved.json"}
    one = run_template("readout", tmp_path / "one.ipynb", parameters=parameters, folder=tmp_path)
    two = run_template("readout", tmp_path / "two.ipynb", parameters=parameters, folder=tmp_path)
    assert one.read_bytes() == two.read_bytes()
    assert (experiment.folder / "ledger.jsonl").read_bytes() == before
    text = one.read_text("utf-8")
    assert "application/vnd.vegalite.v5+json" in text
    assert '"output_type": "error"' not in text
    assert "Ship banner" in text
    assert one.stat().st_size < 1_500_000


def test_stripping_removes_what_changes() -> None:
    cell = {"cell_type": "code", "id": "x1", "metadata": {"execution": {"iopub": "2026"}, "tags": ["parameters"]},
            "source": "1",
            "execution_count": 1, "outputs": [{"output_type": "stream", "name": "stderr", "text": "warning"}]}  # fmt: skip
    made = stripped({"cells": [cell], "metadata": {"language_info": {"version": "3.11.7"}}, "nbformat": 4, "nbformat_minor": 5})
    assert made["cells"][0]["metadata"] == {"tags": ["parameters"]}
    assert made["cells"][0]["outputs"] == []
    assert "3.11" not in json.dumps(made)


def test_magic_is_sugar_over_functions(tmp_path: Path) -> None:
    xp.register(xp.Plan(**PLAN), tmp_path)
    data = xp.units(pd.DataFrame({"id": [1]}), unit="id")
    root = f"root={tmp_path}"
    assert isinstance(xp_line(f"plan revenue {root}"), xp.PlanForm)
    assert isinstance(xp_line(f"readout shop-banner data {root}", {"data": data}), xp.ReadoutPanel)
    assert isinstance(xp_line(f"preflight shop-banner ids {root}", {"ids": np.arange(3)}), xp.PreflightPanel)
    assert isinstance(xp_line(f"workbench {root}"), xp.Workbench)
    assert xp_line(f"status {root}").rows[0]["key"] == "shop-banner"
    for wrong in ("", "raedout shop-banner", "readout", f"readout shop-banner nothing {root}"):
        with pytest.raises(InputError):
            xp_line(wrong, {})


def test_the_extension_registers_the_magic() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "xpbench")
    assert "xp" in shell.magics_manager.magics["line"]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("0[45678]*.ipynb")), ids=lambda p: p.stem[:2])
def test_notebooks_read_well_without_widgets(path: Path) -> None:
    outputs = [o for c in json.loads(path.read_text("utf-8"))["cells"] for o in c.get("outputs", ())]
    assert outputs
    for output in outputs:
        assert output["output_type"] != "error"
        data = output.get("data", {})
        if "application/vnd.jupyter.widget-view+json" in data:
            assert "<script" not in "".join(data["text/html"])
            assert "".join(data["text/plain"]).strip()
        if "application/vnd.vegalite.v5+json" in data:
            assert "image/png" in data
    assert path.stat().st_size < 400_000


def test_the_stakeholder_notebook_shows_no_code() -> None:
    cells = json.loads((ROOT / "notebooks" / "07-stakeholder-demo.ipynb").read_text("utf-8"))["cells"]
    assert all(c["metadata"]["jupyter"]["source_hidden"] for c in cells if c["cell_type"] == "code")


def test_the_demo_for_stakeholders_names_a_page_without_a_content_network() -> None:
    demo = json.loads((ROOT / "notebooks" / "07-stakeholder-demo.ipynb").read_text("utf-8"))
    name = demo["metadata"]["voila"]["template"]
    folder = ROOT / "voila-templates" / name
    text = (folder / "index.html.j2").read_text("utf-8")
    assert "://" not in text
    assert json.loads((folder / "conf.json").read_text("utf-8")) == {"base_template": "lab"}
    assert all(c["metadata"]["jupyter"]["source_hidden"] for c in demo["cells"] if c["cell_type"] == "code")


@pytest.mark.skipif(os.name != "posix", reason="socket files are POSIX'")
def test_the_channels_of_a_headless_kernel_are_no_ports() -> None:
    source = "import json, ipykernel.connect as c; print(json.loads(c.get_connection_info())['transport'])"
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
    found = execute({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    assert ["".join(o["text"]) for o in found["cells"][0]["outputs"]] == ["ipc\n"]
