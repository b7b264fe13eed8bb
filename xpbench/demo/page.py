"""The homepage of the demo as a codeless CMS serves it: both versions on the page, and the tag in its head."""

from __future__ import annotations

from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.randomiser.handoff.tag import tag

RELAY = "/relay/expose"
"""Where the sandbox serves the relay: `xpbench sandbox --pages … --relay …`."""

_STYLE = """
body{margin:0;font:17px/1.5 system-ui,sans-serif;color:#1d2733}
header{padding:14px 24px;border-bottom:1px solid #d8dee6;font-weight:600}
main{max-width:760px;margin:0 auto;padding:24px}
.home{min-height:230px;padding:28px;border-radius:10px;background:#eef2f6}
.beta-home{background:#e3f1ea}
.home a{display:inline-block;margin:6px 12px 0 0;padding:9px 16px;border-radius:6px;background:#1f5f8b;color:#fff}
.home a{text-decoration:none}
aside{margin-top:28px;padding:16px 20px;border:1px dashed #9aa8b8;border-radius:10px;font-size:15px}
#did,#arrived{height:3em;margin:8px 0}
button{font:inherit;padding:4px 12px}
"""

_OLD = """<section class="home old-home"><h1>Insurance for every stage of life</h1>
<p>Read about our products, or call an adviser.</p>
<a href="#products">Products</a><a href="#call">Call us</a><a href="#quote">Quote</a></section>"""

_BETA = """<section class="home beta-home"><h1>What will you have when you retire?</h1>
<p>Three questions, one minute, a quote that you can keep.</p>
<a href="#quote">Start your retirement quote</a></section>"""

_ASIDE = """<aside><strong>What the tag did</strong> (this box is the demo's own)
<p id="did">…</p><p id="arrived"></p>
<p><button id="other">Be another visitor</button> &middot; force a variant, which counts nobody: {links}</p></aside>
<script>
(function () {{
  var slot = "xpb:{key}", did = document.getElementById("did"), arrived = document.getElementById("arrived"), last = "";
  document.getElementById("other").onclick = function () {{
    localStorage.clear(); document.cookie = "xpb_id=;path=/;max-age=0"; location.href = location.pathname;
  }};
  (function show() {{
    var kept = {{}}, text = "No exposure: the address forces a variant, or nothing of the part was in view yet.";
    try {{ kept = JSON.parse(localStorage.getItem(slot)) || {{}}; }} catch (error) {{}}
    if (kept.u) text = "You saw " + kept.v + ". The exposure waits until the relay answers.";
    if (kept.s) text = "You are " + kept.s + " and see " + kept.v + ". The relay has your one exposure; a reload adds none.";
    if (location.search.indexOf("xpb-{key}=") > 0) text = "The address forces a variant: nobody is counted.";
    if (text !== last) did.textContent = last = text;
    fetch("/arrived").then(function (r) {{ return r.ok ? r.json() : null; }}).then(function (counts) {{
      var names = Object.keys(counts || {{}}).sort();
      names = names.map(function (n) {{ return n + " " + counts[n]; }});
      arrived.textContent = !counts ? "Start the sandbox with --relay to see exposures arrive." : names.length
        ? "Exposures that reached the stand-in for Mixpanel: " + names.join(", ") + "."
        : "No exposure has reached the stand-in for Mixpanel yet.";
    }}).catch(function () {{ arrived.textContent = "The sandbox does not answer."; }});
    setTimeout(show, 700);
  }})();
}})();
</script>"""


def homepage(plan: Plan, *, relay: str = RELAY) -> str:
    """The page, as HTML that needs nothing else.

    Args:
        plan: Of the demo: a control and one treatment.
        relay: Where the tag sends the exposure.
    """
    control = next(v.key for v in plan.variants if v.control)
    treatment = plan.treatments[0].key
    made = tag(plan, show={control: ".old-home", treatment: ".beta-home"}, relay=relay)
    links = " ".join(f'<a href="?xpb-{plan.key}={escape(v)}">{escape(v)}</a>' for v in (control, treatment))
    head = f'<meta charset="utf-8"><title>The homepage of the demo</title>{made.html}<style>{_STYLE}</style>'
    body = (
        f"<header>A simulated insurance platform</header><main>{_OLD}{_BETA}{_ASIDE.format(key=plan.key, links=links)}</main>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'
