"""Golden files of the current release: `python -m tests.memo.golden` writes the page's digest again, after a look at the page.

Payload and ledger are written where they are missing, or with `--all`; as they are, they show that what was written earlier is
still read. Folders of older releases are never touched.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from tests.memo.making import decided
from xpbench import __version__
from xpbench.data.summary import Summary
from xpbench.memo.render import page

here = Path(__file__).parent
folder = here / __version__
folder.mkdir(exist_ok=True)
if "--all" in sys.argv or not (folder / "payload.json").exists():
    summary = Summary.from_dict(json.loads((here / "summary.json").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as root:
        experiment = decided(Path(root), summary=summary)
        experiment.memo().save(folder / "payload.json")
        (folder / "ledger.jsonl").write_bytes(experiment.ledger.path.read_bytes())
html = page(json.loads((folder / "payload.json").read_text(encoding="utf-8")))
(folder / "page.sha256").write_text(hashlib.sha256(html.encode()).hexdigest() + "\n", encoding="utf-8")
sys.stdout.write(f"{folder}\n")
