"""Installs xpbench with everything its tests need into a virtual environment of its own, and runs them.

    python scripts/test.py                      all: lint, types, layers, front end, tests, notebooks
    python scripts/test.py --fast               without front end, browser, Spark, notebooks and the slow tests
    python scripts/test.py --second             what differs between versions of Python: without lint, types, front end,
                                                browser, Spark, notebooks, the documentation's own checks and slow tests
    python scripts/test.py --explore 30         every property test under that many fresh seeds, each printed; hours

Works with any Python from 3.11 on; nothing needs to be installed before, but for the programs that some tests drive:
Chromium, Java 17, Node and PostgreSQL (Debian: chromium openjdk-17-jre-headless nodejs postgresql).
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CI_SEED = 20261122
"""CI shuffles the tests by this seed, so that a failure can be run again in the same order; elsewhere each run shuffles."""


def main() -> int:
    """Create the environment, run every step, tell which failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="without front end, browser, Spark, notebooks and slow tests")
    parser.add_argument("--second", action="store_true", help="only what differs between versions of Python")
    parser.add_argument("--explore", type=int, metavar="SEEDS", help="property tests alone, under so many fresh seeds")
    parser.add_argument("--keep", action="store_true", help="use the environment again if it is there")
    args = parser.parse_args()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / f".venv-test-{version}"
    if not (args.keep and folder.exists()):
        venv.create(folder, clear=True, with_pip=True)
    bin_folder = folder / ("Scripts" if os.name == "nt" else "bin")
    python = str(bin_folder / "python")
    env = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "VIRTUAL_ENV": str(folder),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    env.pop("PYTHONPATH", None)
    env.pop("PYTHONHOME", None)

    def run(*command: str, cwd: Path = ROOT) -> bool:
        print(f"\n$ {' '.join(command)}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, cwd=cwd, env=env, check=False).returncode
        print(f"  exit {code} after {time.monotonic() - began:.0f} s", flush=True)
        return code == 0

    if not run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", ".[dev]"):
        return 1
    if args.explore:
        return explore(run, python, args.explore)
    workers = str(os.cpu_count() or 1)
    order = [f"--randomly-seed={CI_SEED}"] if os.environ.get("CI") else []
    side_by_side = [*order, "-n", workers, "--dist", "loadfile", "--durations", "15"]
    chosen = f"not browser and not full{' and not spark and not slow' if args.fast or args.second else ''}"
    checks = [
        (python, "-m", "ruff", "check", "."),
        (python, "-m", "ruff", "format", "--check", "."),
        (python, "-m", "mypy"),
        (str(bin_folder / "lint-imports"),),
    ]
    tests = (python, "-m", "pytest", "-q", "-rs", *side_by_side, "-m", chosen)
    if args.second:
        steps: list[tuple[str, ...]] = [(*tests, "--ignore", "tests/docs", "tests")]
    else:
        steps = [*checks, (*tests, "tests")]
    if not (args.fast or args.second):
        # one browser at a time, each story from its beginning
        steps.append(
            (python, "-m", "pytest", "-q", "-p", "no:randomly", "--durations", "5", "-m", "browser and not full", "tests")
        )
        steps.append(
            (
                *(python, "-m", "pytest", "-q", "-p", "no:randomly", "-n", workers, "--dist", "loadfile"),
                *("-p", "tests.notebooks.kernels", "--nbval", "--nbval-sanitize-with", "tests/notebooks/sanitize.cfg"),
                *("--nbval-cell-timeout", "300"),
                "notebooks",
            )
        )
    failed = [" ".join(step[1:5]) for step in steps if not run(*step)]
    if not (args.fast or args.second):
        failed += front_end(run, str(bin_folder / "jlpm"))
    print("\n" + ("all steps passed" if not failed else "failed: " + "; ".join(failed)), flush=True)
    return 1 if failed else 0


def explore(run: Callable[..., bool], python: str, seeds: int) -> int:
    """Every test that draws its examples, under fresh seeds: a failure is run again by the seed that is printed."""
    drawing = sorted(
        str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("test_*.py") if "hypothesis" in p.read_text("utf-8")
    )
    failed = []
    for number in range(seeds):
        seed = str(secrets.randbelow(2**32))
        print(f"\nseed {seed} ({number + 1} of {seeds})", flush=True)
        options = ("-q", "-n", str(os.cpu_count() or 1), "--dist", "loadfile", "-m", "not browser and not full and not spark")
        if not run(python, "-m", "pytest", *options, f"--hypothesis-seed={seed}", f"--randomly-seed={seed}", *drawing):
            failed.append(seed)
    print("\n" + ("every seed passed" if not failed else "failed under: " + ", ".join(failed)), flush=True)
    return 1 if failed else 0


def front_end(run: Callable[..., bool], jlpm: str) -> list[str]:
    """Lint, strict types and unit tests of the TypeScript part, with the packages of its lock files; gives what failed."""
    source = ROOT / "labextension"
    tests = source / "tests"
    for folder in (source, tests):
        if not run(jlpm, "install", "--immutable", cwd=folder):
            return [f"jlpm install in {folder.relative_to(ROOT)}"]
    return [f"jlpm {name}" for name in ("lint", "types", "test") if not run(jlpm, name, cwd=tests)]


if __name__ == "__main__":
    sys.exit(main())
