"""Runs one task of one peer over one table, in the peer's own environment: pandas and the standard library only.

python harness.py with_gbstats.py coverage TABLE [FLAG]        prints one line of JSON

Seconds are processor seconds of the peer's calls alone; the peak is the program's own high-water mark, less what it was
before the table was read.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import re
import sys
import time
import warnings
from pathlib import Path


def peak_mb():
    """High-water mark of this program (ru_maxrss would count the process that started it, too)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024


def play(peer, task, path, flag):
    """Answers in the order of the runs."""
    import pandas as pd

    if task == "readout":
        return [peer.readout(path, [f"y{i}" for i in range(5)], [f"x{i}" for i in range(5)])]
    if task == "assignment":
        return [list(peer.assign(json.loads(Path(flag).read_text()), pd.read_parquet(path)["unit"].tolist()))]
    work = {
        "coverage": lambda t: peer.lift(t),
        "coverage cuped": lambda t: peer.lift_cuped(t),
        "peeking": lambda t: peer.first_significant_day(t),
        "guardrail": lambda t: peer.guardrail_passes(t, margin=0.05),
        "srm": lambda t: peer.srm_day(t),
    }[task]
    answers, spent = [], 0.0
    for _, table in pd.read_parquet(path).groupby("run", sort=True):
        table = table.drop(columns="run").reset_index(drop=True)
        before = time.process_time()
        answers.append(work(table))
        spent += time.process_time() - before
    play.seconds = spent
    return answers


def main():
    warnings.simplefilter("ignore")
    script, task, path, flag = [*sys.argv[1:], "", ""][:4]
    spec = importlib.util.spec_from_file_location("peer", Path(__file__).with_name(script))
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    if task == "describe":
        print(json.dumps({"tasks": [n for n in NAMES if hasattr(peer, n)]}))
        return
    if task == "single":
        name, arguments = path, json.loads(flag)
        print(json.dumps({"answers": [getattr(peer, name)(**arguments)]}))
        return
    gc.collect()
    floor, before, wall = peak_mb(), time.process_time(), time.perf_counter()
    answers = play(peer, task, path, flag)
    seconds = getattr(play, "seconds", time.process_time() - before)
    out = {"seconds": seconds, "wall": time.perf_counter() - wall, "peak_mb": peak_mb(), "floor_mb": floor}
    print(json.dumps({**out, "answers": answers}))


NAMES = (
    "readout",
    "lift",
    "lift_cuped",
    "first_significant_day",
    "guardrail_passes",
    "srm_day",
    "srm_alarm",
    "sample_size",
    "assign",
)

if __name__ == "__main__":
    main()
