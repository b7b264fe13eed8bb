"""The tag of a codeless page: the same variants as Python, and in a real Chromium no flicker, nothing lost, nothing twice."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from tests.randomiser.pages import SHAPES, SHOW, STORAGE_BLOCKED, Site, columns_of
from xpbench.errors import AssignError
from xpbench.expose.service import REFUSED
from xpbench.randomiser.handoff.tag import MOST_BYTES, tag

RELAY = "https://relay.example.com/expose"
SALT = "0123456789abcdef0123456789abcdef"

PLANS = {
    "native": {},
    "native, three": {
        "variants": [
            {"key": "control", "split": 0.2, "control": True},
            {"key": "beta", "split": 0.5},
            {"key": "gamma", "split": 0.3},
        ]
    },
    "ramp": {"assignment": {"hash": "sha256", "salt": "s", "rollout": [{"key": "all", "share": 0.3}]}},
    "groups": {
        "assignment": {
            "hash": "sha256",
            "salt": "s",
            "rollout": [{"key": "some", "share": 0.3, "variant": "beta"}, {"key": "rest", "share": 0.5}],
        }
    },
    "kept out": {
        "assignment": {
            "hash": "sha256",
            "salt": "s",
            "holdout": {"key": "h", "share": 0.1, "salt": "hh"},
            "layer": {"key": "l", "salt": "ll", "start": 0.1, "end": 0.8},
            "overrides": {"user-7": "beta"},
        }
    },
    "mixpanel": {"assignment": {"hash": "mixpanel", "hash_salt": SALT, "overrides": {"user-7": "beta"}}},
    "mixpanel ramp": {"assignment": {"hash": "mixpanel", "hash_salt": SALT, "rollout": [{"key": "all", "share": 0.4}]}},
}


@pytest.mark.parametrize("name", PLANS)
def test_a_tag_assigns_as_python_does(name: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    plan = make_plan(**PLANS[name])
    made = tag(plan, show={v.key: f".{v.key}" for v in plan.variants}, relay=RELAY)
    ids = [f"user-{i}" for i in range(2_000)] + ["ünï-1", "日本", "a b", "0", "\U0001f600"]
    head = '"use strict";'
    script = made.script.replace(head, head + "globalThis.assigns=function(i){return z(i)};", 1)
    program = tmp_path / "tag.js"
    program.write_text(
        "globalThis.window={};globalThis.document={getElementById:()=>({})};globalThis.location={search:'',hash:''};\n"
        f"try{{{script}}}catch(e){{}}\nconsole.log(JSON.stringify({json.dumps(ids)}.map(assigns)));"
    )
    done = subprocess.run([node, str(program)], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == list(xp.assign(plan, ids))


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize(
    "options",
    [
        {"relay": RELAY, "token": "pages-token-of-32-characters-0000"},
        {},
        {"by": "page", "relay": RELAY},
        {"by": "flag"},
        {"relay": RELAY, "token": "pages", "id": "mixpanel:0123456789abcdef0123456789abcdef", "consent": "storage:consent=yes"},
        {"relay": RELAY, "id": "cookie:visitor", "consent": "cookie:consent=yes"},
    ],
)
def test_a_tag_is_small(name: str, options: Any) -> None:
    plan = make_plan(**PLANS[name])
    made = tag(plan, show={v.key: [f"#{v.key}-hero", f".{v.key}-only"] for v in plan.variants}, **options)
    assert len(made.html.encode()) <= MOST_BYTES == 5_000
    assert made.script.count("</") == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"show": {"control": ".a"}}, "nothing for beta"),
        ({"show": {"control": ".a", "beta": ".b", "gamma": ".c"}}, "gamma"),
        ({"show": {"control": ".a{}", "beta": ".b"}}, "CSS selector"),
        ({"show": {"control": "</style>", "beta": ".b"}}, "CSS selector"),
        ({"relay": "javascript:alert(1)"}, "address"),
        ({"relay": "//evil.example/expose"}, "address"),
        ({"relay": "https:///expose"}, "address"),
        ({"relay": RELAY, "token": "a b"}, "token"),
        ({"id": "visitor()"}, "cookie:NAME"),
        ({"id": "mixpanel:abc", "plan": {"unit": "company_id"}}, "keeps no company_id"),
        ({"consent": "yes"}, "cookie:NAME"),
        ({"plan": {"assignment": {"salt": "s", "rollout": [{"key": "uk", "share": 1.0, "where": {"country": "UK"}}]}}}, "by="),
        ({"plan": {"exposure": {"format": "list"}}}, "Send them by a relay"),
        ({"plan": {"assignment": {"salt": "s", "overrides": {f"user-{i}": "beta" for i in range(500)}}}}, "at most 5,000"),
    ],
)
def test_what_can_not_become_a_tag_is_refused(options: dict[str, Any], words: str) -> None:
    plan = make_plan(**options.pop("plan", {}))
    with pytest.raises(AssignError) as caught:
        tag(plan, **{"show": SHOW, **options})
    assert words in str(caught.value)


# -- in Chromium -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as p:
        args = ["--no-sandbox", "--disable-blink-features=AutomationControlled"]
        browser = p.chromium.launch(executable_path=program, args=args)
        yield browser
        browser.close()


@pytest.fixture
def site(chromium: Any, tmp_path: Path) -> Iterator[Site]:
    made = Site(chromium, tmp_path)
    yield made
    made.close()


def id_of(page: Any) -> str:
    return str(page.evaluate("localStorage.getItem('xpb_id')"))


def visible(page: Any) -> list[str]:
    return [c for c in ("old-hero", "beta-hero") if page.locator(f".{c}").is_visible()]


@pytest.mark.browser
@pytest.mark.parametrize("shape", SHAPES)
def test_a_visitor_sees_one_variant_and_is_counted_once_when_it_is_in_view(shape: str, site: Site) -> None:
    site.put(shape)
    shown: set[str] = set()
    for visit in range(4):
        context = site.visitor()
        page = context.new_page()
        page.goto(site.origin)
        if shape == "below":
            page.wait_for_timeout(150)
            assert len(site.exposures()) == visit
            page.mouse.wheel(0, 3_000)
        found = site.wait_for(visit + 1)
        assert len(found) == visit + 1
        unit, variant = found[-1]
        assert unit == id_of(page)
        assert variant == xp.assign(site.plan, [unit])[0]
        hero = {"control": "old-hero", "beta": "beta-hero"}[variant]
        assert visible(page) == [hero]
        assert page.evaluate("flashes") == [hero]
        assert page.evaluate("shift") == 0
        page.reload()
        page.click("a")
        page.go_back()
        other = context.new_page()
        other.goto(site.origin)
        other.wait_for_timeout(120)
        assert visible(other) == [hero]
        assert len(site.exposures()) == visit + 1
        shown.add(variant)
        context.close()
    report = xp.audit(site.plan, columns_of(site.exposures()))
    assert report.ok
    assert site.relay.service.counts.of(REFUSED) == 0


@pytest.mark.browser
@pytest.mark.parametrize(
    ("about", "scripts", "context", "options", "address"),
    [
        ("blocked storage", [STORAGE_BLOCKED], {}, {}, "/"),
        ("a bot by its name", [], {"user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, {}, "/"),
        ("a driven browser", ["Object.defineProperty(navigator, 'webdriver', { get: () => true });"], {}, {}, "/"),
        ("no consent", [], {}, {"consent": "cookie:consent=yes"}, "/"),
        ("no id", [], {}, {"id": "cookie:nobody"}, "/"),
        ("after the end", [], {}, {"last": date(2020, 1, 1)}, "/"),
        ("no audience", [], {}, {"by": "page"}, "/"),
        ("an unknown forced variant", [], {}, {}, "/?xpb-beta-homepage=gamma"),
        ("no script", [], {"java_script_enabled": False}, {}, "/"),
    ],
)
def test_the_default_is_shown_and_nothing_is_sent(
    about: str, scripts: list[str], context: dict[str, Any], options: dict[str, Any], address: str, site: Site
) -> None:
    site.put(**options)
    visitor = site.visitor(*scripts, **context)
    page = visitor.new_page()
    page.goto(site.origin + address)
    page.wait_for_timeout(250)
    assert visible(page) == ["old-hero"]
    assert site.exposures() == []
    if about in ("no consent", "after the end"):
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    visitor.close()


@pytest.mark.browser
def test_qa_forces_a_variant_and_is_not_counted(site: Site) -> None:
    site.put()
    visitor = site.visitor()
    page = visitor.new_page()
    for variant, hero in (("beta", "beta-hero"), ("control", "old-hero")):
        page.goto(f"{site.origin}/?utm=x&xpb-beta-homepage={variant}")
        page.wait_for_timeout(150)
        assert visible(page) == [hero]
    assert site.exposures() == []
    visitor.close()


@pytest.mark.browser
def test_consent_an_id_of_the_server_and_an_audience_of_the_cms_are_taken(site: Site) -> None:
    site.put(consent="cookie:consent=yes", id="cookie:visitor")
    visitor = site.visitor()
    visitor.add_cookies(
        [{"name": n, "value": v, "url": site.origin} for n, v in (("consent", "yes"), ("visitor", "from-the-server"))]
    )
    visitor.new_page().goto(site.origin)
    assert site.wait_for(1) == [("from-the-server", xp.assign(site.plan, ["from-the-server"])[0])]
    site.put(by="page", id="global:visitorId")
    other = site.visitor("window.visitorId = 42; window.xpbVariants = {'beta-homepage': 'beta'};")
    page = other.new_page()
    page.goto(site.origin)
    assert site.wait_for(2)[-1] == ("42", "beta")
    assert visible(page) == ["beta-hero"]
    visitor.close()
    other.close()


@pytest.mark.browser
@pytest.mark.parametrize("kept", ["storage", "cookie"])
def test_the_id_that_mixpanel_browser_keeps_is_taken(kept: str, site: Site) -> None:
    site.put(id="mixpanel:tok")
    visitor = site.visitor()
    page = visitor.new_page()
    page.goto(site.origin)  # the SDK has not run yet
    page.wait_for_timeout(200)
    assert visible(page) == ["old-hero"]
    assert site.exposures() == []
    text = json.dumps({"distinct_id": "$device:d-1", "$device_id": "d-1", "x": "ü=;"})
    store = {
        "storage": f"localStorage.setItem('mp_tok_mixpanel', {json.dumps(text)})",
        "cookie": f"document.cookie = 'mp_tok_mixpanel=' + encodeURIComponent({json.dumps(text)})",
    }[kept]
    page.evaluate(store)
    page.reload()
    assert site.wait_for(1) == [("d-1", xp.assign(site.plan, ["d-1"])[0])]
    visitor.close()


@pytest.mark.browser
def test_what_was_seen_offline_or_while_the_relay_was_down_is_sent_later(site: Site) -> None:
    site.put()
    visitor = site.visitor()
    page = visitor.new_page()
    page.goto(site.origin)
    first = site.wait_for(1)
    visitor.clear_cookies()
    page.evaluate("localStorage.clear()")
    site.relay.service._max_inflight = 0  # busy: 503
    page.goto(site.origin)
    page.wait_for_timeout(200)
    assert site.exposures() == first
    page.goto(f"{site.origin}/next")  # gone before it was taken
    site.relay.service._max_inflight = 512
    page.goto(site.origin)
    second = site.wait_for(2)
    assert len(second) == 2
    assert second[1][0] == id_of(page)
    visitor.clear_cookies()
    page.evaluate("localStorage.clear()")
    page.route("**/expose*", lambda route: route.abort("internetdisconnected"))
    page.reload()
    page.wait_for_timeout(200)
    assert len(site.exposures()) == 2
    page.unroute("**/expose*")
    page.evaluate("dispatchEvent(new Event('online'))")
    third = site.wait_for(3)
    assert len(third) == 3
    assert third[2][0] == id_of(page)
    page.reload()
    page.wait_for_timeout(150)
    assert len(site.exposures()) == 3
    visitor.close()


@pytest.mark.browser
def test_without_a_relay_mixpanel_browser_tracks(site: Site) -> None:
    site.put(relay="", token="")
    visitor = site.visitor("window.sent = []; window.mixpanel = { track: (...a) => { window.sent.push(a); } };")
    page = visitor.new_page()
    page.goto(site.origin)
    page.wait_for_function("window.sent.length === 1")
    (event, properties), unit = page.evaluate("window.sent")[0], id_of(page)
    assert event == "$experiment_started"
    variant = xp.assign(site.plan, [unit])[0]
    assert properties == {"Experiment name": "beta-homepage", "Variant name": variant, "$device_id": unit}
    page.reload()
    page.wait_for_timeout(150)
    assert page.evaluate("window.sent") == []
    visitor.close()


@pytest.mark.browser
def test_the_flag_of_mixpanel_browser_is_shown_or_the_default_in_time(site: Site) -> None:
    site.put(by="flag", relay="", token="")
    for script, hero in (
        (
            "window.mixpanel = { flags: { get_variant: async (k, f) => k === 'beta-homepage' ? { key: 'beta' } : f } };",
            "beta-hero",
        ),
        ("window.mixpanel = { flags: { get_variant: () => new Promise(() => {}) } };", "old-hero"),
        ("window.mixpanel = { flags: { get_variant: async () => { throw 1; } } };", "old-hero"),
        ("", "old-hero"),
    ):
        visitor = site.visitor(script)
        page = visitor.new_page()
        page.goto(site.origin)
        page.wait_for_function("document.styleSheets.length === 1", timeout=3_000)
        assert visible(page) == [hero]
        visitor.close()


@pytest.mark.browser
def test_visits_of_every_kind_lose_nothing_and_count_nobody_twice() -> None:
    from benchmarks import visits

    found = visits.run(40, seed=1, lanes=2)
    assert visits.wrong(found) == {}
    assert found["visits"] == 40
    assert found["exposed"] > 20
    assert (
        min(found["kinds"][k] for k in ("blocked storage", "offline", "slow network", "reload", "back button", "two tabs")) > 0
    )


@pytest.mark.browser
@pytest.mark.full
@pytest.mark.timeout(7_200)
def test_ten_thousand_visits() -> None:
    from benchmarks import visits

    found = visits.run(10_000, seed=2)
    assert visits.wrong(found) == {}
