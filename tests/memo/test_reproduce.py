import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.builders import column, plan_document, split
from tests.memo.making import decided, summary_of
from xpbench.cli import main
from xpbench.memo.reproduce import reproduce
from xpbench.plan import Plan

FIRST = "moments of quote_started control value"


def test_the_same_data_reproduce_to_the_last_digit(shipped):
    found = reproduce(shipped.decided_readout(), summary_of())
    assert (found.same, found.identical, found.differences) == (True, True, ())


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda s: replace(s, fingerprint="0" * 64), "fingerprint"),
        (lambda s: replace(s, units={**s.units, "beta": 1}), "units"),
        (lambda s: replace(s, cells=s.cells[1:]), FIRST),
        (
            lambda s: replace(s, cells=(replace(s.cells[0], mean=(0.5,)), *s.cells[1:])),
            FIRST,
        ),
    ],
)
def test_what_differs_is_named(shipped, change, part):
    found = reproduce(shipped.decided_readout(), change(summary_of()))
    assert not found.same
    assert part in {d.part for d in found.differences}
    assert str(found).startswith("differs")


def test_the_command(tmp_path, capsys):
    import xpbench as xp

    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"id": np.arange(3000), "v": rng.choice(["a", "b"], 3000), "x": rng.gamma(2.0, 1.0, 3000)})
    path = tmp_path / "units.csv"
    frame.to_csv(path, index=False)
    plan = plan_document(
        [column("x")], key="again", owner="o", change="i", variants=split("a", "b"), unit="id", horizon={"units": 100}
    )
    decided(tmp_path / "e", plan=plan, summary=xp.units(str(path), unit="id", variant="v").summarize(Plan(**plan)))
    words = ["reproduce", "again", "--root", str(tmp_path / "e"), "--units", str(path), "--unit", "id", "--variant-column", "v"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identical"] is True
    shuffled = frame.sample(frac=1, random_state=1)
    shuffled.to_csv(path, index=False)
    assert main(words) == 0
    assert "to the last digit" in capsys.readouterr().out
    frame.assign(x=frame.x + (frame.id == 5)).to_csv(path, index=False)
    assert main(words) == 1
