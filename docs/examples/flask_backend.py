"""A web back end with the three places where exposures come from: a rendered page, a CDP webhook, a codeless CMS.

    flask --app flask_backend:serve run

The same few lines work in FastAPI: there, use `await flags.aget_variant(…)` and `await tracker.aexpose(…)`.
"""

from __future__ import annotations

import hmac
import os
from datetime import datetime
from typing import Any

import mixpanel
from flask import Flask, Response, abort, request
from mixpanel.flags.types import LocalFlagsConfig

import xpbench as xp
from xpbench.plan import Plan

HOST = os.environ.get("MIXPANEL_HOST", "api.mixpanel.com")


def create_app(plan: Plan, tracker: xp.Tracker, flags: Any, *, webhook_secret: str) -> Flask:
    """The application; one tracker and one flags object live as long as the process."""
    app = Flask(__name__)
    app.extensions["xpbench"] = (tracker, flags)  # for whoever ends the process: flags.shutdown(), tracker.close()

    @app.get("/")
    def home() -> Response:
        """A server-rendered page: evaluate with reporting off, render, and only then say that it was seen."""
        visitor = request.cookies.get("visitor_id", "")
        context = {"distinct_id": visitor}
        picked = flags.get_variant(plan.experiment_name, "control", context, report_exposure=False)
        variant = picked.variant_key or "control"
        page = f"<h1>Retirement, {'one' if variant == 'beta' else 'three'} entry point(s)</h1>"
        response = Response(page)
        response.vary.add("Cookie")  # a shared cache must not hand one variant's page to the other
        flags.expose(plan.experiment_name, picked, context, page="home")  # a fallback is not recorded
        return response

    @app.post("/webhooks/cdp")
    def cdp() -> tuple[str, int]:
        """A CDP forwards what it saw: its time counts, its repeats don't, and 503 makes it send again."""
        if not hmac.compare_digest(request.headers.get("X-Webhook-Secret", ""), webhook_secret):
            abort(401)
        message = request.get_json()
        if message.get("event") != "Experiment Viewed":
            return "", 204
        seen = message["properties"]
        result = tracker.expose(
            message["userId"],
            seen["variant_id"],
            experiment=seen["experiment_id"],
            time=datetime.fromisoformat(message["timestamp"]),
            source="cdp",
        )
        return result.reason, {"held": 503, "refused": 503, "invalid": 422}.get(result.state, 202)

    @app.post("/exposed")
    def cms() -> tuple[str, int]:
        """A codeless CMS's page sends a beacon when its block scrolls into view; the variant is recomputed, not believed."""
        told = request.get_json(force=True)
        expected = next(iter(xp.assign(plan, [told["unit"]])))
        if told.get("variant") != expected:
            tracker.note("cms disagrees", plan.experiment_name, f"told {told.get('variant')!r}")
            return "", 202
        tracker.expose(told["unit"], expected, source="cms")
        return "", 202

    return app


def serve() -> Flask:
    """What a process of the web server runs."""
    plan = xp.load_plan(os.environ["XPBENCH_PLAN"])
    sdk = mixpanel.Mixpanel(
        os.environ["MIXPANEL_TOKEN"],
        consumer=mixpanel.Consumer(api_host=HOST),
        local_flags_config=LocalFlagsConfig(api_host=HOST),
    )
    tracker = xp.Tracker(plan, mixpanel=sdk)
    flags = xp.mixpanel_flags(sdk, tracker=tracker, exposures="tracker").start()
    return create_app(plan, tracker, flags, webhook_secret=os.environ["CDP_WEBHOOK_SECRET"])
