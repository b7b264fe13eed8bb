"""The standard normal of the chances, and a script beside the caller that is named like a module of the standard library."""

import math
import subprocess
import sys
from statistics import NormalDist

import pytest

from xpbench.decide.chances import NORMAL


@pytest.mark.parametrize("p", [1e-12, 1e-6, 0.001, 0.025, 0.2, 0.4999, 0.5, 0.6, 0.8, 0.975, 1 - 1e-9])
def test_the_normal_is_that_of_the_standard_library(p):
    x = NormalDist().inv_cdf(p)
    assert NORMAL.inv_cdf(p) == pytest.approx(x, abs=1e-13)
    assert NORMAL.cdf(x) == pytest.approx(p, rel=1e-12)
    assert NORMAL.pdf(x) == pytest.approx(math.exp(-x * x / 2) / math.sqrt(2 * math.pi), rel=1e-12)


def test_a_script_named_statistics_can_analyse(tmp_path):
    script = tmp_path / "statistics.py"
    script.write_text("from xpbench.decide.analysis import analyse\nprint(analyse.__name__)\n", "utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "analyse", done.stderr
