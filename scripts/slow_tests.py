"""Writes tests/slow.txt: the test functions that take longer than a limit, from pytest's own report of a run.

    python -m pytest -n 2 --dist loadfile --junitxml report.xml -m "not browser and not full" tests
    python scripts/slow_tests.py report.xml

`scripts/test.py --fast` and the second Python of `.ci/run` leave these out; everything else runs them. The limit counts
all cases of a function together, because a function with a hundred cases of 0.1 s costs as much as one case of ten seconds.
"""

from __future__ import annotations

import argparse
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "slow.txt"


def slow(report: Path, limit: float) -> Counter[str]:
    """Seconds of each function (`tests/plan/test_plan.py::test_it`) whose cases take longer than the limit together."""
    spent: Counter[str] = Counter()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  -- the report of our own run
        module = case.get("classname", "").split(".")
        parts = next(i for i in range(len(module), 0, -1) if (ROOT / "/".join(module[:i])).with_suffix(".py").exists())
        name = "::".join(["/".join(module[:parts]) + ".py", *module[parts:], case.get("name", "").split("[")[0]])
        spent[name] += float(case.get("time", 0))
    return Counter({name: seconds for name, seconds in spent.items() if seconds > limit})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="the XML of a whole run")
    parser.add_argument("--limit", type=float, default=2.0, help="seconds of all cases of a function together")
    args = parser.parse_args()
    found = slow(args.report, args.limit)
    LIST.write_text("".join(f"{name}\n" for name in sorted(found)), "utf-8")
    print(f"{len(found)} functions with {sum(found.values()):.0f} s in {LIST.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
