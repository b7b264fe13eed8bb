"""Arrow arrays made without pandas are those that Arrow makes."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa

from xpbench.data.arrays import floats, texts


def test_arrays_are_those_of_arrow() -> None:
    words = ["a", "", "größer", "🎲", "b" * 300]
    assert texts(words).equals(pa.array(words))
    assert texts([]).equals(pa.array([], pa.string()))
    assert floats([0.5, -1.0]).equals(pa.array([0.5, -1.0]))


def test_they_load_no_pandas() -> None:
    made = "import sys; from xpbench.data.arrays import floats, texts; floats([1.0]); texts(['a'])"
    subprocess.run([sys.executable, "-c", made + "; assert 'pandas' not in sys.modules"], check=True)
