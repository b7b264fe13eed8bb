"""The endpoints, asked over HTTP from a real Jupyter Server."""

from __future__ import annotations

import ast
import contextlib
import json
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from tests.lab.conftest import TOKEN, Server
from xpbench import notebooks
from xpbench.lab.page import POLICY, digest_of
from xpbench.ledger import Ledger

ENDPOINTS = [
    ("experiments", None),
    ("experiments/decided", None),
    ("tried?question=shorter+form", None),
    ("templates", None),
    ("verify", {"path": "experiments/decided/memo.html"}),
    ("page?path=experiments/decided/memo.html", None),
    ("notebooks", {"template": "readout", "key": "decided"}),
    ("demo", {}),
]


@pytest.mark.parametrize(("endpoint", "body"), ENDPOINTS)
def test_unauthenticated_is_403_and_learns_nothing(server: Server, endpoint: str, body: object) -> None:
    before = sorted(p.name for p in server.folder.iterdir())
    answer = server.ask(endpoint, body, token=None)
    assert answer.status == 403
    assert "decided" not in json.dumps(answer.body)
    assert server.ask(endpoint, body, token="wrong").status == 403
    assert sorted(p.name for p in server.folder.iterdir()) == before


def test_list_finds_the_root_and_counts(server: Server) -> None:
    answer = server.ask("experiments")
    assert answer.status == 200
    assert answer.body["root"] == "experiments"
    assert answer.body["exists"]
    assert answer.body["broken"] == 1
    assert {i["key"] for i in answer.body["items"]} == {"waiting", "sealed", "decided", "torn", "idea"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert str(server.folder) not in json.dumps(answer.body)


def test_a_question_finds_what_was_tried(server: Server) -> None:
    """By words without their endings, as `xpbench portfolio --search`; drafts and broken ledgers were not tried."""
    found = server.ask("tried?question=" + "has+anybody+shortened+forms%3F").body["keys"]
    assert set(found) <= {"waiting", "sealed", "decided"}
    assert found
    assert server.ask("tried?question=penguins").body == {"keys": []}
    assert server.ask("tried?root=nowhere&question=forms").body == {"keys": []}


def test_missing_root_is_told(server: Server) -> None:
    body = server.ask("experiments?root=nowhere/at/all").body
    assert (body["exists"], body["items"], body["root"]) == (False, [], "nowhere/at/all")
    assert "experiments" in body["roots"]  # and that of the demo, where another test has started it
    assert "nowhere/at/all" not in body["roots"]


def test_one_experiment(server: Server) -> None:
    assert server.ask("experiments/decided").body["state"] == "decided"
    assert server.ask("experiments/nobody").status == 404
    assert server.ask("experiments/..%2f..%2fetc").status in (400, 404)


OUTSIDE = ["../", "/etc", "experiments/../..", "C:/x", "a\\..\\b", "~/x", ".hidden", "experiments/.drafts", "a\x00b", "a\nb"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leaves_the_root_or_names_hidden_files(server: Server, path: str) -> None:
    answer = server.ask(f"experiments?root={quote(path)}")
    if path != "a\x00b" and path != "a\nb":  # the framework strips these from a query
        assert (answer.status, answer.body["code"]) == (400, "XPB-J01")
    answer = server.ask("verify", {"path": f"{path}/memo.html"})
    assert (answer.status, answer.body["code"]) == (400, "XPB-J01")
    for sent in ({"root": path}, {"folder": path}):
        answer = server.ask("notebooks", {"template": "readout", "key": "x", **sent})
        assert answer.body["code"] == "XPB-J01"


def test_links_out_of_the_root_are_not_followed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "memo.html").write_text("secret")
    (server.folder / "away").symlink_to(tmp_path)
    (server.folder / "linked-memo.html").symlink_to(tmp_path / "memo.html")
    try:
        assert server.ask("experiments?root=away").body["code"] == "XPB-J01"
        for path in ("away/memo.html", "linked-memo.html"):
            answer = server.ask("verify", {"path": path})
            assert answer.status == 400
            assert "secret" not in json.dumps(answer.body)
    finally:
        (server.folder / "away").unlink()
        (server.folder / "linked-memo.html").unlink()


def test_nothing_is_written_through_a_link_out_of_the_root(server: Server, tmp_path: Path) -> None:
    (server.folder / "out").symlink_to(tmp_path)
    (server.folder / "in").mkdir()
    (server.folder / "in" / "readout.ipynb").symlink_to(tmp_path / "elsewhere.ipynb")  # to a file that is not there yet
    (server.folder / "in" / "deeper").symlink_to(tmp_path)
    try:
        for sent in (
            {"folder": "out"},
            {"folder": "out/new"},
            {"folder": "in/deeper"},
            {"root": "out/experiments"},
        ):
            answer = server.ask("notebooks", {"template": "readout", **sent})
            assert (answer.status, answer.body["code"]) == (400, "XPB-J01"), sent
        made = server.ask("notebooks", {"template": "readout", "folder": "in"})  # the link's name is taken
        assert made.body["path"] == "in/readout-1.ipynb"
        assert list(tmp_path.iterdir()) == []
    finally:
        for path in ("out", "in/readout.ipynb", "in/deeper"):
            (server.folder / path).unlink()


def raw(server: Server, head: str, body: bytes) -> tuple[bytes, int]:
    """The beginning of the answer, and how much of the body the server took before it."""
    host, port = server.base.removeprefix("http://").split("/")[0].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(
            f"POST /xpbench/api/verify HTTP/1.1\r\nHost: {host}\r\nAuthorization: token {TOKEN}\r\n{head}\r\n\r\n".encode()
        )
        taken = 0
        answer = b""
        try:
            connection.settimeout(0.2)
            while taken < len(body) and not answer:
                taken += connection.send(body[taken : taken + 65536])
                with contextlib.suppress(TimeoutError):
                    answer = connection.recv(4096)
            connection.settimeout(10)
            answer = answer or connection.recv(4096)
        except OSError:
            pass
        return answer, taken


def test_bodies_are_bounded_before_they_are_read(server: Server) -> None:
    large = b"x" * 50_000_000
    answer, taken = raw(server, f"Content-Length: {len(large)}", large)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert taken < 2_000_000
    answer, taken = raw(server, "Transfer-Encoding: chunked", (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 700)
    assert b" 413 " in answer.split(b"\r\n")[0] or taken < 2_000_000
    assert taken < 20_000_000
    assert server.ask("verify", {"path": "experiments/decided/memo.html", "more": "x" * 60_000}).status == 200


def test_a_memos_page_comes_under_the_servers_own_policy(server: Server) -> None:
    path = "experiments/decided/memo.html"
    data = (server.folder / path).read_bytes()
    answer = server.ask(f"page?path={path}&shown={digest_of(data)}")
    assert answer.status == 200
    assert "Ship" in answer.body
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert {k.lower(): v for k, v in answer.headers.items()}["x-dns-prefetch-control"] == "off"
    assert answer.headers["Content-Type"].startswith("text/html")
    assert server.ask(f"page?path={path}&shown=0").status == 409
    for wrong, status in (("experiments/decided/plan.json", 400), ("none-memo.html", 404), ("../memo.html", 400), ("", 400)):
        refused = server.ask(f"page?path={quote(wrong)}")
        assert refused.status == status
        assert refused.headers["Content-Security-Policy"] == POLICY


def test_a_verdict_is_about_the_text_that_is_shown(server: Server) -> None:
    good = (server.folder / "experiments/decided/memo.html").read_bytes()
    memo = server.folder / "changing-memo.html"
    memo.write_bytes(good)
    shown = digest_of(good)
    answer = server.ask("verify", {"path": memo.name, "shown": shown})
    assert (answer.body["status"], answer.body["shown"]) == ("verified", shown)
    memo.write_bytes(good.replace(b"as planned", b"as wished"))
    assert server.ask("verify", {"path": memo.name, "shown": shown}).body["code"] == "XPB-J05"
    assert server.ask("verify", {"path": memo.name, "shown": 3}).body["code"] == "XPB-J04"
    memo.unlink()


def test_verify_says_verified_and_where_a_tampered_memo_differs(server: Server) -> None:
    good = server.ask("verify", {"path": "experiments/decided/memo.html"})
    assert good.status == 200
    assert good.body["status"] == "verified", good.body
    memo = server.folder / "experiments" / "decided" / "memo.html"
    bad = server.folder / "tampered-memo.html"
    text = memo.read_text("utf-8")
    assert "as planned" in text
    bad.write_text(text.replace("as planned", "as wished"), "utf-8")
    answer = server.ask("verify", {"path": "tampered-memo.html"})
    assert answer.body["status"] == "differs"
    assert answer.body["lines"]
    (server.folder / "noise-memo.html").write_bytes(b"<html>")
    assert server.ask("verify", {"path": "noise-memo.html"}).body["status"] == "unreadable"


def test_verify_of_plans(server: Server) -> None:
    assert server.ask("verify", {"path": "experiments/decided/plan.json"}).body["status"] == "verified"
    torn = server.ask("verify", {"path": "experiments/torn/plan.json"}).body
    assert str(server.folder) not in json.dumps(torn)  # nothing of the server's disk
    assert torn["status"] == "differs"
    draft = server.folder / "new.plan.json"
    draft.write_text(json.dumps({"key": "new", "title": "New"}))
    body = server.ask("verify", {"path": "new.plan.json"}).body
    assert body["status"] == "draft"
    assert body["lines"]
    draft.write_text("{")
    unreadable = server.ask("verify", {"path": "new.plan.json"}).body
    assert unreadable["status"] == "unreadable"
    assert "'new.plan.json'" in unreadable["reason"]
    assert server.ask("verify", {"path": "experiments/none/plan.json"}).status == 404
    assert server.ask("verify", {"path": "notes.txt"}).body["code"] == "XPB-J02"


def test_notebook_from_a_template_has_its_parameters_and_a_free_name(server: Server) -> None:
    listed = server.ask("templates").body
    assert {"plan", "preflight", "monitor", "readout", "decision", "post-rollout"} <= {t["name"] for t in listed["templates"]}
    assert listed["broken"] == []
    first = server.ask("notebooks", {"template": "readout", "key": "sealed", "root": "experiments"})
    assert first.status == 201
    assert first.body["path"] == "sealed-readout.ipynb"
    second = server.ask("notebooks", {"template": "readout", "key": "sealed", "root": "experiments", "folder": "a/b"})
    assert second.body["path"] == "a/b/sealed-readout.ipynb"
    third = server.ask("notebooks", {"template": "readout", "key": "sealed", "root": "experiments"})
    assert third.body["path"] == "sealed-readout-1.ipynb"
    source = cell(server.folder / "sealed-readout.ipynb")
    assert source["key"] == "sealed"
    assert source["root"] == "experiments"
    assert cell(server.folder / "a/b/sealed-readout.ipynb")["root"] == "../../experiments"


def test_draft_opens_in_the_form_that_wrote_it(server: Server) -> None:
    made = server.ask("notebooks", {"template": "plan", "key": "idea", "root": "experiments"})
    found = cell(server.folder / made.body["path"])
    assert found == {"template": "", "data": "", "draft": "experiments/.drafts/idea.plan.json", "root": "experiments"}
    made = server.ask("notebooks", {"template": "plan", "root": "experiments", "parameters": {"template": "revenue"}})
    assert cell(server.folder / made.body["path"])["template"] == "revenue"


def cell(path: Path) -> dict[str, object]:
    """What the cell of parameters assigns."""
    notebook = json.loads(path.read_text("utf-8"))
    return {name: ast.literal_eval(value) for name, value in notebooks._assignments(notebooks._source(parameters(notebook)))}


def parameters(notebook: dict[str, object]) -> dict[str, object]:
    found = notebooks._parameters_cell(notebook)
    assert found is not None
    return found


def test_bad_requests_are_told(server: Server) -> None:
    assert server.ask("verify", raw=b"[").body["code"] == "XPB-J04"
    assert server.ask("verify", raw=b"[]").body["code"] == "XPB-J04"
    assert server.ask("verify", {"path": 3}).body["code"] == "XPB-J01"
    assert server.ask("notebooks", {"template": "../../etc/passwd"}).status == 404
    assert server.ask("notebooks", {"template": "no-such-template"}).body["code"] == "XPB-J03"
    assert server.ask("notebooks", {"template": "readout", "key": "../x"}).status == 400


def test_demo_makes_a_folder_whose_memo_verifies(server: Server) -> None:
    made = server.ask("demo", {})
    assert made.status == 201, made.body
    assert made.body["folder"] == "xpbench-demo"
    assert (server.folder / made.body["notebook"]).is_file()
    assert server.ask("verify", {"path": made.body["memo"]}).body["status"] == "verified"
    listed = server.ask(f"experiments?root={made.body['root']}").body
    assert [i["key"] for i in listed["items"]] == ["beta-homepage"]
    assert listed["items"][0]["state"] in ("decided", "watched", "overdue")
    assert server.ask("experiments").body["roots"] == ["experiments", "xpbench-demo/experiments"]


def test_roots_of_any_name_deep_in_the_folders_are_found_and_remembered(tmp_path: Path) -> None:
    from xpbench.lab.handlers import Handler

    for name in ("team/growth/tests/banner", "work/shop"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "ledger.jsonl").write_text("")
    (tmp_path / "demo" / "experiments").mkdir(parents=True)
    app: Any = SimpleNamespace(settings={})
    assert Handler._roots_below(app, tmp_path) == ["demo/experiments", "work", "team/growth/tests"]
    (tmp_path / "new" / "experiments").mkdir(parents=True)  # what the panel itself makes is there at once
    assert "new/experiments" in Handler._roots_below(app, tmp_path)


def test_ledgers_of_other_versions_and_one_key_in_two_roots_are_told_apart(server: Server) -> None:
    """An entry of a newer kind, a record of a newer schema, a copied folder, and the same key in another root."""
    home, other = server.folder / "experiments", server.folder / "second"
    for name, key in (("decided", "decided"), ("sealed", "sealed"), ("waiting", "copied")):
        shutil.copytree(home / name, other / key)
    Ledger(other / "decided" / "ledger.jsonl").append("teleported", {})
    path = other / "sealed" / "ledger.jsonl"
    path.write_text(path.read_text("utf-8").replace('"schema":2', '"schema":99'), "utf-8")
    before = {p: p.read_bytes() for p in sorted(other.rglob("*")) if p.is_file()}

    items = {i["key"]: i for i in server.ask("experiments?root=second").body["items"]}
    assert items["decided"]["state"] == "decided"
    assert "newer version" in json.dumps(items["decided"])
    assert items["sealed"]["state"] == "broken"
    assert "newer" in json.dumps(items["sealed"])
    assert items["copied"]["state"] == "broken"
    assert "waiting" in json.dumps(items["copied"])
    assert "newer version" not in json.dumps(server.ask("experiments/decided?root=experiments").body)
    verdict = server.ask("verify", {"path": "second/decided/memo.html"}).body
    assert verdict["exit_code"] == 0
    assert {p: p.read_bytes() for p in before} == before
    shutil.rmtree(other)
