"""Makes a memo from a stored summary in a fresh process and prints its digests; for the reproduction tests."""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.memo.making import PLAN, decided
from xpbench.data.summary import Summary

summary = Summary.from_dict(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
plan = {**PLAN, **(json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})}
with tempfile.TemporaryDirectory() as folder:
    memo = decided(Path(folder), plan=plan, summary=summary).memo()
sys.stdout.write(json.dumps({"payload": memo.digest, "page": hashlib.sha256(memo.html.encode()).hexdigest()}) + "\n")
