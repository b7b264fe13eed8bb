"""A text against its memo: `python -m benchmarks.said` → every outcome × every voice traced, altered digits found.

Each of the nine situations of page one, and each row of the rule, gives a memo and its sentences for four readers. All of their
numbers must trace to a cell. Then one digit of one number is changed, again and again: every change has to be found.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.page_one import decided, memos, plan_of, table_of
from benchmarks.report import write
from xpbench.decide.rule import rule_rows
from xpbench.memo.content.brief import VOICES
from xpbench.memo.memo import Memo
from xpbench.plan import Plan
from xpbench.verifier.said import NUMBER, trace


def _with(table: pd.DataFrame, column: str, factor: float) -> pd.DataFrame:
    """The table with fewer (or more) of an outcome of the treatment: `factor` below 1 drops some, above 1 adds some."""
    chance = np.random.default_rng(3).random(len(table))
    treated = table["variant"] != "control"
    if factor < 1:
        return table.assign(**{column: table[column] * ~(treated & (chance > factor))})
    return table.assign(**{column: np.maximum(table[column], treated & (chance < factor - 1)).astype(int)})


def _tight(metric: str, margin: float) -> Plan:
    """The plan with another relative margin of a guardrail."""
    document = plan_of().to_dict()
    for entry in document["metrics"]:
        if entry["key"] == metric:
            entry["margin_rel"] = margin
    return Plan(**document)


def _warned() -> tuple[Plan, pd.DataFrame]:
    plan = plan_of(decision={"health": "no_warnings"})
    table = table_of(plan, 24_000, lift=0.14)
    table.loc[table.index[table["variant"] == "beta"][:1], "transfers"] = 5e5  # one unit moves an effect: a warning
    return plan, table


def _too_few() -> tuple[Plan, pd.DataFrame]:
    plan = plan_of(model={"kind": "sequential", "n_opt": 24_000, "min_units": 100})
    return plan, table_of(plan, 6_000, seed=6)


ROWS: dict[str, Callable[[], tuple[Plan, pd.DataFrame]]] = {
    "R1": lambda: (plan_of(), table_of(plan_of(), 24_000, lift=0.14, shares=[0.54, 0.46])),
    "R2": lambda: (plan_of(), table_of(plan_of(), 24_000, lift=0.14, load=0.12)),
    "R3": lambda: (plan_of(), table_of(plan_of(), 24_000, lift=-0.14)),
    "R4": lambda: (plan_of(), _with(table_of(plan_of(), 24_000, lift=0.14), "applications", 0.6)),
    "R5": lambda: (_tight("transfer_out", 0.02), table_of(plan_of(), 24_000, lift=0.14)),
    "R6": _warned,
    "R7": lambda: (plan_of(), table_of(plan_of(), 24_000, lift=0.14)),
    "R8": lambda: (plan_of(), _with(table_of(plan_of(), 24_000, seed=6), "applications", 0.6)),
    "R9": _too_few,
    "R10": lambda: (plan_of(horizon=80_000), table_of(plan_of(), 80_000, lift=0.032)),
    "R11": lambda: (plan_of(), table_of(plan_of(), 24_000, seed=6)),
    "R12": lambda: (plan_of(), table_of(plan_of(), 24_000, lift=0.14, load=0.024)),
    "R13": lambda: (plan_of(horizon=90_000), table_of(plan_of(), 90_000, seed=11)),
}
"""A world in which each row of the rule decides."""


def by_row() -> Iterator[tuple[str, Memo]]:
    """A memo for each row of the rule, none left out."""
    known = {row.id for row in rule_rows(plan_of(decision={"health": "no_warnings"}).decision)}
    assert known == set(ROWS), known ^ set(ROWS)
    for row, make in ROWS.items():
        with tempfile.TemporaryDirectory() as folder:
            memo = decided(Path(folder), *make()).memo()
            found = memo.payload["readout"]["recommendation"]["rows"]
            assert found == [row], f"{row}: {found}"
            yield row, memo


def altered(text: str, rng: random.Random) -> str:
    """The text with one digit of one number changed to another."""
    places = [i for m in NUMBER.finditer(text) for i in range(m.start(), m.end()) if text[i].isdigit()]
    at = rng.choice(places)
    return text[:at] + rng.choice([d for d in "0123456789" if d != text[at]]) + text[at + 1 :]


def main() -> None:
    """All of it as text; exit 1 where a number does not trace or a change is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    args = parser.parse_args()
    rng = random.Random(1)
    texts, rows = [], []
    for name, memo in chain(memos(), by_row()):
        cells = memo.payload["page"]["cells"]
        for voice in VOICES:
            lines = memo.sentences(voice)
            found = trace(" ".join(lines), cells)
            bad = [str(t) for t in found if not t.ok]
            print(f"{name:<16} {voice:<9} {len(lines)} sentences, {len(found)} numbers, {len(bad)} not traced {bad or ''}")
            rows.append(
                {"situation": name, "voice": voice, "sentences": len(lines), "numbers": len(found), "not_traced": len(bad)}
            )
            texts.append((" ".join(lines), cells, bool(bad) or not 2 <= len(lines) <= 5))
    missed = []
    for i in range(args.changes):
        text, cells, _ = texts[i % len(texts)]
        changed = altered(text, rng)
        if all(t.ok for t in trace(changed, cells)):
            missed.append(changed)
    print(f"{args.changes - len(missed)} of {args.changes} altered digits found")
    for text in missed[:5]:
        print(f"  missed: {text}")
    if args.write:
        result = {"texts": rows, "changes": args.changes, "found": args.changes - len(missed)}
        write("said", result, command=f"python -m benchmarks.said --changes {args.changes} --write", quiet=True)
    sys.exit(bool(missed) or any(bad for _, _, bad in texts))


if __name__ == "__main__":
    main()
