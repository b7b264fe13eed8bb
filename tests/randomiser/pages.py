"""Pages over HTTP with a tag in their head, a relay at another origin, and a browser: for tests and `benchmarks.visits`."""

from __future__ import annotations

import http.server
import json
import threading
import time
from pathlib import Path
from typing import Any

import xpbench as xp
from tests.expose.conftest import make_plan
from tests.expose.served import Served
from xpbench.expose.service import RelayService
from xpbench.plan import Plan
from xpbench.randomiser.handoff.tag import Tag, tag

SHOW = {"control": ".old-hero", "beta": ".beta-hero"}
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
WATCH = """
window.shift = 0; window.flashes = [];
new PerformanceObserver((l) => l.getEntries().forEach((e) => { window.shift += e.value; }))
  .observe({type: "layout-shift", buffered: true});
(function frame() {
  const high = (c) => (document.querySelector("." + c) || {}).offsetHeight > 0;
  const seen = ["old-hero", "beta-hero"].filter(high);
  if (seen.length && window.flashes[window.flashes.length - 1] !== seen.join()) window.flashes.push(seen.join());
  requestAnimationFrame(frame);
})();
"""
HEROES = '<div class="old-hero" style="height:300px">old</div><div class="beta-hero" style="height:120px">new</div>'
SHAPES = {
    "top": f"{HEROES}<p>below</p>",
    "below": f'<div style="height:3000px">above</div>{HEROES}<p>below</p>',
    "late": '<div id="app" style="height:310px"></div><p>below</p><script>setTimeout(() => { document.getElementById("app")'
    f".innerHTML = {json.dumps(HEROES)}; }}, 60);</script>",
}
"""A part at the top, one below the fold, and one that the page inserts later into room that it kept."""


STORAGE_BLOCKED = (
    "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError'); } });"
)


class Site:
    """Pages over HTTP, a relay at another origin, and a browser; exposures stay in the outbox unless `tracker` has a sender."""

    def __init__(self, browser: Any, folder: Path, **tracker: Any) -> None:
        self.browser = browser
        self.pages: dict[str, str] = {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = site.pages.get(self.path.split("?")[0])
                self.send_response(200 if text is not None else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.plan = make_plan(unit="device_id")
        self.tracker = xp.Tracker(self.plan, outbox=folder / "o.sqlite", **{"mixpanel": "token", "sender": "none", **tracker})
        self.relay = Served(RelayService(self.tracker, tokens=["pages"], origins=[self.origin]))

    def put(self, shape: str = "top", plan: Plan | None = None, address: str = "/", **options: Any) -> Tag:
        options = {"relay": f"{self.relay.url}/expose", "token": "pages", **options}
        made = tag(plan or self.plan, show=SHOW, **options)
        self.pages[address] = (
            f"<!doctype html><html><head>{made.html}</head><body>{SHAPES[shape]}<a href='/next'>next</a></body></html>"
        )
        self.pages["/next"] = "<!doctype html><html><body>next</body></html>"
        return made

    def visitor(self, *scripts: str, **options: Any) -> Any:
        context = self.browser.new_context(**{"user_agent": AGENT, "viewport": {"width": 800, "height": 600}, **options})
        for script in (WATCH, *scripts):
            context.add_init_script(script)
        return context

    def exposures(self) -> list[tuple[str, str]]:
        with self.tracker.outbox.reading() as db:
            events = [json.loads(text) for (text,) in db.execute("SELECT event FROM pending ORDER BY id")]
        return [(e["properties"]["$device_id"], e["properties"]["Variant name"]) for e in events]

    def wait_for(self, count: int, seconds: float = 10.0) -> list[tuple[str, str]]:
        end = time.monotonic() + seconds
        while time.monotonic() < end and len(self.exposures()) < count:
            time.sleep(0.02)
        return self.exposures()

    def close(self) -> None:
        self.relay.close()
        self.tracker.close()
        self.server.shutdown()
        self.server.server_close()


def columns_of(exposures: list[tuple[str, str]]) -> dict[str, list[str]]:
    return {"device_id": [u for u, _ in exposures], "variant": [v for _, v in exposures]}
