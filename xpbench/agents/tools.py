"""The tools: what each takes, what it does. Every one calls what the command line calls, and answers by `answers`.

At most ten without leave to decide: status, draft, check, register, randomiser, health, readout, peek, memo, verify.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xpbench.agents import answers
from xpbench.agents.marked import RULE, data, number
from xpbench.agents.root import Root
from xpbench.errors import InputError, XpbenchError, nearest, plain
from xpbench.ledger.clock import Clock, system_clock

ANSWER_BYTES = 6_000
LISTED = 20
"""Experiments in one answer of `status`."""
MOST_WORDS = 2_000

TEXT = {"type": "string", "maxLength": MOST_WORDS}
WHOLE = {"type": "integer", "minimum": 0}
FILES = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    "description": "File, files or folder of data, relative to the server's folder",
}
KEY = {"type": "string", "description": "Key of a registered experiment"}
PLAN = {"type": "string", "description": "Plan file, such as checkout.plan.json"}
COLUMNS = {
    "variant_column": {"type": "string", "description": "Column of the variant, where it is not found by its name"},
    "day_column": {"type": "string", "description": "Column with the day of the first exposure"},
}


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: Its name.
        description: What it does, for a program that chooses.
        arguments: JSON Schema by argument.
        required: Arguments that must be there.
        run: From desk and arguments to the answer.
        reads: Whether it leaves everything as it was but for the record of the look.
    """

    name: str
    description: str
    arguments: Mapping[str, Any]
    required: tuple[str, ...]
    run: Callable[[Desk, Mapping[str, Any]], dict[str, Any]]
    reads: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return {
            "type": "object",
            "properties": dict(self.arguments),
            "required": list(self.required),
            "additionalProperties": False,
        }


@dataclass
class Desk:
    """What a server acts with.

    Attributes:
        root: The folder that it may read and write.
        person: On whose behalf it acts.
        allow_unconfirmed: Register drafts that nobody has confirmed.
        allow_decide: Also offer the tools `decide` and `amend`.
        clock: Where times come from.
    """

    root: Root
    person: str
    allow_unconfirmed: bool = False
    allow_decide: bool = False
    clock: Clock = system_clock
    agent: str = field(default="unnamed client", init=False)
    by: str = field(default="", init=False)

    @property
    def tools(self) -> dict[str, Tool]:
        """The tools on offer, by name."""
        return {t.name: t for t in (*TOOLS, *(DECIDING if self.allow_decide else ()))}

    def call(self, name: str, arguments: Mapping[str, Any], client: tuple[str, str]) -> tuple[bool, dict[str, Any]]:
        """Whether it failed, and the answer. Nothing is raised: what a call stumbles over must not end the server.

        Args:
            name: Of the tool.
            arguments: Its arguments.
            client: Name and version of the program, as it says.
        """
        self.agent = data(" ".join(part for part in client if part).strip() or "unnamed client", 60)[1:-1]
        self.by = f"agent {data(client[0] or 'unnamed client', 40)[1:-1]} for {self.person}"
        try:
            tool = self.tools.get(name)
            if tool is None:
                raise InputError("XPB-G03", name=name, hint=plain(nearest(name, self.tools)))
            _ensure_fits(tool, arguments)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the answer says what a reader must know
                answer = tool.run(self, arguments)
        except XpbenchError as error:
            return True, self._refusal(error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - an engine may raise anything, and its words may quote data
            return True, self._refusal(InputError("XPB-G07", kind=type(error).__name__))
        return False, answer

    def _refusal(self, error: XpbenchError) -> dict[str, Any]:
        said = error.to_dict()
        said = {k: str(said[k]).replace(str(self.root.folder), ".") for k in ("code", "what", "rule", "remedy")}
        answer = answers.of_error(said)
        problems = getattr(error, "problems", None)
        if problems:
            answer["problems"] = _problems(problems)
            answers.fitted(answer, ANSWER_BYTES, "problems")
        return answer

    def open(self, key: str) -> Any:
        """The experiment, acting on behalf of the person."""
        from xpbench.experiment import open_experiment

        return open_experiment(key, self.root.experiment(key), clock=self.clock, agent=self.agent)

    def plan(self, path: str) -> tuple[Any, Path]:
        """A plan file of the folder, and where it lies."""
        from xpbench.plan import load_plan

        file = self.root.file(path)
        if not file.name.endswith((".json", ".toml")):
            raise _argument("plan", path, "A plan file is JSON or TOML", "Name one, such as checkout.plan.json")
        return load_plan(file), file


def _argument(name: str, value: Any, rule: str, remedy: str) -> InputError:
    return InputError("XPB-G02", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list,
}  # fmt: skip


def _ensure_fits(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Return only if the arguments are those of the tool, of their types."""
    for name in tool.required:
        if arguments.get(name) in (None, ""):
            raise _argument(name, "missing", f"{tool.name} needs {', '.join(tool.required)}", "Give it")
    for name, value in arguments.items():
        if name not in tool.arguments:
            raise _argument(name, value, f"{tool.name} has no such argument", nearest(name, tool.arguments))
        schema = tool.arguments[name]
        if value is None:
            raise _argument(name, "null", "An argument has a value", "Leave it out")
        kinds = [s["type"] for s in schema.get("anyOf", [schema])]
        if not any(isinstance(value, _KINDS[k]) and not (isinstance(value, bool) and k != "boolean") for k in kinds):
            raise _argument(name, value, f"It is a {' or a '.join(kinds)}", "Correct it")
        if isinstance(value, list) and not all(isinstance(v, str) for v in value):
            raise _argument(name, value, "It is a list of texts", "Correct it")
        if isinstance(value, str) and len(value) > MOST_WORDS:
            raise _argument(name, f"{len(value):,} characters long", f"It has at most {MOST_WORDS:,}", "Shorten it")
        if "enum" in schema and value not in schema["enum"]:
            raise _argument(name, value, f"It is one of {', '.join(schema['enum'])}", nearest(value, schema["enum"]))
        if isinstance(value, int) and not isinstance(value, bool) and value < schema.get("minimum", value):
            raise _argument(name, value, "It is not negative", "Correct it")


def _problems(problems: Any) -> list[dict[str, Any]]:
    docs = f"{answers.DOCS}/message"
    return [
        {"where": data(p.pointer or "/", 80), "code": p.code, "says": data(str(p), 300), "docs": f"{docs}/{p.code}"}
        for p in problems
    ]


def _status(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    from xpbench.agents.next_step import after_status
    from xpbench.experiment.listing import statuses

    if "key" in args:
        experiment = desk.open(args["key"])
        status = experiment.status()
        entries = experiment.ledger.entries()
        looks = [e for e in entries if e.kind in ("opened", "peeked")]
        return {
            "experiment": status.key,
            "title": data(status.title),
            "state": status.state,
            "says": data(status.sentence, 300),
            "known": status.knowledge,
            "units_at_last_look": status.units,
            "looks": {
                "all": status.looks,
                "before_due": sum(e.kind == "peeked" for e in looks),
                "by_agents": sum(bool(e.agent) for e in looks),
                "agents_may": None if experiment.plan.looks is None else experiment.plan.looks.agents,
            },
            "decision": status.decision,
            "not_signed_yet": [data(name, 60) for name in status.signatures_missing[:10]],
            "ledger_entries": len(entries),
            "what_now": after_status(status),
            "data_rule": RULE,
        }
    start = args.get("from", 0)
    found = statuses(desk.root.experiments, clock=desk.clock)
    counts: dict[str, int] = {}
    for each in found:
        counts[each["state"]] = counts.get(each["state"], 0) + 1
    wanted = [x for x in found if args.get("state") in (None, x["state"])]
    shown = wanted[start : start + LISTED]
    answer: dict[str, Any] = {
        "experiments": len(found),
        "by_state": counts,
        "from": start,
        "listed": [
            {"key": data(x["key"], 64) if x["state"] == "broken" else x["key"], "state": x["state"],
             "title": data(x["title"], 48), "says": data(x["sentence"], 90)}
            for x in shown
        ],
        "more": len(wanted) > start + len(shown),
        "data_rule": RULE,
    }  # fmt: skip
    return answers.fitted(answer, ANSWER_BYTES, "listed")


def _draft(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    from xpbench.plan import template

    ways = [name for name in ("data", "template", "plan") if name in args]
    if len(ways) != 1:
        given = " and ".join(ways) or "nothing"
        raise _argument(
            "data", given, "A draft comes from data, from a template, or from a draft to change", "Give one of them"
        )
    notes = ""
    if ways == ["plan"]:
        plan, file = desk.plan(args["plan"])
        if not file.name.endswith(".plan.json") or desk.root.experiments in file.parents:
            raise _argument("plan", args["plan"], "Drafts are files NAME.plan.json outside the experiments", "Name a draft")
        if "changes" not in args:
            raise _argument("changes", "missing", "A draft is changed by new values of top-level keys", "Give them")
    else:
        plan, notes = _first_draft(desk, args) if ways == ["data"] else (template(args["template"], key=args.get("key")), "")
        file = desk.root.path(f"{plan.key}.plan.json")
        if file.exists():
            raise _argument("key", plan.key, "A draft never replaces a file", "Give another key, or change the draft by plan")
    if args.get("changes"):
        plan = plan.replace(**args["changes"])
    plan.save(file)
    answer = {
        "plan": desk.root.named(file),
        "key": data(plan.key, 64),
        "digest": plan.digest,
        "open": _problems(plan.problems()),
        "notes": data(notes, 1_500) if notes else "",
        "what_now": "Settle what is open with the owner (above all if and because), then check.",
        "may_say": "What was found in the data, what was proposed, and what is open.",
        "may_not_say": "That the plan is agreed: a person confirms it.",
        "data_rule": RULE,
    }
    return answers.fitted(answer, ANSWER_BYTES, "open")


def _first_draft(desk: Desk, args: Mapping[str, Any]) -> tuple[Any, str]:
    """A draft from data, unless it would show numbers of an outcome that a seal is on."""
    from xpbench.experiment.listing import sealed_plans
    from xpbench.experiment.outcomes import outcomes_of
    from xpbench.forecast.drafting import plan_from

    names = ("unit", "control", "primary", "trigger", "key", "title", "owner", "lift")
    given = {name: args[name] for name in names if name in args}
    for name, long in (("variant", "variant_column"), ("day", "day_column")):
        if long in args:
            given[name] = args[long]
    plan = plan_from(desk.root.data(args["data"]), guardrails=args.get("guardrails", {}), **given)
    own = outcomes_of(plan)
    for other in sealed_plans(desk.root.experiments, clock=desk.clock):
        shared = sorted(own & outcomes_of(other))
        if shared:
            raise InputError("XPB-G06", name=shared[0], key=other.key)
    return plan, str(getattr(plan, "notes", "") or "")


def _check(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    from xpbench.experiment.confirming import confirmation

    plan, file = desk.plan(args["plan"])
    problems = plan.problems()
    confirmed = confirmation(plan, desk.root.experiments)
    answer: dict[str, Any] = {
        "plan": desk.root.named(file),
        "key": data(plan.key, 64),
        "digest": plan.digest,
        "ready": not problems,
        "problems": _problems(problems),
        "confirmed_by": data(confirmed["by"], 60) if confirmed else None,
        "model": plan.model.kind,
        "horizon": {"units": plan.horizon.units, "days": plan.horizon.days},
        "what_now": "Register it."
        if confirmed and not problems
        else f"A person reads it and runs: xpbench confirm {desk.root.named(file)}"
        if not problems
        else "Settle the problems.",
        "data_rule": RULE,
    }
    if not problems and any(m.key in plan.planning.baselines for m in plan.metrics_with("primary")):
        answer["power"] = _power(plan)
        return answers.fitted(answer, ANSWER_BYTES, "problems", "power.rows")
    answer["power"] = None
    return answers.fitted(answer, ANSWER_BYTES, "problems")


def _power(plan: Any) -> dict[str, Any]:
    from xpbench.forecast.power import plan_power

    report = plan_power(plan)
    return {
        "planned": number(report.target),
        "ships_if_true": [{"variant": data(k, 40), "chance": number(v, 4)} for k, v in report.ships.items()],
        "units_needed": report.horizon_needed or report.horizon,
        "enough": not report.is_low,
        "rows": [
            {
                "metric": data(r.metric, 64), "role": r.role, "variant": data(r.variant, 40), "question": r.question,
                "baseline": number(r.baseline), "planned_for": number(r.value), "scale": r.scale, "units_needed": r.n_needed,
                "days": r.days, "power": number(r.power, 4), "smallest_lift": number(r.mde, 4),
            }
            for r in report.rows
        ],
    }  # fmt: skip


def _register(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    from xpbench.experiment import register
    from xpbench.experiment.confirming import confirmation
    from xpbench.plan.reading import ensure_registrable

    plan, file = desk.plan(args["plan"])
    ensure_registrable(plan)
    confirmed = confirmation(plan, desk.root.experiments)
    if confirmed is None and not desk.allow_unconfirmed:
        raise InputError("XPB-G05", key=plan.key, digest=plan.digest[:12], path=plain(desk.root.named(file)))
    root = desk.root.experiment(plan.key)
    experiment = register(plan, root, by=desk.by, clock=desk.clock, agent=desk.agent, confirmed=confirmed)
    return {
        "experiment": experiment.key,
        "digest": experiment.plan.digest,
        "confirmed_by": data(confirmed["by"], 60) if confirmed else None,
        "what_now": "Run preflight with the ids that will be assigned; a person launches.",
        "may_say": "That the plan is frozen under this digest.",
        "may_not_say": "That it is launched.",
        "data_rule": RULE,
    }


def _randomiser(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    from xpbench.randomiser.assigning import unit_key
    from xpbench.randomiser.tables import header, id_column, whole, without_empty

    subject = desk.open(args["key"]).plan if "key" in args else desk.plan(args.get("plan", ""))[0] if "plan" in args else None
    if subject is None:
        raise _argument("key", "missing", "One plan is looked at", "Give key or plan")
    given = desk.root.data(args["data"])
    if args["what"] == "preflight":
        if not isinstance(given, str):
            raise _argument("data", "several files", "Preflight reads one table of ids", "Name one file")
        from xpbench.randomiser.preflight.preflighting import preflight

        key = id_column(header(given), None, unit_key(subject))
        report = preflight(subject, without_empty(whole(given, as_text=(key,))[key]))
        answer: dict[str, Any] = {
            "subject": data(report.subject, 64),
            "ok": report.ok,
            "hash": report.hash,
            "units": report.units,
            "assigned": report.assigned,
            "split_p": number(report.p_value, 3),
            "splits": [
                {"group": data(r.group, 24) if r.group else "", "variant": data(r.variant, 40), "planned": number(r.planned, 4),
                 "realised": number(r.share, 4), "units": r.units}
                for r in report.splits
            ],
            "found": [
                {"name": f.name, "level": f.level, "says": data(f"{f.message} {f.remedy}", 260)} for f in report.findings
            ],
        }  # fmt: skip
        lists: tuple[str, ...] = ("splits", "found")
    else:
        from xpbench.data.logs.events import events
        from xpbench.randomiser.audit.auditing import audit

        flat = isinstance(given, str) and _is_flat(given)
        log = whole(given, as_text=(unit_key(subject),)) if flat and isinstance(given, str) else events(given)
        audited = audit(subject, log)
        answer = {
            "subject": data(audited.subject, 64),
            "ok": audited.ok,
            "rows": audited.rows,
            "units": audited.units,
            "disagreeing": audited.disagreeing,
            "unknown_variants": len(audited.unknown_variants),
            "without_variant": audited.missing_variant,
            "without_id": audited.null_ids,
            "causes": [
                {"name": c.name, "rows": c.rows, "says": data(c.detail, 200), "next": data(c.remedy, 200)}
                for c in audited.causes
            ],
        }
        lists = ("causes",)
    answer |= {
        "what_now": "Go on." if answer["ok"] else "Fix what was found before anybody is assigned or read out.",
        "may_say": "Whether units get, or got, the variants that the hash gives.",
        "may_not_say": "Anything about outcomes.",
        "data_rule": RULE,
    }
    return answers.fitted(answer, ANSWER_BYTES, *lists)


def _is_flat(given: str) -> bool:
    """Whether it is a table of exposures, and no log of events with properties."""
    if given.lower().endswith((".csv", ".csv.gz", ".tsv", ".xlsx")):
        return True
    if not given.endswith(".parquet"):
        return False
    import pyarrow.parquet as pq

    names = pq.read_schema(given).names
    return "properties" not in names and "event" not in names


def _looked_at(desk: Desk, args: Mapping[str, Any]) -> tuple[Any, dict[str, Any], Any]:
    """The experiment, columns by their argument, and the source."""
    from xpbench.data import events
    from xpbench.data.logs.specification import LogSpecification
    from xpbench.experiment.outcomes import outcome_columns
    from xpbench.experiment.sources import source_of

    experiment = desk.open(args["key"])
    plan = experiment.plan
    named = {part: args[f"{part}_column"] for part in ("variant", "day") if f"{part}_column" in args}
    for part, column in named.items():
        if column in outcome_columns(plan):
            raise InputError("XPB-G04", name=column, key=plan.key, part=plain(part))
    source = source_of(plan, desk.root.data(args["data"]), **named)
    if "absent_events" in args:
        if not isinstance(source, LogSpecification):
            raise _argument("absent_events", args["absent_events"], "A table of units has no events", "Leave it out")
        source = events(source.log, absent_events=args["absent_events"])
    return experiment, named, source


def _health(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    experiment, _, source = _looked_at(desk, args)
    return answers.of_health(experiment.key, experiment.health(source, by=desk.by))


def _readout(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    experiment, _, source = _looked_at(desk, args)
    readout = experiment.readout(source, by=desk.by)
    return answers.of_readout(readout, experiment.plan, start=args.get("rows_from", 0))


def _peek(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    reason = " ".join(str(args["reason"]).split())
    if len(reason) < 12 or len(reason.split()) < 3:
        raise InputError("XPB-G08", value=reason)
    experiment, _, source = _looked_at(desk, args)
    readout = experiment.peek(source, reason=reason, by=desk.by)
    return answers.of_readout(readout, experiment.plan, start=args.get("rows_from", 0))


def _memo(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    experiment = desk.open(args["key"])
    memo = experiment.memo()
    answer: dict[str, Any] = {
        "experiment": experiment.key,
        "decision": experiment.status().decision,
        "stamps": list(memo.payload["readout"]["stamps"]),
        "brief": [data(s, 600) for s in memo.sentences(args.get("audience", "team"))],
    }
    if args.get("what", "memo") == "memo":
        desk.root.experiment(experiment.key)
        answer["memo"] = desk.root.named(memo.save(experiment.memo_path))
    answer |= {
        "what_now": "Verify the memo, and hand the file over as it is.",
        "may_say": "What the sentences say, with their intervals.",
        "may_not_say": "A number that is not in the memo.",
        "data_rule": RULE,
    }
    return answers.fitted(answer, ANSWER_BYTES, "brief")


def _verify(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    from xpbench.memo.verification import verify

    file = desk.root.file(args["memo"])
    beside = desk.root.path(desk.root.named(file.parent / "ledger.jsonl"))  # no link may stand where verify looks
    report = verify(file, ledger=beside if beside.is_file() and beside.with_name("plan.json").is_file() else None)
    answer: dict[str, Any] = {
        "memo": desk.root.named(file),
        "status": report.status,
        "depth": report.depth,
        "exit_code": report.exit_code,
        "says": data(report.reason, 300),
        "differences": [
            {"part": data(d.part, 120), "expected": data(d.expected, 80), "found": data(d.found, 80)}
            for d in report.differences
        ],
        "checked": len(report.checked),
        "not_checked": [data(x, 160) for x in report.not_checked],
        "may_say": "What the status says, and how deep it looked.",
        "may_not_say": "That the data are true: a memo proves what follows from its numbers.",
        "data_rule": RULE,
    }
    return answers.fitted(answer, ANSWER_BYTES, "differences", "not_checked")


def _decide(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    experiment, _, source = _looked_at(desk, args)
    readout = experiment.readout(source, by=desk.by)
    entry = experiment.decide(
        readout, args["outcome"], variant=args.get("variant"), because=args["because"], by=desk.by,
        supersedes=args.get("supersedes"),
    )  # fmt: skip
    return {
        "experiment": experiment.key,
        "decided": args["outcome"],
        "follows_rule": bool(entry.body["follows_rule"]),
        "ledger_entry": entry.seq,
        "what_now": "Write the memo.",
        "data_rule": RULE,
    }


def _amend(desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    plan, _ = desk.plan(args["plan"])
    amended = desk.open(plan.key).amend(plan, reason=args["reason"], by=desk.by, undo=False)
    entry = amended.ledger.entries()[-1]
    return {
        "experiment": amended.key,
        "changed": len(entry.body["changes"]),
        "known_then": entry.body["knowledge"],
        "ledger_entry": entry.seq,
        "data_rule": RULE,
    }


ABSENT = {
    "type": "string",
    "enum": ["refuse", "zero"],
    "description": "zero: a metric's event that nobody did yet counts as zero; a typo would, too",
}
_SOURCE = {"key": KEY, "data": FILES, "absent_events": ABSENT, **COLUMNS}

TOOLS: tuple[Tool, ...] = (
    Tool(
        "status",
        "What is registered, running, ready, decided or overdue. With a key: one experiment, its looks, and what to do now.",
        {"key": KEY, "state": TEXT, "from": WHOLE},
        (),
        _status,
        reads=True,
    ),
    Tool(
        "draft",
        "Write a draft plan from data of the past, from a template, or change a draft. Nothing is frozen. `changes` replaces "
        "top-level keys of the plan file, such as hypothesis, metrics, horizon.",
        {
            "data": FILES,
            "template": TEXT,
            "plan": PLAN,
            "changes": {"type": "object"},
            "key": TEXT,
            "title": TEXT,
            "owner": TEXT,
            "unit": TEXT,
            "control": TEXT,
            "primary": TEXT,
            "trigger": TEXT,
            "lift": {"type": "number"},
            "guardrails": {"type": "object", "description": "Margin by column, 0.05 is 5 %"},
            **COLUMNS,
        },
        (),
        _draft,
    ),
    Tool(
        "check",
        "Every problem of a draft, whether a person has confirmed it, and what it can find: power, units, days.",
        {"plan": PLAN},
        ("plan",),
        _check,
        reads=True,
    ),
    Tool(
        "register",
        "Freeze a plan. A person must have confirmed this very draft with `xpbench confirm`.",
        {"plan": PLAN},
        ("plan",),
        _register,
    ),
    Tool(
        "randomiser",
        "preflight: the hash over ids before launch. audit: the hash against logged exposures. No outcome is read.",
        {"what": {"type": "string", "enum": ["preflight", "audit"]}, "key": KEY, "plan": PLAN, "data": FILES},
        ("what", "data"),
        _randomiser,
        reads=True,
    ),
    Tool(
        "health",
        "Can the data be trusted? Health checks alone; effects stay sealed, and the look at the data goes on record.",
        _SOURCE,
        ("key", "data"),
        _health,
        reads=True,
    ),
    Tool(
        "readout",
        "Sealed before results are due: counts, health, progress. Open afterwards: effects with intervals, and what the plan's "
        "rule recommends. Each look goes on record.",
        {**_SOURCE, "rows_from": WHOLE},
        ("key", "data"),
        _readout,
        reads=True,
    ),
    Tool(
        "peek",
        "Effects before they are due. It goes into the ledger and the memo as a look by an agent, with the reason, before "
        "anything is shown, and it can cost the experiment its promise. Use it only when the person asked for it.",
        {**_SOURCE, "reason": TEXT, "rows_from": WHOLE},
        ("key", "data", "reason"),
        _peek,
    ),
    Tool(
        "memo",
        "Of a decided experiment: write its memo, and say it in sentences. `what` brief writes nothing.",
        {
            "key": KEY,
            "what": {"type": "string", "enum": ["memo", "brief"]},
            "audience": {"type": "string", "enum": ["director", "team", "cv", "chat"]},
        },
        ("key",),
        _memo,
    ),
    Tool("verify", "Check a memo from nothing but itself.", {"memo": TEXT}, ("memo",), _verify, reads=True),
)
"""What every server offers."""

DECIDING: tuple[Tool, ...] = (
    Tool(
        "decide",
        "Put a decision on record, on a fresh readout that is due.",
        {
            **_SOURCE,
            "outcome": {"type": "string", "enum": ["ship", "ship none", "iterate", "defer"]},
            "variant": TEXT,
            "because": TEXT,
            "supersedes": WHOLE,
        },
        ("key", "data", "outcome", "because"),
        _decide,
    ),
    Tool(
        "amend",
        "Replace the plan in force by a linked record that says what had been seen by then.",
        {"plan": PLAN, "reason": TEXT},
        ("plan", "reason"),
        _amend,
    ),
)
"""Offered only where the person who starts the server allows it."""
