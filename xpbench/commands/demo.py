"""`xpbench demo`: the main job with one command."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import Any

from xpbench.commands.output import DONE, add_command, answer


def add_parsers(subparsers: Any) -> None:
    """Add the demo."""
    demo = add_command(
        subparsers,
        "demo",
        _demo,
        help="the whole flow on a simulated experiment: prints the decision, writes memo.html",
        description="Simulates an insurance platform that tests a beta homepage, with known true effects, and runs the whole "
        "flow: plan, preflight, sealed look, readout, decision, memo, and the memo's proof.",
    )
    demo.add_argument("--out", default="xpbench-demo", help="folder to write; a new one next to it if it is there")
    demo.add_argument("--units", type=int, default=40_000, help="visitors (at least 1,000)")
    demo.add_argument("--seed", type=int, default=2026, help="same seed, same numbers")
    demo.add_argument(
        "--start",
        metavar="DATE",
        type=_day,
        help="first day of the experiment, such as 2026-09-07; where it is missing, the story ends within the last week",
    )
    demo.add_argument("--story", default="ship", choices=["ship", "guardrail", "srm", "lost"], help="which ending")


def _demo(args: argparse.Namespace) -> int:
    from xpbench.demo.run import recent_start, run_demo

    began = time.monotonic()

    def tell(text: str) -> None:
        if not args.json:
            print(f"  [{time.monotonic() - began:4.1f} s] {text} …", file=sys.stderr, flush=True)  # noqa: T201 - progress

    result = run_demo(
        args.out,
        units=args.units,
        seed=args.seed,
        story=args.story,
        start=args.start or recent_start(datetime.now(UTC)),
        tell=tell,
    )
    advice = result.readout.recommendation
    what = result.readout.headline
    lines = [
        "",
        f"Decision: {what} (row {', '.join(advice.rows)} of the plan's rule). {advice.because}",
        "",
        f"  {'metric':<22}{'estimate':>10}  {'interval':<24}{'planted truth':>14}",
    ]
    for c in result.coverage:
        number = _share if c.scale == "lift" else _plain
        mark = "inside" if c.is_inside else "OUTSIDE"
        interval = f"{number(c.low)} to {number(c.high)}"
        lines.append(f"  {c.metric:<22}{number(c.estimate):>10}  {interval:<24}{number(c.truth):>14}  {mark}")
    loud = [c for c in result.readout.health if c.status in ("fail", "warn")]
    passed = sum(c.status == "pass" for c in result.readout.health)
    lines += ["", "Health: " + "; ".join([*(f"{c.label}: {c.status}" for c in loud), f"{passed} checks pass"])]
    lines += [
        f"On the first morning the results were sealed: {result.sealed.due.reason}",
        "",
        f"Memo:     {result.memo}",
        f"Verify:   {result.verdict}: {result.proof}",
        f"Notebook: {result.notebook}",
        f"Events:   {result.data}",
        f"Page:     {result.page}; try the tag of a codeless CMS on it:",
        f"          xpbench sandbox --pages {result.page.parent} --relay {result.plan}",
        "",
        f"Next: open the memo in a browser. Anyone who has the file can check it: xpbench verify {result.memo}",
    ]
    answer(args, result.to_dict(), "\n".join(lines))
    return DONE


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; write it like 2026-09-07") from None


def _share(value: float) -> str:
    return f"{value * 100:+.1f} %".replace("-", "−")


def _plain(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
