"""Letters of the watch and the overview of a programme: pages that carry their evidence and verify like a memo."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from xpbench._version import __version__
from xpbench.canonical import canonical_bytes, digest_bytes, whole
from xpbench.errors import MemoError, number_of, plain
from xpbench.files import write_atomic
from xpbench.ledger import Entry, Ledger, experiments
from xpbench.ledger.clock import Clock, parse_stamp, system_clock
from xpbench.ledger.entry import START
from xpbench.ledger.folder import LEDGER
from xpbench.ledger.ledger import verify_lines
from xpbench.memo.render import CLOSE, PAYLOAD_OPEN, SEAL_OPEN, embedded
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.plan.metrics import label_of
from xpbench.shows import Shows
from xpbench.verifier.file import FIRST, LAST
from xpbench.verifier.letter import PROGRAMME, WATCH_LETTER, letter_document
from xpbench.watch.contract import shipping, watch_status
from xpbench.watch.fading import NoveltyVerdict
from xpbench.watch.forecast import LiftForecast
from xpbench.watch.past_experiments import Portfolio, added_up, has_memo, line_of, readout_of

EDITION = 2
"""Edition of the words on these pages; a page of another edition is not compared word by word."""
MOST_BYTES = 60_000_000


@dataclass(frozen=True)
class Letter(Shows):
    """A page that carries its evidence.

    Attributes:
        payload: Everything it shows and proves, as a JSON value.
    """

    payload: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the payload's canonical bytes."""
        return digest_bytes(canonical_bytes(dict(self.payload)))

    @cached_property
    def html(self) -> str:
        """The page with its evidence inside, and the seal at its end."""
        data = canonical_bytes(dict(self.payload)).decode("utf-8")
        page = letter_document(self.payload["page"], FIRST)
        open_ = f"{page}{PAYLOAD_OPEN}{embedded(data)}{CLOSE}\n{SEAL_OPEN}"
        sums = {
            "file": hashlib.sha256((open_ + LAST).encode()).hexdigest(),
            "payload": hashlib.sha256(data.encode()).hexdigest(),
            "schema": 1,
        }
        return open_ + json.dumps(sums, separators=(",", ":")) + LAST

    def to_dict(self) -> dict[str, Any]:
        """The payload."""
        return dict(self.payload)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences of the page, for a message."""
        return tuple(str(b[1]) for b in self.payload["page"]["blocks"] if b[0] in ("lead", "p"))

    def save(self, path: str | Path) -> Path:
        """Write the page (`.html`) or its evidence alone (`.json`); the file is replaced whole or not at all.

        Raises:
            MemoError: `XPB-O02`, another ending.
            InputError: `XPB-I06`, the file can't be written.
        """
        target = Path(path)
        match target.suffix.lower():
            case ".html" | ".htm":
                write_atomic(target, self.html.encode())
            case ".json":
                write_atomic(target, canonical_bytes(dict(self.payload)) + b"\n")
            case other:
                raise MemoError("XPB-O02", ending=other or "no ending", hint=plain("Use .html or .json"))
        return target

    def _repr_html_(self) -> str:
        return f"<section>{''.join(f'<p>{escape(s)}</p>' for s in self.sentences)}</section>"

    def __repr__(self) -> str:
        return f"Letter({self.payload['page']['title']}, {self.digest[:12]})"


def ledger_of(entries: Sequence[Entry]) -> dict[str, Any]:
    """The lines of a ledger and its head."""
    return {
        "lines": [e.line.decode("utf-8") for e in entries],
        "witness": {"length": len(entries), "digest": entries[-1].digest if entries else START},
    }


def watch_letter(
    entries: Sequence[Entry],
    series: Mapping[str, Any],
    *,
    last_day: str,
    notes: Sequence[str],
    forecasts: Sequence[LiftForecast],
    novelty: Sequence[NoveltyVerdict],
) -> Letter:
    """The letter about the newest check on record.

    Args:
        entries: Of the ledger, the check the last of its kind.
        series: Of that check, as `watch.from_events.series_to_dict` writes it.
        last_day: Last day that counts.
        notes: How the series were made.
        forecasts: What is left on a later day.
        novelty: Whether changes fade or grow.
    """
    document = next(e.body["plan"] for e in reversed(entries) if e.kind in ("registered", "amended"))
    shipped, check = shipping(entries), next(e for e in reversed(entries) if e.kind == "watched")
    assert shipped is not None  # noqa: S101 - a check is recorded after shipping
    as_of = max(e.at for e in entries)
    status = watch_status(Plan(**document), entries, now=parse_stamp(as_of))
    assert status is not None  # noqa: S101 - as above
    payload = {
        "schema": 1,
        "kind": WATCH_LETTER,
        "key": document["key"],
        "title": document["title"],
        "plan": document,
        "variant": status.variant,
        "shipped_at": shipped.at,
        "as_of": as_of,
        "state": status.state,
        "dates": [[c.day, c.date.date().isoformat(), c.state, c.seq, c.by] for c in status.checks],
        "check": check.seq,
        "last_day": last_day,
        "series": dict(series),
        "notes": list(notes),
        "forecasts": [f.to_dict() for f in forecasts],
        "novelty": [n.to_dict() for n in novelty],
        "ledger": ledger_of(entries),
        "versions": {"xpbench": __version__},
    }
    return _with_page(payload)


def programme_letter(root: str | Path = "experiments", *, confidence: float = 0.95, clock: Clock = system_clock) -> Letter:
    """All experiments of a root as a page that carries their ledgers and readouts.

    Args:
        root: Folder of all experiments.
        confidence: Level of the win rate's interval.
        clock: Where the time comes from.

    Raises:
        MemoError: `XPB-O01`, the evidence is too large for one file.
    """
    now, kept, broken = clock(), [], []
    for listed in experiments(root):
        if listed.status != "ok":
            broken.append({"key": listed.key, "reason": listed.reason})
            continue
        try:
            entries = Ledger(listed.path / LEDGER).entries()
            held = {
                "key": listed.key,
                "ledger": ledger_of(entries),
                "has_memo": has_memo(listed.path),
                "readout": readout_of(listed.path, entries),
            }
            _line(held, now)
        except Exception as error:  # noqa: BLE001 - one folder that can't be read must not hide the others
            broken.append({"key": listed.key, "reason": str(error)})
            continue
        now = max(now, *(parse_stamp(e.at) for e in entries))
        kept.append(held)
    payload = {
        "schema": 1,
        "kind": PROGRAMME,
        "as_of": now.isoformat(),
        "confidence": confidence,
        "experiments": kept,
        "broken": broken,
        "versions": {"xpbench": __version__},
    }
    payload["found"] = _found(_portfolio_of(payload))
    letter = _with_page(payload)
    if len(letter.html) > MOST_BYTES:
        raise MemoError("XPB-O01", reason=plain("the evidence of so many experiments is too large for one file"))
    return letter


def letter_page(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The page of a payload: its edition, its title and its blocks, in words made from its numbers."""
    title, blocks = _watch_blocks(payload) if payload["kind"] == WATCH_LETTER else _programme_blocks(payload)
    return {"edition": EDITION, "title": title, "blocks": blocks}


def _with_page(payload: Mapping[str, Any]) -> Letter:
    there = json.loads(canonical_bytes(dict(payload)), parse_int=whole)
    return Letter({**there, "page": json.loads(canonical_bytes(letter_page(there)), parse_int=whole)})


# -- the watch ---------------------------------------------------------------------------------------------------------

_HEADLINES = {
    "kept": "Every guardrail is shown to be within its margin at every check of the contract.",
    "breached": "A guardrail is worse than accepted: roll back, or decide again.",
    "overdue": "A check is overdue.",
    "not answerable": "At least one guardrail can't be judged yet; the table says why.",
    "waiting": "No breach so far. The contract goes on.",
}
_FIXED = {
    "kept": "It is shown to be within its margin.",
    "breached": "It is worse, and not shown to be within its margin.",
}


def _watch_blocks(p: Mapping[str, Any]) -> tuple[str, list[Any]]:
    entries = [json.loads(line) for line in p["ledger"]["lines"]]
    check = next(e for e in entries if e["seq"] == p["check"])
    body = check["body"]
    labels = {m["key"]: label_of(m) for m in p["plan"]["metrics"]}
    day = int(body["check_day"])
    week = f"week {day // 7}" if day % 7 == 0 else f"day {day}"
    title = f"{p['title']}: the letter of {week}"
    rows = [
        [
            labels.get(r["metric"], r["metric"]),
            r["state"],
            *(_number(r[name]) for name in ("before", "after")),
            _percent(r["lift"]),
            _span(r["lift_low"], r["lift_high"]),
            _margin(r["margin"], body.get("margins", {}).get(r["metric"]), p["plan"], r["metric"]),
            _FIXED.get(r["state"], r["reason"]),
        ]
        for r in body["rows"]
    ]
    overdue = [d for d in p["dates"] if d[2] == "overdue"]
    watch = p["plan"]["watch"]
    blocks: list[Any] = [
        ["h1", title],
        ["lead", f"{body['state'].capitalize()} at {week}. {_HEADLINES[p['state']]}"],
        [
            "p",
            f"{p['variant']} was shipped on {p['shipped_at'][:10]}. This check was made on {check['at'][:10]} by "
            f"{check['by'] or '–'} "
            f"with days up to {p['last_day']}. Owner of the contract: {watch.get('owner') or p['plan']['owner']}.",
        ],
    ]
    if overdue:
        blocks.append(["p", "Overdue: " + ", ".join(f"the check of day {d[0]}, due on {d[1]}" for d in overdue) + "."])
    level = body["rows"][0]["alpha"] if body["rows"] else None
    caption = "Without the variant, with it, and the change" + (f" ({1 - level:.2%} interval)" if level else "")
    heads = ["Guardrail", "State", "Without", "With", "Change", "Interval", "Accepted", "Why"]
    blocks += [["h2", "Guardrails"], ["table", caption, heads, rows]]
    blocks += [["small", note] for note in p["notes"]]
    if body.get("note"):
        blocks.append(["small", f"Note: {body['note']}"])
    blocks.append(["h2", "In the long run"])
    blocks += [["p", f"{labels.get(n['metric'], n['metric'])}: {_novelty(n)}"] for n in p.get("novelty", ())]
    if not p.get("novelty"):
        blocks.append(["p", "No verdict on novelty: it takes a holdback, fifteen days, and means above zero."])
    for f in p["forecasts"]:
        blocks.append(
            [
                "p",
                f"{labels.get(f['metric'], f['metric'])}: a change of {_percent(f['lift'])} is left on day {f['day']} "
                f"({f['level']:.0%} interval {_span(f['low'], f['high'])}), if it moves towards one value.",
            ]
        )
    if not p["forecasts"]:
        blocks.append(["p", "No forecast: it takes a holdback, fifteen days, and an interval that says something."])
    blocks.append(["h2", "The contract"])
    dates = [[f"day {d[0]}", d[1], d[2], d[4] or "–", str(d[3] or "–")] for d in p["dates"]]
    blocks.append(
        ["table", f"{watch['weeks']} weeks, by {watch['estimator']}", ["Check", "Due", "State", "By", "Entry"], dates]
    )
    blocks.append(["small", _how(p)])
    return title, blocks


_MOVES = {
    "fading": "the change fades from week to week: part of it was novelty",
    "growing": "the change grows from week to week: the first days understate it",
    "steady": "the change is not shown to fade or grow",
}


def _novelty(n: Mapping[str, Any]) -> str:
    span = _span(n["low"], n["high"])
    return f"{_MOVES[n['word']]}. The ratio moves by {_percent(n['per_week'])} a week ({1 - n['alpha']:.2%} interval {span})."


def _how(p: Mapping[str, Any]) -> str:
    return (
        "The page carries the ledger and the series that these numbers come from. xpbench verify computes them again. "
        f"Made by xpbench {p['versions']['xpbench']}."
    )


def _margin(margin: float | None, judged: Mapping[str, Any] | None, plan: Mapping[str, Any], key: str) -> str:
    if margin is None:
        return "no margin"
    metric = next(m for m in plan["metrics"] if m["key"] == key)
    relative = judged is not None if judged else metric.get("margin_rel") is not None
    return _percent(margin) if relative else f"{margin:+.4g}".replace("-", "\u2212")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "\u2212")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:+.1f} %".replace("-", "\u2212")


def _span(low: float | None, high: float | None) -> str:
    return "unbounded" if low is None or high is None else f"{_percent(low)} to {_percent(high)}"


# -- the programme -----------------------------------------------------------------------------------------------------


def _line(held: Mapping[str, Any], now: datetime) -> Any:
    entries = verify_lines([line.encode() for line in held["ledger"]["lines"]])
    return line_of(held["key"], entries, now, has_memo=held["has_memo"], readout=held["readout"])


def _portfolio_of(p: Mapping[str, Any]) -> Portfolio:
    now = parse_stamp(p["as_of"]) if p["as_of"].endswith("Z") else datetime.fromisoformat(p["as_of"])
    read = [_line(held, now) for held in p["experiments"]]
    outcomes = [o for _, found in read for o in found]
    broken = [(b["key"], b["reason"]) for b in p["broken"]]
    return added_up("", [line for line, _ in read], broken, outcomes, p["confidence"])


def _found(portfolio: Portfolio) -> dict[str, Any]:
    """The numbers of a portfolio that its page names and the verifier computes again."""
    decided = [x for x in portfolio.lines if x.decision in ("ship", "ship none", "iterate") and not x.planned_after]
    worth = portfolio.shrinkage
    return {
        "experiments": len(portfolio.lines),
        "without_memo": len(portfolio.without_memo),
        "silent": len(portfolio.silent),
        "looks": sum(x.looks for x in portfolio.lines),
        "peeks": portfolio.peeks,
        "peeks_by": portfolio.peeks_by,
        "overrides": len(portfolio.overrides),
        "decided": len(decided),
        "shipped": sum(x.decision == "ship" for x in decided),
        "win_rate": list(portfolio.win_rate) if portfolio.win_rate else None,
        "days_to_decision": portfolio.days_to_decision,
        "reported": worth.reported if worth else None,
        "expected": worth.expected if worth else None,
    }


def _programme_blocks(p: Mapping[str, Any]) -> tuple[str, list[Any]]:
    portfolio = _portfolio_of(p)
    title = "The programme of experiments"
    blocks: list[Any] = [["h1", title], ["lead", " ".join(portfolio.programme())]]
    blocks += [["p", s] for s in portfolio.sentences]
    blocks.append(["small", f"As of {p['as_of'][:10]}."])
    rows = [
        [
            f"{x.title} ({x.key})",
            x.decision or "not decided",
            "–" if x.days_to_decision is None else f"{x.days_to_decision:.1f}",
            "yes" if x.has_memo else "silent" if x.is_silent else "no",
            str(x.looks),
            str(x.peeks),
            {True: "yes", False: "no", None: "–"}[x.follows_rule],
            x.watch or "–",
            x.planned_after or "–",
        ]
        for x in portfolio.lines
    ]
    heads = ["Experiment", "Decision", "Days to it", "Memo", "Looks", "Peeks", "As the rule says", "Watch", "Plan"]
    blocks += [["h2", "Experiments"], ["table", number_of(len(rows), "experiment"), heads, rows]]
    ideas = [[x.title, x.hypothesis, x.learned or "–"] for x in portfolio.lines]
    blocks += [
        ["h2", "What was tried"],
        ["table", "Hypotheses and what was learned", ["Experiment", "Hypothesis", "Learned"], ideas],
    ]
    drawer = [x for x in portfolio.lines if not x.has_memo]
    if drawer:
        named = [f"{x.title} ({x.key}), {'silent for 60 days or more' if x.is_silent else 'no memo yet'}" for x in drawer]
        blocks += [["h2", "The file drawer"], ["list", named]]
    chains = [" → ".join((*x.follows, x.key)) for x in portfolio.lines if x.follows and not x.restarted_as]
    if chains:
        blocks += [["h2", "Lineage"], ["list", chains]]
    if portfolio.outcomes:
        table = [
            [o.key, o.metric, _percent(o.forecast), _percent(o.lift), _span(o.low, o.high), "shipped" if o.shipped else "–"]
            for o in portfolio.outcomes
        ]
        heads = ["Experiment", "Claim", "Forecast", "Found", "Interval", "Shipped"]
        blocks += [["h2", "Forecast and outcome"], ["table", "Lifts of what was claimed before launch", heads, table]]
    if p["broken"]:
        blocks += [["h2", "Could not be read"], ["list", [f"{b['key']}: {b['reason']}" for b in p["broken"]]]]
    blocks.append(["small", _how(p)])
    return title, blocks
