"""Writes docs/verify.py, the verifier as one file of Python, from its parts in xpbench/verifier.

python scripts/make_verifier.py
"""

from __future__ import annotations

from pathlib import Path

from xpbench.verifier.single import single_file

TARGET = Path(__file__).resolve().parents[1] / "docs" / "verify.py"

if __name__ == "__main__":
    TARGET.write_text(single_file(), encoding="utf-8", newline="")
    print(TARGET)
