"""Small Arrow arrays from Python values. Arrow's own way, `pyarrow.array`, loads pandas wherever it is installed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


def floats(values: Sequence[float]) -> pa.Array:
    """Doubles, all of them present."""
    return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(np.array(values, dtype=np.float64))])


def texts(values: Sequence[str]) -> pa.Array:
    """Texts, all of them present."""
    data = [v.encode() for v in values]
    ends = np.cumsum([0, *map(len, data)]).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(data))])
