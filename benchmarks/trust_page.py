"""Writes the tables of docs/proof/trust.md from what is in benchmarks/results.

python -m benchmarks.trust_page
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "proof" / "trust.md"


def _load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _table(head: list[str], right: int, rows: list[list[str]]) -> str:
    """Markdown table whose columns from `right` on are numbers."""
    marks = ["--:" if i >= right else "---" for i in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, marks, *rows])


def _source(result: dict[str, Any], revision: str) -> str:
    m = result["machine"]
    took = f"{result['seconds'] // 60} min {result['seconds'] % 60} s" if result["seconds"] >= 60 else f"{result['seconds']} s"
    return (
        f"`{result['command']}` at commit `{revision}`, {took}: "
        f"{m['cores']} cores, {m['memory_gb']} GB, Python {m['python']}, {m['system']}."
    )


def changes(trust: dict[str, Any]) -> str:
    """Flips and mutations."""
    said = {
        "flips of memo": "one flipped bit in a memo, any byte of the file",
        "flips of ledger": "one flipped bit in a ledger, with the witness of its memo",
        "mutations of ledger": "lines of a ledger edited, inserted, deleted, swapped, duplicated or cut",
        "mutations of memo, page and seal made anew": "a value or structure of a memo, **page and seal made again** to fit",
    }
    rows = []
    for name, text in said.items():
        kinds = trust[name]["tried"]
        detail = f" ({', '.join(f'{k} {n:,}' for k, n in sorted(kinds.items()))})" if len(kinds) > 1 else ""
        rows.append([text + detail, f"{trust[name]['cases']:,}", f"{len(trust[name]['missed'])}"])
    return _table(["tried", "how often", "not caught"], 1, rows)


def kills(crash: dict[str, Any], lives: dict[str, Any]) -> str:
    """Processes killed."""
    rows = []
    for name, text in (
        ("append", "appending to a ledger"),
        ("freeze", "freezing a plan (register)"),
        ("memo save", "saving a memo"),
    ):
        r = crash[name]
        half = r.get("half files", r.get("broken chains", 0))
        again = str(r["not to be done again"]) if "not to be done again" in r else "–"
        lost = str(r["lost"]) if "lost" in r else "–"
        rows.append([text, f"{r['runs']:,}", f"{r['acknowledged']:,}", lost, str(half), again])
    for name, text in (
        ("amend", "amending a plan"),
        ("decide", "deciding again and again"),
        ("register", "registering"),
        ("restart", "restarting into a linked run"),
    ):
        r = lives[name]
        half = r["not to be opened"] + r["plan apart from its ledger"] + r["memo that can't be made"]
        half += r["memo that does not verify"] + r["done twice"]
        row = [text, f"{r['runs']:,}", f"{r['acknowledged']:,}", str(r["lost"]), str(half), str(r["not to be done again"])]
        rows.append(row)
    head = ["while", "runs", "acknowledged before the kill", "lost", "half files, broken chains, memos", "not to be done again"]
    return _table(head, 1, rows)


def faults(injection: dict[str, Any]) -> str:
    """System calls that failed."""
    rows = []
    for name in ("append", "freeze", "memo save"):
        r = injection[name]
        kinds = ", ".join(f"`{c}` {n}" for c, n in sorted(r["calls"].items()))
        told = f"{r['ended'].get('refused', 0)} / {r['ended'].get('acknowledged', 0)}"
        rows.append([name, f"{r['runs']:,}", told, str(len(r["wrong"])), kinds])
    return _table(["operation", "failed calls", "refused / done all the same", "wrong", "which calls, how often"], 1, rows)


def readers(trust: dict[str, Any]) -> str:
    """Damaged input, and what hostile files cost."""
    rows = [[name, f"{n:,}"] for name, n in trust["fuzz of readers"]["tried"].items()]
    rows += [
        [f"whole files through {'`verify`' if k == 'verify' else 'the ledger'}", f"{n:,}"]
        for k, n in trust["fuzz of files"]["tried"].items()
    ]
    wrong = len(trust["fuzz of readers"]["missed"]) + len(trust["fuzz of files"]["missed"])
    total = trust["fuzz of readers"]["cases"] + trust["fuzz of files"]["cases"]
    first = _table(["reader", "damaged inputs"], 1, [*rows, ["**all**", f"**{total:,}**"]])
    costs = [
        [name, r["result"], f"{max(r['seconds'], 0.01):.2f}", f"{r['memory_mb']:.0f} MB"]
        for name, r in sorted(trust["limits"].items())
        if isinstance(r, dict)
    ]
    second = _table(["hostile file", "answer", "seconds at most", "memory"], 2, costs)
    return f"{first}\n\nCrashes outside of typed errors: **{wrong}**.\n\n{second}"


def speed(trust: dict[str, Any]) -> str:
    """Promises and what was measured."""
    s = trust["speed"]
    rows = [
        ["chain of 100,000 entries verified", "1 s", f"{s['chain of 100,000 entries verified, s']:.2f} s of CPU"],
        [
            "memo of 40 metrics and 3 segments built and saved",
            "3 s",
            f"{s['memo of 40 metrics with 3 segments built and saved, s']:.2f} s of CPU",
        ],
        [
            f"the same memo ({s['memo of 40 metrics, bytes'] / 1000:.0f} kB) verified",
            "1 s",
            f"{s['memo of 40 metrics verified, s']:.2f} s of CPU",
        ],
        [
            "append against a bare write and fsync, by turns in one run, medians",
            "2×",
            f"{s['append against bare fsync, ratio of p50']:.2f}×",
        ],
    ]
    return f"{_table(['promise', 'bar', 'measured'], 1, rows)}\n\nAt commit `{s['commit']}`."


def forgeries(forger: dict[str, Any]) -> str:
    """Forgeries by kind, with what the package said."""
    rows = []
    for name, n in sorted(forger["tried"].items(), key=lambda item: -item[1]):
        said = ", ".join(f"{code}: {k:,}" for code, k in sorted(forger["verdicts"][name].items()))
        missed = sum(m.startswith(name) for m in forger["missed"])
        rows.append([name, f"{n:,}", said, str(missed)])
    rows.append(["**all**", f"**{forger['cases']:,}**", "", f"**{len(forger['missed'])}**"])
    asked = ", ".join(f"{name} {n:,}" for name, n in forger["asked"].items())
    return f"{_table(['forged', 'how often', 'exit codes of the package', 'missed'], 3, rows)}\n\nAsked: {asked}."


def analysts(found: dict[str, Any]) -> str:
    """Two analysts in two processes, against a plain model."""
    counts = dict(found["counts"])
    said = {
        "open": "opened", "readout": "read", "peek": "peeked", "amend": "amended", "decide": "decided", "restart": "restarted",
        "killed": "killed on the way", "clock set back": "clock set back",
    }  # fmt: skip
    rows = [[said[name], f"{counts[name]:,}"] for name in said]
    rows.append(["refused with an error of ours", f"{sum(n for k, n in counts.items() if k.startswith('refused')):,}"])
    rows.append(["**pages compared with the model, claim by claim**", f"**{counts['pages compared']:,}**"])
    rows.append(["**claims that differed**", f"**{len(found['wrong'])}**"])
    return _table([f"{found['steps']:,} steps in {found['worlds']:,} experiments", "how often"], 1, rows)


WORDS = {"made anew": "made again", "beside another": "next to another", "stands twice": "appears twice"}
"""Words of results that were written before the word list of the documents."""


def page(text: str) -> str:
    """The page with its tables made anew."""
    trust, crash, injection, forger = _load("trust"), _load("crash"), _load("injection"), _load("forger")
    killed, two = _load("kills"), _load("two_analysts")
    parts = {
        "changes": f"{changes(trust)}\n\n{_source(trust, trust['flips of memo']['commit'])}",
        "forgeries": f"{forgeries(forger)}\n\n{_source(forger, forger['commit'])}",
        "analysts": f"{analysts(two)}\n\n{_source(two, two['commit'])}",
        "kills": f"{kills(crash, killed)}\n\n{_source(crash, crash['commit'])}\n\n{_source(killed, killed['commit'])}",
        "faults": f"{faults(injection)}\n\n{_source(injection, injection['commit'])}",
        "readers": readers(trust),
        "speed": speed(trust),
    }
    for name, made in parts.items():
        for older, word in WORDS.items():
            made = made.replace(older, word)
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m, made=made: f"{m[1]}{made}\n{m[2]}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="")
    sys.stdout.write(f"{PAGE}\n")
