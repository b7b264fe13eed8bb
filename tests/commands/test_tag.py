"""`xpbench tag`, and the page to try it on beside the sandbox."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import httpx
import pytest

from tests.expose.conftest import make_plan
from xpbench.cli import main
from xpbench.errors import InputError
from xpbench.mixpanel.sandbox import Sandbox

SHOW = ["--show", "control=.old-hero", "--show", "beta=.beta-hero", "--show", "beta=#banner"]


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(make_plan(unit="device_id").to_dict()))
    return str(path)


def test_it_writes_the_tag_and_a_page_that_the_sandbox_serves(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pages"
    relay = ["--relay", "https://relay.example.com/expose", "--token", "pages"]
    assert main(["tag", plan, *SHOW, *relay, "--last", "2030-01-31", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {Path(f).name for f in told["files"]} == {"tag.html", "tag.js", "sample.html"}
    assert told["bytes"] == len((out / "tag.html").read_bytes()) <= 5_000
    assert '"to":1896134400000' in (out / "tag.js").read_text()  # the end of that day, UTC
    with Sandbox(pages=out) as box:
        trusted = ssl.create_default_context(cafile=str(box.ca_file))
        page = httpx.get(f"{box.url}/_sandbox/pages/sample.html", verify=trusted, trust_env=False)
        assert page.status_code == 200
        assert (out / "tag.html").read_text() in page.text
        assert '<section class="beta-hero">' in page.text
        assert '<section id="banner">' in page.text
        assert httpx.get(f"{box.url}/_sandbox/pages/../plan.json", verify=trusted, trust_env=False).status_code == 404
    with pytest.raises(InputError, match="folder of HTML pages"):
        Sandbox(pages=tmp_path / "nothing")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--show", "beta"], "VARIANT=SELECTOR"),
        (["--last", "tomorrow"], "yyyy-mm-dd"),
        (["--show", "gamma=.x"], "gamma"),
        (["--id", "nowhere"], "cookie:NAME"),
    ],
)
def test_what_is_wrong_is_said(
    more: list[str], words: str, plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tag", plan, *SHOW, *more, "--out", str(tmp_path / "x")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
