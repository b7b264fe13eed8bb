"""Writes the place of the repository into everything that names it: README, pages, the package's links, the site.

`[tool.xpbench] repository` in pyproject.toml is the one place that names it, as "owner/name" on GitHub. While it is empty, the
pages say how to launch from a fork, and nothing links to a place that is not there.

python scripts/set_repository.py               write again what follows from pyproject.toml
python scripts/set_repository.py acme/xpbench  set it, and write
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "pyproject.toml"
SETTING = re.compile(r'(?m)^repository = "([^"]*)"')
LAB = "lab/tree/xpbench-demo/explore.ipynb"
VOILA = "voila/render/notebooks/07-stakeholder-demo.ipynb"


def repository() -> str:
    """The repository as "owner/name"; empty while nobody has set it."""
    found = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["xpbench"]["repository"]
    return str(found)


def version() -> str:
    """The package's version, whose tag Binder builds."""
    found = re.search(r'__version__ = "([^"]+)"', (ROOT / "xpbench" / "_version.py").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("xpbench/_version.py names no version")
    return found[1]


def blocks(place: str, tag: str) -> dict[Path, tuple[str, str, str]]:
    """What each file has between its marks: file → (beginning mark, text, end mark)."""
    marks = ("<!-- repository -->\n", "<!-- /repository -->\n")
    hashed = ("# repository: written by scripts/set_repository.py\n", "# end of repository\n")
    readme = ROOT / "README.md"
    if not place:
        return {
            readme: (marks[0], _fork(), marks[1]),
            PROJECT: (hashed[0], "", hashed[1]),
            ROOT / "mkdocs.yml": (hashed[0], "", hashed[1]),
        }
    site = f"https://github.com/{place}"
    urls = {
        "Homepage": site,
        "Documentation": f"{site}/tree/main/docs",
        "Changelog": f"{site}/blob/main/CHANGELOG.md",
        "Issues": f"{site}/issues",
    }
    listed = "[project.urls]\n" + "".join(f'{name} = "{url}"\n' for name, url in urls.items()) + "\n"
    return {
        readme: (marks[0], _badges(place, tag), marks[1]),
        PROJECT: (hashed[0], listed, hashed[1]),
        ROOT / "mkdocs.yml": (hashed[0], f"repo_url: {site}\n", hashed[1]),
    }


def _fork() -> str:
    return (
        "```sh\n"
        "git clone ADDRESS-OF-THIS-REPOSITORY xpbench && cd xpbench\n"
        "```\n\n"
        "To try it in the browser, push the clone to GitHub and give your fork's address to "
        f"[mybinder.org](https://mybinder.org),\nwith the URL `{LAB}` (JupyterLab with the demo) or\n`{VOILA}` "
        "(the stakeholder demo, without code).\n"
    )


def _badges(place: str, tag: str) -> str:
    at = f"https://mybinder.org/v2/gh/{place}/v{tag}?urlpath="
    badge = "docs/gallery/launch-binder.svg"
    return (
        "```sh\n"
        f"git clone https://github.com/{place}.git xpbench && cd xpbench\n"
        "```\n\n"
        f"[![Binder: JupyterLab with the demo]({badge})]({at}{LAB})\nJupyterLab with the demo ·\n"
        f"[![Binder: the stakeholder demo in Voila]({badge})]({at}{VOILA})\nthe stakeholder demo, without code\n"
    )


def written(text: str, block: tuple[str, str, str]) -> str:
    """The text with what belongs between its marks.

    Raises:
        ValueError: the file lacks the marks.
    """
    begin, inner, end = block
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the marks {begin.strip()!r} and {end.strip()!r} are not there once")
    head, rest = text.split(begin)
    return head + begin + inner + end + rest.split(end)[1]


def main(arguments: list[str]) -> int:
    """Write every block."""
    if len(arguments) > 1 or (arguments and not re.fullmatch(r"[A-Za-z0-9][\w-]*/[\w.-]+", arguments[0])):
        sys.stderr.write(__doc__ or "")
        return 2
    if arguments:
        text = PROJECT.read_text(encoding="utf-8")
        PROJECT.write_text(SETTING.sub(f'repository = "{arguments[0]}"', text, count=1), encoding="utf-8")
    for path, block in blocks(repository(), version()).items():
        path.write_text(written(path.read_text(encoding="utf-8"), block), encoding="utf-8")
    sys.stdout.write(f"{repository() or 'no repository is set'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
