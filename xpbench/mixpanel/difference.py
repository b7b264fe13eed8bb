"""What Mixpanel holds against what it should hold: every field by name, and what is written to bring it in line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from xpbench.errors import shown
from xpbench.mixpanel.wanted import Wanted

Thing = Literal["experiment", "flag"]
ABSENT = "absent"

_GROUP_RULES = (
    "runtime_evaluation_rule",
    "runtime_evaluation_definition",
    "runtime_event_rule",
    "cohort_definition",
    "cohort_hash",
)
_RULE_WORDS = {
    "runtime_evaluation_rule": "rule",
    "runtime_evaluation_definition": "legacy rule",
    "runtime_event_rule": "event rule",
    "cohort_definition": "cohort",
    "cohort_hash": "cohort's hash",
}
_FLAG_TEXTS = {
    "name": "name",
    "key": "key",
    "description": "description",
    "context": "assignment key",
    "serving_method": "serving method",
    "status": "status",
    "hash_salt": "hash_salt",
    "experiment_id": "linked experiment",
    "is_experiment_active": "experiment is active",
}
_DIGEST = re.compile(r"plan SHA-256 ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class RemoteDifference:
    """One field on which plan and Mixpanel disagree.

    Attributes:
        thing: `experiment` or `flag`.
        field: Which, in words.
        plan: What the plan and the ledger say; `absent` where they have nothing there.
        mixpanel: What Mixpanel holds.
    """

    thing: Thing
    field: str
    plan: Any
    mixpanel: Any

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"thing": self.thing, "field": self.field, "plan": self.plan, "mixpanel": self.mixpanel}

    def __str__(self) -> str:
        return f"{self.thing}, {self.field}: {_words(self.mixpanel)} in Mixpanel, {_words(self.plan)} by the plan"


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value if value == ABSENT else shown(value, 100)
    if isinstance(value, float):
        return f"{value:.12g}"
    return shown(json.dumps(value, ensure_ascii=False), 100)


def recorded_digest(thing: Mapping[str, Any]) -> str | None:
    """The digest of the plan that an experiment or flag names in its description."""
    found = _DIGEST.search(str(thing.get("description") or ""))
    return found[1] if found else None


def compare(wanted: Wanted, experiment: Mapping[str, Any] | None, flag: Mapping[str, Any] | None) -> list[RemoteDifference]:
    """Every field on which Mixpanel differs from what it should hold."""
    out: list[RemoteDifference] = []
    if experiment is None:
        out.append(RemoteDifference("experiment", "existence", wanted.name, ABSENT))
    else:
        out += _experiment(wanted, experiment)
    if wanted.flag is None:
        return out
    if flag is None:
        out.append(RemoteDifference("flag", "existence", str(wanted.flag["key"]), ABSENT))
        return out
    ours = flat({**wanted.flag, "experiment_id": experiment["id"] if experiment is not None else ABSENT})
    theirs = flat(flag)
    for name in dict.fromkeys([*ours, *theirs]):
        a, b = ours.get(name, ABSENT), theirs.get(name, ABSENT)
        if not same(a, b):
            out.append(RemoteDifference("flag", name, a, b))
    lacking = sorted(set(wanted.flag["tags"]) - set(flag.get("tags") or ()))
    if lacking:
        out.append(RemoteDifference("flag", "tags", sorted(wanted.flag["tags"]), sorted(flag.get("tags") or ())))
    return out


def _experiment(wanted: Wanted, there: Mapping[str, Any]) -> Iterable[RemoteDifference]:
    for name, value in wanted.experiment.items():
        held = there.get(name)
        if name == "settings":
            held = held if isinstance(held, Mapping) else {}
            for key, setting in value.items():
                if not same(setting, held.get(key, ABSENT)):
                    yield RemoteDifference("experiment", f"setting {key}", setting, held.get(key, ABSENT))
        elif name == "metrics" and named(value):
            by_name = _by_name(held)
            for metric in value:
                known = by_name.get(metric["name"])
                if known is None:
                    yield RemoteDifference("experiment", f"metric {metric['name']}", dict(metric), ABSENT)
                    continue
                for key, part in metric.items():
                    if not same(part, known.get(key, ABSENT)):
                        yield RemoteDifference("experiment", f"{key} of metric {metric['name']}", part, known.get(key, ABSENT))
        elif not same(value, held):
            yield RemoteDifference("experiment", name, value, ABSENT if held is None else held)
    if there.get("name") != wanted.name:
        yield RemoteDifference("experiment", "name", wanted.name, there.get("name"))
    if there.get("archived"):
        yield RemoteDifference("experiment", "archived", False, True)
    if wanted.stage is not None and there.get("status") != wanted.stage:
        yield RemoteDifference("experiment", "status", wanted.stage, there.get("status"))
    if wanted.decision is not None and wanted.stage == there.get("status"):
        noted = (there.get("results_cache") or {}).get("decision") or {}
        variant = noted.get("variant")
        if variant is not None and wanted.decision["variant"] is not None and variant != wanted.decision["variant"]:
            yield RemoteDifference("experiment", "decided variant", wanted.decision["variant"], variant)


def named(metrics: Any) -> bool:
    """Whether these are metrics with names, which can be merged one by one."""
    return isinstance(metrics, (list, tuple)) and all(isinstance(m, Mapping) and "name" in m for m in metrics)


def _by_name(metrics: Any) -> dict[str, Mapping[str, Any]]:
    items = metrics if isinstance(metrics, list) else []
    return {str(m.get("name")): m for m in items if isinstance(m, Mapping)}


def flat(flag: Mapping[str, Any]) -> dict[str, Any]:
    """Whatever of a flag decides who gets what, and what people read, field by field; the rest is not ours."""
    out: dict[str, Any] = {}
    for field, word in _FLAG_TEXTS.items():
        value = flag.get(field)
        out[word] = ABSENT if value is None else value
    ruleset = flag.get("ruleset") or {}
    variants = [v for v in ruleset.get("variants") or () if isinstance(v, Mapping)]
    out["order of the variants"] = [v.get("key") for v in variants]
    for v in variants:
        key = v.get("key")
        out[f"split of {key}"] = v.get("split", 0.0)
        out[f"value of {key}"] = v.get("value", ABSENT)
        out[f"control mark of {key}"] = bool(v.get("is_control"))
        out[f"sticky mark of {key}"] = bool(v.get("is_sticky"))
    groups = [g for g in ruleset.get("rollout") or () if isinstance(g, Mapping)]
    out["number of rollout groups"] = len(groups)
    for number, g in enumerate(groups, 1):
        label = f"rollout group {number}"
        out[f"name of {label}"] = g.get("name") or ABSENT
        out[f"share of {label}"] = g.get("rollout_percentage", ABSENT)
        splits = g.get("variant_splits") or {}
        for v in variants:
            out[f"split of {v.get('key')} in {label}"] = splits.get(v.get("key"), v.get("split", 0.0))
        for odd in sorted(set(splits) - {v.get("key") for v in variants}):
            out[f"split of {odd} in {label}"] = splits[odd]
        override = g.get("variant_override")
        out[f"override of {label}"] = override.get("key") if isinstance(override, Mapping) else ABSENT
        for name in _GROUP_RULES:
            out[f"{_RULE_WORDS[name]} of {label}"] = g.get(name) or ABSENT
    users = ((ruleset.get("test") or {}).get("users")) or {}
    for user, variant in users.items():
        out[f"QA user {user}"] = variant
    return out


def same(a: Any, b: Any) -> bool:
    """Whether two JSON values are the same; numbers to twelve digits."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-12
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def merged_experiment(wanted: Wanted, there: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the experiment that have to be written, settings and metrics whole with what others wrote there."""
    out: dict[str, Any] = {}
    for name, value in wanted.experiment.items():
        held = there.get(name)
        new = value
        if name == "settings":
            new = {**(held if isinstance(held, Mapping) else {}), **value}
        elif name == "metrics" and named(value):
            if held and not isinstance(held, list):
                continue  # another shape than a list: not ours to replace
            new = merged_metrics(value, held or [])
        if not same(new, held):
            out[name] = new
    return out


def merged_metrics(ours: Iterable[Mapping[str, Any]], theirs: Iterable[Any]) -> list[Any]:
    """Their metrics with our fields, by name, then the ones that are not there yet."""
    left = {str(m["name"]): m for m in ours}
    out = []
    for metric in theirs:
        own = left.pop(str(metric.get("name")), None) if isinstance(metric, Mapping) else None
        out.append({**metric, **own} if own is not None else metric)
    return [*out, *left.values()]


def merged_flag(body: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """The flag whole as it has to be written: what decides the assignment is ours, the rest stays as it is there."""
    held = there.get("ruleset") or {}
    known = {v.get("key"): v for v in held.get("variants") or () if isinstance(v, Mapping)}
    ruleset = {
        **{k: v for k, v in held.items() if k not in ("variants", "rollout", "test")},
        **body["ruleset"],
        "variants": [{**known.get(v["key"], {}), **v} for v in body["ruleset"]["variants"]],
    }
    tags = list(dict.fromkeys([*(there.get("tags") or ()), *body["tags"]]))
    return {**body, "tags": tags, "ruleset": ruleset}
