"""Writes the version of the package into whatever else names it: package.json, the conda recipe, the README's links
(through scripts/set_repository.py).

python scripts/set_version.py            as xpbench/_version.py has it (what Jupyter Releaser calls after `hatch version`)
python scripts/set_version.py 0.2.0      this version, there too
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "xpbench" / "_version.py"
PLACES = {
    SOURCE: r'(?m)^(__version__ = ")[^"]*(")',
    ROOT / "labextension" / "package.json": r'(?m)^(  "version": ")[^"]*(")',
    ROOT / "conda" / "meta.yaml": r'(?m)^({% set version = ")[^"]*(")',
}


def main(arguments: list[str]) -> int:
    """Replace the version everywhere."""
    text = SOURCE.read_text("utf-8")
    found = re.search(PLACES[SOURCE], text)
    if found is None or len(arguments) > 1:
        sys.stderr.write(__doc__ or "")
        return 2
    version = arguments[0] if arguments else text[found.end(1) : found.start(2)]
    if not re.fullmatch(r"\d+\.\d+\.\d+([a-z0-9.]*)", version):
        sys.stderr.write(f"{version} is not a version.\n")
        return 2
    for path, pattern in PLACES.items():
        old = path.read_text("utf-8")
        new, count = re.subn(pattern, rf"\g<1>{version}\g<2>", old)
        if count == 0:
            sys.stderr.write(f"{path} has no place for a version.\n")
            return 2
        path.write_text(new, encoding="utf-8")
    subprocess.run([sys.executable, ROOT / "scripts" / "set_repository.py"], check=True, stdout=subprocess.DEVNULL)
    print(version)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
