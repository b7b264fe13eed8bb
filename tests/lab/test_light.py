"""Where there is no server and no native chart renderer, as in a browser's Python, everything else still imports."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
for name in ("jupyter_server", "jupyterlab", "vl_convert", "tornado", "voila"):
    sys.modules[name] = None
import xpbench as xp
import xpbench.experiment, xpbench.plan, xpbench.ledger, xpbench.stats.designs, xpbench.memo.verify, xpbench.views, xpbench.lab
assert xp.template("beta-homepage").problems() is not None
assert xp._jupyter_server_extension_points()
"""


def test_core_needs_no_server_and_no_chart_renderer() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
