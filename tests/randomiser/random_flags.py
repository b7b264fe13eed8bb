"""Random flag definitions and contexts for comparing with the official SDK, odd ones included."""

from __future__ import annotations

import random
from typing import Any

TEXTS = [
    "a",
    "b",
    "control",
    "Treatment",
    "Ünï",
    "ß",
    "SS",
    "日本",
    "😀",
    "",
    " ",
    "İ",
    "ﬁ",
    "1",
    "true",
    "UK",
    "uk",
    "Plan",
    "10.0",
]
NAMES = ["plan", "Plan", "country", "AGE", "age", "version", "signup", "tags", "nested", "é", "İd", "none"]
KEYS = ["checkout", "Checkout", "", "new-home", "flag😀", "ß"]


def unit(r: random.Random) -> Any:
    return r.choice(
        (
            lambda: f"user-{r.randrange(10**6)}",
            lambda: str(r.randrange(10**6)),
            lambda: r.randrange(-5, 10**6),
            lambda: r.choice(["", 0, None, False, "0", 0.0, [], "None"]),
            lambda: f"{r.getrandbits(128):032x}",
            lambda: "".join(
                chr(r.choice([r.randrange(32, 127), r.randrange(160, 0x2000), 0x1F600 + r.randrange(50)]))
                for _ in range(r.randrange(1, 12))
            ),
            lambda: True,
            lambda: 12345.0,
        )
    )()


def text_unit(r: random.Random) -> str:
    while True:
        value = unit(r)
        if isinstance(value, str):
            return value


def value(r: random.Random) -> Any:
    return r.choice(
        (
            lambda: r.choice(TEXTS),
            lambda: r.choice(TEXTS),
            lambda: r.randrange(-3, 60),
            lambda: r.choice([0.5, 10.0, -1.25, 18.0]),
            lambda: r.choice([True, False]),
            lambda: r.choice(["v1.2", "1.2.3", "1.2.3-beta.1", "2.0.0+b", "x.y"]),
            lambda: r.choice(["2026-01-01T00:00:00Z", "2026-06-30T12:00:00+02:00", "2026-02-30T00:00:00Z"]),
            lambda: [r.choice(TEXTS) for _ in range(r.randrange(3))],
            lambda: {"inner": r.choice(TEXTS), "Deep": {"x": r.randrange(3)}},
        )
    )()


def scalar(r: random.Random) -> Any:
    while True:
        found = value(r)
        if not isinstance(found, (list, dict)):
            return found


def leaf(r: random.Random) -> Any:
    variable = {"var": r.choice([*NAMES, "nested.inner", "nested.Deep.x", "tags.0", "", ["age", 7], ["zip", "Z"]])}
    return r.choice(
        (
            lambda: {r.choice(["==", "===", "!=", "!=="]): [variable, scalar(r)]},
            lambda: {r.choice(["<", "<=", ">", ">="]): [variable, r.choice([scalar(r), r.randrange(60)])]},
            lambda: {"<": [r.randrange(20), variable, r.randrange(60)]},
            lambda: {"in": [variable, [scalar(r) for _ in range(r.randrange(4))]]},
            lambda: {"in": [scalar(r), variable]},
            lambda: {"!!": [variable]},
            lambda: {"!": [variable]},
            lambda: variable,
            lambda: {"missing": [r.choice(NAMES), r.choice(NAMES)]},
            lambda: {"missing_some": [1, [r.choice(NAMES), r.choice(NAMES)]]},
            lambda: {"semver_compare": [variable, r.choice(["===", "<", ">=", "~"]), r.choice(["1.2.0", "1.2.3", "v2"])]},
            lambda: {
                "datetime_compare": [variable, r.choice(["<", ">=", "==="]), r.choice([1767225600000, 1780000000000, True])]
            },
            lambda: {"if": [variable, True, False]},
            lambda: {">": [{"+": [variable, 1]}, 10]},
            lambda: {"==": [{"cat": [variable, "x"]}, r.choice(TEXTS) + "x"]},
            lambda: {"unknown_op": [1]},
            lambda: {"%": [variable, 0]},
            lambda: {"var": {"cat": ["a", "ge"]}},
            lambda: r.choice([True, 1, "x", [1], {}, None, 0, ""]),
        )
    )()


def rule(r: random.Random, depth: int = 0) -> Any:
    kind = r.random()
    if depth < 3 and kind < 0.25:
        return {"and": [rule(r, depth + 1) for _ in range(r.randrange(0, 4))]}
    if depth < 3 and kind < 0.45:
        return {"or": [rule(r, depth + 1) for _ in range(r.randrange(0, 4))]}
    if depth < 3 and kind < 0.55:
        return {"!": [rule(r, depth + 1) for _ in range(r.choice([1, 1, 1, 2, 0]))]}
    if depth < 3 and kind < 0.58:
        return {"and": rule(r, depth + 1), "or": [True]}
    return leaf(r)


def splits(r: random.Random, k: int) -> list[float | None]:
    kind = r.random()
    if kind < 0.35:
        return [1 / k] * k
    if kind < 0.5:
        return [round(1 / k, 2)] * k
    if kind < 0.6:
        return [0.2] * k
    if kind < 0.7:
        return [0.7] * k
    if kind < 0.72:
        return [r.choice([None, 0.5]) for _ in range(k)]
    cuts = sorted(round(r.random(), r.choice([1, 2, 4])) for _ in range(k - 1))
    return [b - a for a, b in zip([0.0, *cuts], [*cuts, 1.0], strict=True)]


def definition(r: random.Random, key: str | None = None) -> dict[str, Any]:
    k = r.choice([1, 2, 2, 2, 3, 4, 10])
    names = r.sample([*TEXTS, "beta", "v2", "v10", "V3"], k)
    if r.random() < 0.05:
        names[-1] = names[0]
    variants: list[dict[str, Any]] = []
    for i, (name, split) in enumerate(zip(names, splits(r, k), strict=True)):
        variants.append({"key": name, "value": r.choice([name, True, {"x": i}]), "is_control": i == 0, "split": split})
        if r.random() < 0.05:
            del variants[-1]["split"]
    rollout = []
    for _ in range(r.choice([0, 1, 1, 1, 2, 3])):
        group: dict[str, Any] = {
            "rollout_percentage": r.choice([0, 0.001, 0.01, 0.05, 0.125, 0.5, 0.99, 1, 1.0, round(r.random(), 3)])
        }
        if r.random() < 0.5:
            group["runtime_evaluation_rule"] = rule(r)
        if r.random() < 0.15:
            group["runtime_evaluation_definition"] = {r.choice([*NAMES]): r.choice(TEXTS) for _ in range(r.randrange(3))}
        if r.random() < 0.2:
            group["variant_override"] = r.choice([{"key": r.choice([*names, names[0].upper(), "nobody"])}, None])
        if r.random() < 0.25:
            group["variant_splits"] = {r.choice([*names, "nobody"]): round(r.random(), 2) for _ in range(r.randrange(3))}
        rollout.append(group)
    ruleset: dict[str, Any] = {"variants": variants, "rollout": rollout}
    if r.random() < 0.3:
        ruleset["test"] = {
            "users": {f"user-{i}": r.choice([*names, names[0].upper(), "nobody", ""]) for i in range(3)}
            | {"0": names[0], "12345": names[0]}
        }
    return {
        "id": "1",
        "name": "n",
        "key": r.choice(KEYS) if key is None else key,
        "status": "enabled",
        "project_id": 1,
        "context": r.choice(["distinct_id", "distinct_id", "device_id", "company"]),
        "experiment_id": r.choice([None, "e"]),
        "is_experiment_active": r.choice([None, True]),
        "hash_salt": r.choice([None, None, "", "s", f"{r.getrandbits(128):032x}"]),
        "ruleset": ruleset,
    }


def properties(r: random.Random) -> Any:
    if r.random() < 0.1:
        return r.choice([None, {}, "x", [1], 0])
    return {r.choice(NAMES): value(r) for _ in range(r.randrange(1, 5))}


def context(r: random.Random, of: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {"distinct_id": r.choice([unit(r), f"user-{r.randrange(4)}"])}
    if isinstance(out["distinct_id"], list):
        out["distinct_id"] = ""
    if of["context"] != "distinct_id" and r.random() < 0.95:
        out[of["context"]] = unit(r)
    if r.random() < 0.05:
        del out["distinct_id"]
    if r.random() < 0.9:
        out["custom_properties"] = properties(r)
    return out
