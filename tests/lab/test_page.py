"""A memo's page for a frame: the theme's side is out, and nothing in it makes a browser connect."""

from __future__ import annotations

import hashlib

import pytest

from xpbench.lab.page import digest_of, note, page

PAGE = (
    '<!DOCTYPE html><html><head><meta name="color-scheme" content="light dark"><style>a{color:red}'
    "@media (prefers-color-scheme:dark){a{color:pink}}@media screen and ( prefers-color-scheme : light ){b{top:0}}"
    "</style></head>"
    '<body>(prefers-color-scheme:dark) \\1 <meta name="color-scheme" content="light dark"></body></html>'
)


def test_the_dark_side_is_out_in_a_dark_theme_and_the_light_one_in_a_light_theme() -> None:
    dark = page(PAGE.encode(), is_light=False).decode()
    assert "@media (min-width:0){a{color:pink}}" in dark
    assert "@media screen and (max-width:0){b{top:0}}" in dark
    assert '<head><meta name="color-scheme" content="dark">' in dark
    light = page(PAGE.encode(), is_light=True).decode()
    assert "@media (max-width:0){a{color:pink}}" in light
    assert "@media screen and (min-width:0){b{top:0}}" in light
    assert '<head><meta name="color-scheme" content="light">' in light


def test_what_the_memo_says_stays_as_it_is() -> None:
    body = PAGE[PAGE.index("<body>") :]
    assert page(PAGE.encode(), is_light=False).decode().endswith(body)


@pytest.mark.parametrize("text", ["", "noise", "<header>(prefers-color-scheme:dark)</header>"])
def test_a_page_without_a_head_is_left_alone(text: str) -> None:
    assert page(text.encode(), is_light=False).decode() == text


@pytest.mark.parametrize("text", ["<link rel=preconnect href=//x>", "<LINK\nrel=x>", "<link/rel=x>", "<link>"])
def test_links_to_resources_are_none(text: str) -> None:
    assert "<link" not in page(text.encode(), is_light=True).decode().lower()


def test_no_mark_of_another_encoding_is_left() -> None:
    hidden = "<link rel=preconnect href=//x>".encode("utf-16")
    assert not page(hidden, is_light=True).startswith((b"\xff\xfe", b"\xfe\xff"))
    assert page("\ufeffa".encode(), is_light=True) == b"a"


def test_the_digest_is_that_of_the_text_with_line_ends_as_one_sign() -> None:
    assert digest_of(b"a\r\nb\rc\n") == hashlib.sha256(b"a\nb\nc\n").hexdigest()
    assert digest_of(b"\xff") == hashlib.sha256(b"\xff").hexdigest()


def test_a_note_is_text() -> None:
    assert b"<script>" not in note("<script>alert(1)</script>")
