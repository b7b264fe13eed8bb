"""A text against its memo: `python -m benchmarks.said` → every situation × every voice traced, altered digits found.

Each of the nine situations of page one gives a memo and its sentences for four readers. All of their numbers must trace to a
cell. Then one digit of one number is changed, again and again: every change has to be found.
"""

from __future__ import annotations

import argparse
import random
import sys

from benchmarks.page_one import memos
from benchmarks.report import write
from xpbench.memo.content.brief import VOICES
from xpbench.verifier.said import NUMBER, trace


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
    for name, memo in memos():
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
