"""One virtual environment for each peer, made from the package index by pip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Peer:
    """A peer.

    Attributes:
        name: As tables show it.
        script: File in tasks/.
        packages: What pip installs; pandas and pyarrow carry the tables to every peer.
        shown: Packages whose versions the result names.
    """

    name: str
    script: str
    packages: tuple[str, ...]
    shown: tuple[str, ...]


PEERS: dict[str, Peer] = {
    p.name: p
    for p in (
        Peer("xpbench", "with_xpbench.py", (), ("xpbench", "numpy", "scipy", "duckdb")),
        Peer("tea-tasting", "with_tea_tasting.py", ("tea-tasting", "polars", "pandas", "pyarrow"), ("tea-tasting", "polars")),
        Peer(
            "spotify-confidence",
            "with_spotify_confidence.py",
            ("spotify-confidence", "pandas<3", "pyarrow"),
            ("spotify-confidence", "pandas"),
        ),
        Peer("gbstats", "with_gbstats.py", ("gbstats", "pandas", "pyarrow<15"), ("gbstats", "numpy", "pandas")),
        Peer("ambrosia", "with_ambrosia.py", ("ambrosia", "pandas", "pyarrow"), ("ambrosia", "pandas")),
        Peer(
            "pandas + scipy + statsmodels",
            "with_pandas_scipy.py",
            ("pandas", "scipy", "statsmodels", "pyarrow"),
            ("pandas", "scipy", "statsmodels"),
        ),
        Peer("mixpanel SDK", "with_mixpanel.py", ("mixpanel>=5.4", "pandas", "pyarrow"), ("mixpanel",)),
    )
}


def interpreter(peer: Peer, folder: Path | None) -> str:
    """The Python that runs a peer; xpbench runs in this one."""
    if not peer.packages or folder is None:
        return sys.executable
    place = folder / peer.script.removeprefix("with_").removesuffix(".py")
    return str(place / ("Scripts" if os.name == "nt" else "bin") / "python")


def make(peer: Peer, folder: Path) -> str | None:
    """Create the environment unless it is there; None when done, else the last line of what pip said."""
    python = Path(interpreter(peer, folder))
    ready = python.parent.parent / "ready"
    if not peer.packages or ready.exists():
        return None
    venv.create(python.parent.parent, clear=True, with_pip=True)
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    ready.touch()
    return None


def versions(peer: Peer, folder: Path | None) -> dict[str, str]:
    """Versions inside the peer's environment, and how many packages and MB it holds."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "found = {n: m.version(n) for n in sys.argv[1:] if n != 'xpbench'}\n"
        "print(json.dumps({'python': '.'.join(map(str, sys.version_info[:3])), **found}))"
    )
    done = subprocess.run(
        [interpreter(peer, folder), "-c", code, *peer.shown], capture_output=True, text=True, check=True, cwd=ROOT
    )
    found: dict[str, str] = json.loads(done.stdout)
    if "xpbench" in peer.shown:
        import xpbench

        found["xpbench"] = xpbench.__version__
    return found
