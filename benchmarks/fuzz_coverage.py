"""Let atheris look for input that crashes a reader, guided by the branches that it reaches.

    pip install atheris                                       wheels for Linux, Python up to 3.13
    python -m benchmarks.fuzz_coverage -runs=1000000 -max_len=4096 -timeout=10 -rss_limit_mb=2048

The first byte picks the reader: ledger line, strict JSON, the verifier's JSON, plan, verifier on a whole payload. Anything but
a typed error ends the run and leaves the input in a file.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["xpbench.canonical", "xpbench.ledger", "xpbench.verifier", "xpbench.plan"]):
    from benchmarks.trust import TYPED, readers
    from xpbench import verifier as v

READERS = [reader for reader, _, _ in readers().values()]
FOLDER = Path(tempfile.mkdtemp())


def one(data: bytes) -> None:
    """One input."""
    if not data:
        return
    pick, rest = data[0] % (len(READERS) + 1), data[1:]
    if pick == len(READERS):
        path = FOLDER / "memo.json"
        path.write_bytes(rest)
        v.verify(path)  # raises nothing, whatever it gets
        return
    with contextlib.suppress(*TYPED):
        READERS[pick](rest)


if __name__ == "__main__":
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    for i, (_, base, _) in enumerate(readers().values()):
        (corpus / str(i)).write_bytes(bytes([i]) + base)
    memo = b'{"kind":"xpbench memo","schema":1,"readout":{},"decision":null,"ledger":{"lines":[]}}'
    (corpus / "memo").write_bytes(bytes([len(READERS)]) + memo)
    atheris.Setup([*sys.argv, str(corpus)], one)
    atheris.Fuzz()
