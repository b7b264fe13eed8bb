"""Visits to a page with the tag in a real Chromium: who saw the part is counted once, and nothing moves.

    python -m benchmarks.visits --visits 10000 --minutes 38     # goes on where the last run stopped

Three page shapes (the part at the top, below the fold, inserted later); visits with a reload, the back button, two tabs at
once, a second visit of the same visitor, blocked storage, no network for a while, a slow network. Exposures go through the
relay and the sender to the sandbox, over TLS; what arrived there is compared with what was seen. Writes
benchmarks/results/visits.json after each block of 250.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mixpanel

import xpbench as xp
from benchmarks.report import RESULTS, write
from tests.randomiser.pages import AGENT, SHAPES, STORAGE_BLOCKED, WATCH, Site, columns_of
from xpbench.mixpanel.sandbox import Sandbox

BLOCK = 250
SEED = 2
IDS = "{ const make = crypto.randomUUID.bind(crypto); crypto.randomUUID = () => (window.madeId = make()); }"
SHIFT = """
window.shift = 0; window.flashes = null;
new PerformanceObserver((l) => l.getEntries().forEach((e) => { window.shift += e.value; }))
  .observe({type: "layout-shift", buffered: true});
"""
ARGUMENTS = ["--no-sandbox", "--disable-blink-features=AutomationControlled", "--disable-gpu"]
TAKEN = "JSON.parse(localStorage.getItem('xpb:beta-homepage') || '{}').s"
STATE = """
[shift, flashes, window.madeId || "",
  ["old-hero", "beta-hero"].filter((c) => (document.querySelector("." + c) || {}).offsetHeight > 0)]
"""
PATIENCE = 60_000
COUNTS = (
    "visits",
    "visitors",
    "pages_loaded",
    "exposed",
    "lost",
    "double",
    "wrong_variant",
    "shifted",
    "flashed",
    "audit_differs",
    "ids_given_up",
)


class Lane:
    """One window after another: a visitor is a context whose cookies and storage are empty."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.draw = random.Random(seed)
        self.wanted: dict[str, str] = {}
        self.kinds: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    async def open(self, browser: Any, script: str) -> None:
        self.contexts = [await browser.new_context(user_agent=AGENT, viewport={"width": 800, "height": 600}) for _ in range(2)]
        for context, scripts in zip(self.contexts, ([script], [script, STORAGE_BLOCKED]), strict=True):
            context.set_default_timeout(PATIENCE)
            for text in scripts:
                await context.add_init_script(text)
        self.pages = [await context.new_page() for context in self.contexts]
        self.tabs = [await context.new_page() for context in self.contexts]  # the second tab of each

    async def close(self) -> None:
        for context in self.contexts:
            await context.close()

    async def load(self, page: Any, shape: str, how: str = "goto") -> None:
        self.found["pages_loaded"] += 1
        await (page.reload() if how == "reload" else page.goto(f"{self.site.origin}/{shape}"))
        if shape == "below":
            await page.mouse.wheel(0, 3_000)

    async def look(self, page: Any, unit: str | None) -> None:
        """Count what moved, and every frame or end in which something else was to be seen.

        Two first tabs that open in the same moment may each make an id. One id is kept, and the other is sent by nobody: such
        tabs are counted, and must show what their own id gives.
        """
        shift, flashes, own, seen = await page.evaluate(STATE)
        if unit is not None and own and own != unit:
            self.found["ids_given_up"] += 1
            unit = own
        variant = "control" if unit is None else str(xp.assign(self.site.plan, [unit])[0])
        hero = {"control": "old-hero", "beta": "beta-hero"}[variant]
        self.found["shifted"] += shift != 0
        self.found["flashed"] += flashes is not None and flashes not in ([hero], [])
        self.found["wrong_variant"] += seen != [hero]

    async def visit(self, shape: str) -> None:
        self.found["visits"] += 1
        self.kinds[f"part {shape}"] += 1
        trouble = self.draw.choices(["", "blocked storage", "offline", "slow network"], weights=[60, 10, 15, 15])[0]
        step = self.draw.choices(["", "reload", "back button", "two tabs", "second visit"], weights=[40, 15, 15, 15, 15])[0]
        if trouble:
            self.kinds[trouble] += 1
        if step:
            self.kinds[step] += 1
        blocked = trouble == "blocked storage"
        context, page = self.contexts[blocked], self.pages[blocked]

        from playwright.async_api import Error

        async def dropped(route: Any) -> None:
            await route.abort("internetdisconnected")

        async def slow(route: Any) -> None:
            await asyncio.sleep(self.draw.uniform(0.05, 0.4))
            with contextlib.suppress(Error):  # the page went on, and asks again
                await route.continue_()

        handler = {"offline": dropped, "slow network": slow}.get(trouble)
        if handler:
            await context.route("**/expose*", handler)
        other = self.tabs[blocked] if step == "two tabs" else None
        await asyncio.gather(*(self.load(p, shape) for p in (page, other) if p is not None))
        if blocked:
            await page.wait_for_function("document.querySelector('.old-hero')", polling=50)
            await page.wait_for_timeout(50)
        if trouble == "offline":
            await page.wait_for_function("(localStorage.getItem('xpb:beta-homepage') || '').indexOf('\"u\"') > 0", polling=50)
        if step in ("reload", "second visit"):
            await self.load(page, shape, "reload" if step == "reload" else "goto")
        elif step == "back button":
            await page.goto(f"{self.site.origin}/next")
            await page.go_back()
            self.found["pages_loaded"] += 1
            if shape == "below":
                await page.mouse.wheel(0, 3_000)
        if handler:
            if trouble == "slow network" and not blocked:
                await page.wait_for_function(TAKEN, polling=50)
            await context.unroute("**/expose*", handler)
        if trouble == "offline":
            if self.draw.random() < 0.5:
                await page.evaluate("dispatchEvent(new Event('online'))")
            else:
                await self.load(page, shape)
        unit = None
        if not blocked:
            await page.wait_for_function(TAKEN, polling=50)
            unit = str(await page.evaluate("localStorage.getItem('xpb_id')"))
            self.wanted[unit] = str(xp.assign(self.site.plan, [unit])[0])
        for p in (page, other):
            if p is not None:
                await p.wait_for_function("document.querySelector('.old-hero')", polling=50)
                await self.look(p, unit)
        if other is not None:
            await other.goto("about:blank")
        self.found["visitors"] += 1
        if not blocked:
            await page.evaluate("localStorage.clear()")
        await page.goto("about:blank")
        await context.clear_cookies()


async def _drive(site: Site, count: int, seed: int, lanes: int) -> list[Lane]:
    from playwright.async_api import async_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("Chromium is not installed")
    made = [Lane(site, seed * 1_000 + i) for i in range(lanes)]
    shapes = list(SHAPES)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)

        async def run(number: int, lane: Lane) -> None:
            await lane.open(browser, f'if (location.protocol !== "about:") {{ {IDS} {WATCH if number == 0 else SHIFT} }}')
            for i in range(number, count, lanes):
                await lane.visit(shapes[i % len(shapes)])
            await lane.close()

        await asyncio.gather(*(run(i, lane) for i, lane in enumerate(made)))
        await browser.close()
    return made


def run(count: int, *, seed: int, lanes: int = 4) -> dict[str, Any]:
    """Counts of `count` visits. The first of the lanes looks at every frame; the others at the end of each visit.

    Returns:
        `visits`, `visitors`, `pages_loaded`, `exposed` (arrived), `lost`, `double`, `wrong_variant` (seen or sent), `shifted`,
        `flashed`, `audit_differs`, `ids_given_up` by tabs, `refused` by the relay, and `kinds`, how many visits were of
        which kind.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Sandbox() as box, box.trusted():
        sdk = mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address))
        site = Site(None, Path(folder), mixpanel=sdk, sender="thread", interval=0.1)
        try:
            for shape in SHAPES:
                site.put(shape, address=f"/{shape}")
            with ThreadPoolExecutor(1) as thread:  # whoever calls may have a loop of their own
                made = thread.submit(asyncio.run, _drive(site, count, seed, lanes)).result()
            site.tracker.flush(timeout=60)
            text = site.relay.client.get("/metrics", params={"token": "pages"}).text
        finally:
            site.close()
        properties = [e["properties"] for e in box.deduplicated() if e["event"] == "$experiment_started"]
        sent_twice = sum(e["event"] == "$experiment_started" for e in box.events()) - len(properties)
    wanted = {unit: variant for lane in made for unit, variant in lane.wanted.items()}
    arrived = [(str(p["$device_id"]), str(p["Variant name"])) for p in properties]
    times = Counter(unit for unit, _ in arrived)
    found: Counter[str] = sum((lane.found for lane in made), Counter())
    refused = [line for line in text.splitlines() if line.startswith("xpbench_relay_refused_total{")]
    return {
        **{name: found[name] for name in COUNTS},
        "exposed": len(times),
        "lost": len(set(wanted) - set(times)),
        "double": sum(n > 1 for n in times.values()) + len(set(times) - set(wanted)) + sent_twice,
        "wrong_variant": found["wrong_variant"] + sum(wanted.get(unit, variant) != variant for unit, variant in arrived),
        "audit_differs": 0 if xp.audit(site.plan, columns_of(arrived)).ok else 1,
        "refused": sum(int(float(line.rsplit(" ", 1)[1])) for line in refused),
        "kinds": dict(sorted(sum((lane.kinds for lane in made), Counter[str]()).items())),
        "seconds": round(time.perf_counter() - began, 1),
    }


def wrong(found: dict[str, Any]) -> dict[str, int]:
    """What should have been 0 and was not."""
    names = ("lost", "double", "wrong_variant", "shifted", "flashed", "audit_differs", "refused")
    return {name: found[name] for name in names if found[name]}


def _added(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    out = {name: round(before.get(name, 0) + found[name], 1) for name in found if name != "kinds"}
    return {**out, "kinds": dict(sorted((Counter(before.get("kinds", {})) + Counter(found["kinds"])).items()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=38.0)
    parser.add_argument("--again", action="store_true", help="from the beginning")
    args = parser.parse_args()
    path = RESULTS / "visits.json"
    total: dict[str, Any] = {}
    if path.exists() and not args.again:
        kept = json.loads(path.read_text("utf-8"))
        total = {name: kept[name] for name in (*COUNTS, "refused", "kinds", "seconds")}
    end = time.monotonic() + 60 * args.minutes
    while total.get("visits", 0) < args.visits and time.monotonic() < end:
        found = run(min(BLOCK, args.visits - total.get("visits", 0)), seed=SEED + total.get("visits", 0) // BLOCK)
        total = _added(total, found)
        write(
            "visits", total, command=f"python -m benchmarks.visits --visits {args.visits}", packages=("playwright", "uvicorn")
        )
        if wrong(found):
            raise SystemExit(f"not 0: {wrong(found)}")


if __name__ == "__main__":
    main()
