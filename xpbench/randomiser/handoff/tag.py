"""One tag for a codeless page: assigns, shows and hides, waits until the part is in view, and sends the exposure once.

The control is the default. It is what a page shows while nothing else is known to be right: without a script, an id, consent,
storage, for bots, before and after the dates. Then nothing is sent, and nobody is counted who might have seen something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from xpbench.errors import AssignError, plain, shown
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.randomiser.assigning import subject_of
from xpbench.randomiser.handoff.javascript import as_json, comment, parts

MOST_BYTES = 5_000
"""Size of a tag at most."""

By = Literal["hash", "page", "flag"]
Selectors = str | Sequence[str]

# k: key, css: what each variant hides, view: what must be in view, d: the control, from and to: the dates, id: where the id is,
# ok: where the consent is, url: of the relay, mp: what mixpanel-browser is to send
_RUNTIME = r"""
  var slot = "xpb:" + C.k, style = d.getElementById("xpb-" + C.k), unit, shown, timer, wait = 2e3;
  function get(k) { try { return w.localStorage.getItem(k); } catch (e) { return null; } }
  function put(k, v) { try { var s = w.localStorage; v ? s.setItem(k, v) : s.removeItem(k); return 1; } catch (e) {} }
  function look(v) {
    if (!style) { style = d.createElement("style"); style.id = "xpb-" + C.k; (d.head || d.documentElement).appendChild(style); }
    var text = C.css[v] && C.css[v] + "{display:none!important}";
    if (style.textContent !== text) style.textContent = text;
  }
  function cookie(n) {
    var all = d.cookie.split("; ");
    for (var i = 0; i < all.length; i++) if (all[i].indexOf(n + "=") === 0)
      try { return decodeURIComponent(all[i].slice(n.length + 1)); } catch (e) {}
    return "";
  }
  function from(spec) {
    if (spec[0] === "mixpanel") try { return JSON.parse(get(spec[1]) || cookie(spec[1]))[spec[2]]; } catch (e) { return ""; }
    return spec[0] === "cookie" ? cookie(spec[1]) : spec[0] === "storage" ? get(spec[1]) : w[spec[1]];
  }
  function own() {
    var n = "xpb_id", v = cookie(n) || get(n);
    if (!v) try { v = w.crypto.randomUUID(); } catch (e) { return null; }
    d.cookie = n + "=" + v + ";path=/;max-age=31536000;samesite=lax" + (location.protocol === "https:" ? ";secure" : "");
    put(n, v);
    return cookie(n) === v || get(n) === v ? v : null;
  }
  function known() { return C.id[0] === "visitor" ? own() : from(C.id); }
  function send() {
    clearTimeout(timer);
    var q = get(slot), body;
    try { q = JSON.parse(q); } catch (e) { q = null; }
    if (!q || !q.u) return;
    body = { experiment: C.k, unit: q.u, variant: q.v, age: Math.max(0, (Date.now() - q.t) / 1e3) };
    fetch(C.url, { method: "POST", body: JSON.stringify(body), keepalive: true, credentials: "omit" }).then(function (r) {
      if (r.ok || r.status === 422) put(slot, JSON.stringify({ s: q.u, v: q.v })); else throw 0;
    }).catch(function () { timer = setTimeout(send, wait = Math.min(wait * 2, 6e4)); });
  }
  function seen() {
    if (String(known()) !== unit) return;
    put(slot, JSON.stringify(C.url ? { u: unit, v: shown, t: Date.now() } : { s: unit, v: shown }));
    if (C.url) return send();
    var p = {};
    p[C.mp[1]] = C.k2; p[C.mp[2]] = shown; p[C.mp[3]] = unit;
    (function go() { w.mixpanel && w.mixpanel.track ? w.mixpanel.track(C.mp[0], p) : setTimeout(go, 200); })();
  }
  function watch() {
    var done = 0, o = new IntersectionObserver(function (list) {
      list.forEach(function (e) {
        if (done || d.visibilityState !== "visible" || !e.isIntersecting) return;
        if (e.intersectionRatio < 0.5 && e.intersectionRect.height < w.innerHeight / 2) return;
        done = 1; o.disconnect(); m.disconnect(); seen();
      });
    }, { threshold: [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5] }), m = new MutationObserver(find);
    function find() { if (!done) d.querySelectorAll(C.view[shown]).forEach(function (x) { o.observe(x); }); }
    m.observe(d.documentElement, { childList: true, subtree: true });
    d.addEventListener("visibilitychange", function () { o.disconnect(); find(); });
    find();
  }
  look(C.d);
  var forced = RegExp("[?&#]xpb-" + C.k + "=([^&#]*)").exec(location.search + location.hash), now = Date.now();
  if (forced) return look(has(C.css, forced[1]) ? forced[1] : C.d);
  if (now < C.from || now >= C.to) return put(slot);
  if (navigator.webdriver || /bot|crawl|spider|slurp|headless|lighthouse|preview/i.test(navigator.userAgent)) return;
  if (C.ok && String(from(C.ok)) !== C.ok[2]) return;
  if (!w.IntersectionObserver || !w.fetch) return;
"""

_BY_HASH = r"""
  if (!put("xpb", 1) || !(unit = known())) return;
  put("xpb");
  unit = String(unit);
  shown = variant(unit);
  if (shown === null) return;
  look(shown);
"""

_BY_PAGE = r"""
  if (!put("xpb", 1) || !(unit = known())) return;
  put("xpb");
  unit = String(unit);
  shown = (w.xpbVariants || {})[C.k];
  if (!has(C.css, shown)) return;
  look(shown);
"""

_SENT = r"""
  var before;
  try { before = JSON.parse(get(slot)); } catch (e) {}
  if (C.url) { w.addEventListener("online", send); if (before && before.u) return send(); }
  if (!before || before.s !== unit || before.v !== shown) watch();
"""

_BY_FLAG = r"""
  var all = d.createElement("style"), end = setTimeout(stop, 800), late = 0;
  all.textContent = C.all + "{visibility:hidden!important}"; (d.head || d.documentElement).appendChild(all);
  function stop() { late = 1; clearTimeout(end); all.remove(); }
  (function ask() {
    if (late) return;
    if (!w.mixpanel || !w.mixpanel.flags || !w.mixpanel.flags.get_variant) return setTimeout(ask, 20);
    w.mixpanel.flags.get_variant(C.k2, { key: C.d, value: C.d }).then(function (v) {
      if (!late && has(C.css, v.key)) look(v.key);
      stop();
    }, stop);
  })();
"""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, as a script and as the piece of HTML that goes into the head of the page.

    Attributes:
        script: JavaScript.
        html: A style that shows the control without any script, and the script.
        key: Key of the plan.
    """

    script: str
    html: str
    key: str

    def __str__(self) -> str:
        return self.html


def tag(
    subject: Any,
    *,
    show: Mapping[str, Selectors],
    view: Selectors | None = None,
    by: By = "hash",
    relay: str = "",
    token: str = "",
    id: str = "visitor",  # noqa: A002 - the word of everyone who asks
    consent: str = "",
    last: date | None = None,
) -> Tag:
    """The tag of a plan.

    Args:
        subject: Plan, or opened experiment.
        show: CSS selectors of what each variant shows, by variant; the others hide it.
        view: Selectors of what counts as seen when it is in view, where that is the same for each variant; by default what
            the variant shows.
        by: `hash` assigns as `xp.assign` does; `page` takes the variant that the CMS put into `window.xpbVariants`; `flag`
            asks mixpanel-browser, which then sends the exposure itself.
        relay: Address of the relay, `https://relay.example.com/expose`, or a path of the page's own site. Without one
            mixpanel-browser's `track` sends.
        token: The relay's token for pages; whoever reads the page can read it.
        id: Where the unit's id is: `mixpanel:TOKEN` takes the one that mixpanel-browser keeps, from a visitor's second page
            on; `cookie:NAME`, `storage:NAME` and `global:NAME` are ids of the site's own. `visitor` makes one in the cookie
            `xpb_id`: the events of the metrics must carry it as the plan's unit, or no exposure meets an event.
        consent: Where consent is: `cookie:NAME=VALUE`, `storage:NAME=VALUE` or `global:NAME=VALUE`. Empty where none is needed.
        last: Last day (UTC) on which it does anything; the plan's by default.

    Raises:
        AssignError: `XPB-A20`, an argument is no selector, variant, address or place; groups with conditions, which a page
            can't judge; or the tag would have more than 5,000 bytes.
    """
    plan = subject_of(subject)
    if not isinstance(plan, Plan):
        raise _wrong("subject", "a flag", "A tag is made from a plan", "Pass the plan, and by='flag' where its flag assigns")
    keys = [v.key for v in plan.variants]
    control = next(v.key for v in plan.variants if v.control)
    own = {key: _selectors(key, show.get(key, ())) for key in keys}
    unknown = sorted(set(show) - set(keys))
    if unknown:
        raise _wrong("show", unknown[0], f"The plan has the variants {', '.join(keys)}", "Name one of them")
    seen = _selectors("view", view) if view is not None else ()
    if not seen and by != "flag" and not all(own.values()):
        missing = next(k for k, v in own.items() if not v)
        raise _wrong(
            "show", f"nothing for {missing}", "Each variant has something that can be seen", "Add its selectors, or view="
        )
    config: dict[str, Any] = {
        "k": plan.key,
        "d": control,
        "css": {key: ",".join(s for other in keys if other != key for s in own[other] if s not in own[key]) for key in keys},
        **_dates(plan, last),
    }
    if consent:
        where, _, value = consent.partition("=")
        config["ok"] = [*_place("consent", where), value or "true"]
    if by == "flag":
        config |= {"k2": plan.experiment_name, "all": ",".join(s for v in own.values() for s in v)}
        body = "function has(o, k) { return Object.prototype.hasOwnProperty.call(o, k); }" + _trimmed(_RUNTIME) + _BY_FLAG
    else:
        config |= {"id": _place("id", id, plan.unit), "view": {key: ",".join(seen or own[key]) for key in keys}}
        config |= _sending(plan, relay, token)
        body = _RUNTIME + (_BY_HASH if by == "hash" else _BY_PAGE) + _SENT
        if by == "hash":
            settings, code = _assigning(plan)
            config |= settings
            body = code + body
        else:
            body = "function has(o, k) { return Object.prototype.hasOwnProperty.call(o, k); }" + body
    if not config.get("ok"):
        body = body.replace("  if (C.ok && String(from(C.ok)) !== C.ok[2]) return;\n", "")
    if id != "visitor" or by == "flag":
        start, end = body.find("  function own()"), body.find("  function send()")
        body = body[:start] + "  function known() { return from(C.id); }\n" + body[end:] if start >= 0 else body
    if not id.startswith("mixpanel:"):
        body = re.sub(r' *if \(spec\[0\] === "mixpanel"\)[^\n]*\n', "", body)
    if config.get("url"):
        start, end = body.index("    var p = {};"), body.index("  }\n  function watch")
        body = body[:start] + body[end:]
    script = f"/*{comment(plan.key)}*/" + _small(
        f'(function (w, d) {{\n"use strict";\nvar C = {as_json(config)};\n{body}\n}})(window, document);'
    )
    at_first = config["css"][control]
    still = f'<style id="xpb-{plan.key}">{at_first}{{display:none!important}}</style>' if at_first else ""
    made = Tag(script + "\n", f"{still}<script>{script}</script>\n", plan.key)
    if len(made.html.encode()) > MOST_BYTES:
        raise _wrong(
            "tag",
            f"{len(made.html.encode()):,} bytes",
            f"It has at most {MOST_BYTES:,}, because every visitor waits for it",
            "Shorten selectors, or drop overrides from the plan",
        )
    return made


def sample(made: Tag, show: Mapping[str, Selectors]) -> str:
    """A page to try a tag on, with one part for each variant."""
    blocks = []
    for variant, given in show.items():
        for selector in [given] if isinstance(given, str) else given:
            found = re.fullmatch(r"([.#])([A-Za-z_][\w-]*)", selector.strip())
            kind = {".": "class", "#": "id"}[found[1]] if found else ""
            attribute = f' {kind}="{found[2]}"' if found else ""
            blocks.append(f"<section{attribute}><h1>{escape(variant)}</h1><p>{escape(selector)}</p></section>")
    style = "<style>body{font:16px system-ui;margin:2rem}section{padding:2rem;border:1px solid #999}</style>"
    head = f'<meta charset="utf-8"><title>{escape(made.key)}</title>{made.html}{style}'
    links = "".join(f'<a href="?xpb-{made.key}={escape(v)}">{escape(v)}</a> ' for v in show)
    body = "".join(blocks) + f'<p>Force a variant: {links}· <a href="?">as a visitor</a></p>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _sending(plan: Plan, relay: str, token: str) -> dict[str, Any]:
    exposure = plan.exposure
    if relay:
        if not re.fullmatch(r"(https?:/)?/[^\s\"'<>\\?#/][^\s\"'<>\\?#]*", relay):
            rule = "It is an address such as https://relay.example.com/expose, or /expose on the page's own site"
            raise _wrong("relay", relay, rule, "Correct it")
        if not re.fullmatch(r"[A-Za-z0-9._~-]*", token):
            raise _wrong("token", "a token with other characters", "It has letters, digits, . _ ~ and -", "Choose another")
        return {"url": relay + (f"?token={token}" if token else "")}
    if exposure.format != "separate":
        raise _wrong("relay", "none", f"Exposures of this plan are sent as {exposure.format}", "Send them by a relay")
    unit = {"device_id": "$device_id"}.get(plan.unit, plan.unit)
    names = [exposure.event, exposure.experiment_property, exposure.variant_property, unit]
    return {"k2": plan.experiment_name, "mp": names}


def _assigning(plan: Plan) -> tuple[dict[str, Any], str]:
    """The settings and the code that assign, without what this plan does not have."""
    settings, code = parts(plan)
    groups = settings["groups"]
    if any(group["audience"] for group in groups):
        raise _wrong(
            "rollout", "groups with a rule or a cohort", "A page can't judge them", 'Let the CMS choose the audience: by="page"'
        )
    start, end = code.index("  function textOf"), code.index("    return null;\n  }\n", code.index("  function textOf"))
    code = code[:start] + code[end + len("    return null;\n  }\n") :]
    code = re.sub(r" *var text = textOf\(id\), [^\n]*;\n", "", code).replace("variant(id, options)", "variant(text)")
    code = code.replace("    if (text === null) return null;\n", "").replace(" || id === 0", "")  # ids of a page are text
    code = code.replace('text === null || text === ""', "!text")
    code = code.replace("    try { encodeURIComponent(text); } catch (error) { return null; }\n", "")  # then nothing is done
    code = code.replace("      if (group.audience && groups[group.key] !== true) continue;\n", "")
    for name in ("holdout", "layer", "overrides", "testers"):
        if not settings.get(name):
            settings.pop(name, None)
            if name == "layer":
                code = re.sub(r" *if \(C\.layer\) \{\n.*?\n    \}\n", "", code, flags=re.S)
            code = re.sub(rf" *if \([^\n]*C\.{name}[^\n]*\n", "", code)
    if all(group.get("share") is None for group in groups):
        code = re.sub(r" *if \(group\.share [^\n]*\n", "", code)
    if all(group["variant"] is None for group in groups):
        code = re.sub(r" *if \(group\.variant [^\n]*\n", "", code)
    for group in groups:
        group.pop("key"), group.pop("audience")
        for name in ("share", "variant"):
            if f"group.{name}" not in code:
                group.pop(name, None)
                group.pop("prefix" if name == "share" else "", None)
    settings.pop("context", None)
    code = re.sub(r"\.(" + "|".join(_FIELDS) + r")\b", lambda m: "." + _FIELDS[m[1]], code)
    settings["groups"] = [{_FIELDS.get(k, k): v for k, v in group.items()} for group in groups]
    return {_FIELDS.get(k, k): v for k, v in settings.items()}, code


_FIELDS = {
    "variants": "V", "prefix": "p", "overrides": "o", "holdout": "h", "layer": "l", "groups": "g", "share": "s", "variant": "f",
    "below": "b", "salt": "a", "testers": "o", "passing": "q",
}  # fmt: skip


def _dates(plan: Plan, last: date | None) -> dict[str, int]:
    first, end = plan.exposure.start, last or plan.exposure.end
    first_day = date.fromisoformat(str(first)) if first is not None else date(1970, 1, 1)
    last_day = date.fromisoformat(str(end)) if end is not None else date(9998, 1, 1)
    midnight = time(tzinfo=UTC)
    stamps = (datetime.combine(day, midnight).timestamp() for day in (first_day, last_day + timedelta(days=1)))
    return {name: int(stamp * 1_000) for name, stamp in zip(("from", "to"), stamps, strict=True)}


def _selectors(name: str, given: Selectors) -> tuple[str, ...]:
    out = tuple(s.strip() for s in ([given] if isinstance(given, str) else given))
    for selector in out:
        if not selector or re.search(r"[{}@;\\]|/\*|</|<!", selector) or selector.count('"') % 2 or selector.count("'") % 2:
            raise _wrong(f"selector of {name}", selector, "It is a CSS selector such as .hero or #offer", "Correct it")
    return out


def _place(name: str, given: str, unit: str = "") -> list[str]:
    if name == "id" and given == "visitor":
        return ["visitor"]
    kind, mark, where = given.partition(":")
    if name == "id" and kind == "mixpanel" and re.fullmatch(r"[A-Za-z0-9_-]{1,80}", where):
        if unit not in ("distinct_id", "device_id"):
            raise _wrong("id", given, f"mixpanel-browser keeps no {unit}", "Take it from a cookie or a global of the page")
        return ["mixpanel", f"mp_{where}_mixpanel", "$device_id" if unit == "device_id" else "distinct_id"]
    if kind not in ("cookie", "storage", "global") or not mark or not re.fullmatch(r"[A-Za-z0-9_.$-]{1,80}", where):
        more = ", mixpanel:TOKEN or visitor" if name == "id" else ", with =VALUE"
        ways = f"cookie:NAME, storage:NAME or global:NAME{more}"
        raise _wrong(name, given, f"It is {ways}", "Correct it")
    return [kind, where]


def _wrong(name: str, value: str, rule: str, remedy: str) -> AssignError:
    return AssignError("XPB-A20", name=plain(name), value=plain(shown(value)), rule=plain(rule), remedy=plain(remedy))


def _trimmed(runtime: str) -> str:
    """The runtime without what sends, for tags that send nothing."""
    start, end = runtime.index("  function own()"), runtime.index("  look(C.d);")
    return runtime[:start] + runtime[end:]


_STRINGS = re.compile(r'("(?:[^"\\]|\\.)*"|/bot[^/]*/i)')
_SHORT = {
    "fraction": "F", "found": "Y", "prime": "P", "first52": "Q", "rotate": "R", "words": "W", "block": "B", "escaped": "E",
    "bytes": "b", "product": "T", "high": "X", "low": "L", "bucket": "U", "group": "G", "number": "N", "place": "J",
    "options": "O", "text": "M", "variant": "z", "forced": "D", "style": "$", "shown": "_", "unit": "I", "timer": "A",
    "cookie": "ck", "known": "kn", "watch": "wa", "find": "fi", "list": "li", "before": "be", "look": "Z", "spec": "r",
    "seen": "se", "send": "sn", "head": "hd", "now": "no", "done": "dn", "tester": "T2", "utf8": "u8", "has": "j",
    "get": "gt", "put": "pt", "own": "ow", "wait": "wt", "object": "ob", "from": "fr", "body": "bo", "length": "lg",
    "slot": "y9", "out": "O2", "one": "o1", "two": "o2", "end": "en", "all": "al", "late": "lt",
}  # fmt: skip
_NAMES = re.compile(r"(?<![.\w$])(" + "|".join(_SHORT) + r")(?![\w$]|\s*:(?!:))")


def _small(source: str) -> str:
    """The script without spaces and long names; for the code of this package, which ends each statement with a semicolon."""
    out = []
    for i, piece in enumerate(_STRINGS.split(source)):
        if i % 2:
            out.append(piece)
            continue
        piece = _NAMES.sub(lambda m: _SHORT[m[1]], piece)
        piece = re.sub(r"\s+", " ", piece)
        out.append(re.sub(r" ?([{}()\[\];,:?<>=+\-*/%&|^~!]) ?", r"\1", piece))
    return "".join(out).replace(";}", "}").replace("Object.prototype.hasOwn", "{}.hasOwn").strip()
