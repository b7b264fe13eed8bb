"""Write payload, ledger and the page's digest of the current release; older folders are never touched."""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from tests.memo.making import decided
from xpbench import __version__
from xpbench.data.summary import Summary

here = Path(__file__).parent
folder = here / __version__
folder.mkdir(exist_ok=True)
summary = Summary.from_dict(json.loads((here / "summary.json").read_text(encoding="utf-8")))
with tempfile.TemporaryDirectory() as root:
    experiment = decided(Path(root), summary=summary)
    memo = experiment.memo()
    memo.save(folder / "payload.json")
    (folder / "ledger.jsonl").write_bytes(experiment.ledger.path.read_bytes())
(folder / "page.sha256").write_text(hashlib.sha256(memo.html.encode()).hexdigest() + "\n", encoding="utf-8")
sys.stdout.write(f"{folder}\n")
