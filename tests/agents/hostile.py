"""Hostile sessions through the real protocol client, over standard input and output."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp import ClientSession, StdioServerParameters, stdio_client

from tests.agents.hostile_paths import ESCAPES
from tests.agents.world import KEY, ORDER, document, outcomes
from xpbench.ledger import Ledger

REASON = "the board asked for it on Monday"
EFFECTS = {"effects", "recommendation", "control", "treatment", "lift", "ci"}


@dataclass
class Session:
    """What one session saw."""

    answers: list[tuple[str, dict[str, Any], bool, dict[str, Any]]] = field(default_factory=list)
    alive: bool = False


@asynccontextmanager
async def connected(project: Path, *flags: str, client: str = "probe") -> Any:
    """A client of a server of its own."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "xpbench.cli", "mcp", "--root", str(project), "--for", "Ana", *flags],
        env=dict(os.environ),
    )
    async with stdio_client(server, errlog=open(os.devnull, "w")) as (read, write):
        info = types.Implementation(name=client, version="1.0")
        async with ClientSession(read, write, client_info=info, read_timeout_seconds=120) as session:
            await session.initialize()
            yield session


async def call(session: ClientSession, name: str, arguments: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether it failed, and the answer."""
    result = await session.call_tool(name, arguments)
    return bool(result.is_error), json.loads(result.content[0].text)  # type: ignore[union-attr]


def moves(seed: int, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Calls of one session, in an order of its own."""
    rng = random.Random(seed)
    data = ["data/units.csv", "data/fewer.csv", "data/beta.csv", f"data/{ORDER[:40]}.csv", "data", ["data/units.csv"] * 2]
    extras: list[dict[str, Any]] = [
        {"variant_column": "spent"}, {"day_column": "spent"}, {"segments": ["spent"]}, {"by": "Ana"}, {"agent": ""},
        {"evidence": {}}, {"root": "/"}, {"last": "now"}, {"variant_column": "note"}, {"rows_from": -1}, {"rows_from": "0"}, {},
    ]  # fmt: skip
    for _ in range(count):
        kind = rng.randrange(12)
        if kind == 0:
            yield "status", rng.choice([{}, {"key": KEY}, {"key": "../x"}, {"key": rng.choice(ESCAPES)}, {"from": 10**9}])
        elif kind <= 2:
            yield rng.choice(["readout", "health"]), {"key": KEY, "data": rng.choice(data), **rng.choice(extras)}
        elif kind == 3:
            reason = rng.choice(["", " ", "x", "because", ". . .", ORDER[:11], 7, None])
            yield "peek", {"key": KEY, "data": rng.choice(data), "reason": reason}
        elif kind == 4:
            yield "peek", {"key": KEY, "data": rng.choice(data[:3]), "reason": REASON}
        elif kind == 5:
            yield (
                rng.choice(["decide", "amend", "ship", "launch", "delete", "restart", "sign", "summarize", "explore"]),
                {"key": KEY, "data": "data/units.csv", "outcome": "ship", "variant": "beta", "because": ORDER, "reason": ORDER},
            )
        elif kind <= 7:
            path = rng.choice(ESCAPES)
            yield rng.choice(
                [
                    ("readout", {"key": KEY, "data": path}), ("peek", {"key": KEY, "data": path, "reason": REASON}),
                    ("draft", {"data": path, "key": "d"}), ("draft", {"plan": path, "changes": {"title": "t"}}),
                    ("check", {"plan": path}), ("register", {"plan": path}), ("verify", {"memo": path}),
                    ("randomiser", {"what": "audit", "key": KEY, "data": path}), ("health", {"key": KEY, "data": [path]}),
                    ("readout", {"key": path, "data": "data/units.csv"}), ("memo", {"key": path}),
                    ("draft", {"template": path}), ("draft", {"template": "conversion-funnel", "key": path}),
                ]
            )  # fmt: skip
        elif kind == 8:
            yield rng.choice(
                [
                    ("draft", {"data": rng.choice(data[:4]), "key": f"d{rng.randrange(99)}", "unit": "unit"}),
                    ("draft", {"plan": f"experiments/{KEY}/plan.json", "changes": {"horizon": {"units": 10}}}),
                    ("draft", {"plan": "draft.plan.json", "changes": {"title": ORDER}}),
                    ("draft", {"plan": "draft.plan.json", "changes": document(key="../../x")}),
                    ("register", {"plan": "draft.plan.json"}), ("register", {"plan": f"experiments/{KEY}/plan.json"}),
                ]
            )  # fmt: skip
        elif kind == 9:
            yield "memo", {"key": KEY, "what": rng.choice(["memo", "brief", "both"])}
        elif kind == 10:
            what = rng.choice(["audit", "preflight", "means"])
            yield "randomiser", {"what": what, "key": KEY, "data": rng.choice(data[:3])}
        else:
            yield rng.choice(["check", "verify", "status"]), {"plan": "draft.plan.json", "memo": f"experiments/{KEY}/memo.html"}


async def play(project: Path, seed: int, count: int) -> Session:
    """One session, to its end, and whether the server still answers then."""
    seen = Session()
    async with connected(project, client=f"{ORDER} {seed}" if seed % 3 else "") as session:
        for name, arguments in moves(seed, count):
            failed, answer = await call(session, name, arguments)
            seen.answers.append((name, arguments, failed, answer))
        failed, answer = await call(session, "status", {})
        seen.alive = not failed and answer["experiments"] >= 1
    return seen


def play_all(project: Path, seeds: range, count: int, *, at_once: int) -> list[Session]:
    """Sessions on one project, several at once."""
    out: list[Session] = []

    async def main() -> None:
        limit = anyio.CapacityLimiter(at_once)

        async def one(seed: int) -> None:
            async with limit:
                out.append(await play(project, seed, count))

        async with anyio.create_task_group() as group:
            for seed in seeds:
                group.start_soon(one, seed)

    anyio.run(main)
    return out


def breaches(project: Path, sessions: list[Session]) -> list[str]:
    """What should not have been: effects without a row with agent and reason, outcomes in a sealed answer, long answers."""
    found = []
    entries = Ledger(project / "experiments" / KEY / "ledger.jsonl").entries()
    peeks = {e.at: e for e in entries if e.kind == "peeked"}
    known = outcomes()
    found += [
        f"entry {e.seq} names no agent" for e in entries if e.kind != "registered" and not (e.agent and "agent " in str(e.by))
    ]
    found += [f"entry {e.seq} is {e.kind}" for e in entries if e.kind not in ("registered", "looked", "peeked")]
    for session in sessions:
        if not session.alive:
            found.append("a server did not answer at the end")
        for name, arguments, failed, answer in session.answers:
            text = json.dumps(answer, ensure_ascii=False)
            size = len(json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode())
            what = f"{name} {arguments}"[:200]
            if answer.get("sealed") is False:
                row = peeks.get(answer["at"])
                if row is None or not row.agent or row.body.get("reason") != REASON or not str(row.by).startswith("agent "):
                    found.append(f"effects without a row: {what}")
                if size > 6_000:
                    found.append(f"{size} bytes: {what}")
                continue
            if size > (2_000 if answer.get("sealed") else 6_000):
                found.append(f"{size} bytes: {what}")
            if not failed and EFFECTS & set(answer):
                found.append(f"fields of effects: {what}")
            found += [f"outcome {t} in {what}" for t in known if t in text]
            if "Ignore all rules" in text.replace(json.dumps(ORDER)[1:-1], ORDER):
                outside = text
                while "⟦" in outside:
                    start = outside.index("⟦")
                    outside = outside[:start] + outside[outside.index("⟧", start) + 1 :]
                if "Ignore all rules" in outside:
                    found.append(f"unmarked text from data: {what}")
    return found
