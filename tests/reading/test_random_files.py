"""xpbench against a slow plain-Python reader on random files; the long run is `python -m benchmarks.files`."""

from __future__ import annotations

from collections import Counter

from tests.reading.random_files import difference


def test_random_files_are_read_as_the_slow_reader_reads_them() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(60):
        kind, said = difference(seed)
        kinds[kind] += 1
        assert said == "", seed
    assert min(kinds["read"], kinds["refused"]) > 15
