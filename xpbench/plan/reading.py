"""Reading plans from files and dictionaries, with every problem told at once."""

from __future__ import annotations

import copy
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from xpbench.canonical import strict_loads
from xpbench.errors import InputError, InvalidPlan, PlanError, Problem, nearest, plain
from xpbench.plan.model import SCHEMA, Plan

MAX_BYTES = 1_000_000
"""Size up to which plan files are read."""

_ROUNDS = 20


def load_plan(path: str | Path) -> Plan:
    """The plan in a JSON or TOML file.

    Raises:
        InputError: the file is missing, too large, or not well-formed.
        InvalidPlan: with all problems of structure. What only the whole plan shows is told by `plan.problems()`.
    """
    return Plan(**read_document(path))


def read_document(path: str | Path) -> dict[str, Any]:
    """The JSON object in a plan file (JSON or TOML), unchecked but for its schema version."""
    file = Path(path)
    kind = "TOML" if file.suffix.lower() == ".toml" else "JSON"
    try:
        if not file.is_file():
            raise InputError("XPB-I01", path=str(path))
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise InputError("XPB-I03", path=str(path), size=size, limit=MAX_BYTES)
        content = file.read_bytes()
    except OSError as error:
        raise InputError("XPB-I02", path=str(path), kind=kind, reason=error.strerror or str(error)) from error
    try:
        text = content.decode("utf-8-sig")
        data = tomllib.loads(text) if kind == "TOML" else strict_loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"the top level is a {type(data).__name__}, not an object")
    except (ValueError, RecursionError) as error:
        raise InputError("XPB-I02", path=str(path), kind=kind, reason=str(error)) from error
    found = data.get("schema", SCHEMA)
    if isinstance(found, int) and not isinstance(found, bool) and found > SCHEMA:
        raise PlanError("XPB-P29", path=str(path), found=found, known=SCHEMA)
    return data


def check(data: Mapping[str, Any]) -> list[Problem]:
    """Every problem of a plan given as a dictionary: of structure and of meaning, in the order of the plan.

    Parts that can't be read are told and set aside, so that the rest is checked in the same call.
    """
    problems: list[Problem] = []
    rest = copy.deepcopy(dict(data))
    gone: dict[tuple[str | int, ...], list[int]] = {}
    for _ in range(_ROUNDS):
        try:
            plan = Plan(**rest)
        except InvalidPlan as invalid:
            problems += [q for p in invalid.problems if (q := _shifted(p, gone)) not in problems]
            if not isinstance(invalid.source, ValidationError) or not _mend(rest, invalid.source, gone):
                return problems
        else:
            broken = [p.pointer for p in problems]
            found = [_shifted(p, gone) for p in plan.problems()]
            return problems + [p for p in found if not _follows(p, broken, data, gone)]
    return problems


def structural_problems(error: ValidationError, data: Mapping[str, Any]) -> list[Problem]:
    """Our words for what pydantic found wrong in `data`."""
    out = []
    for item in error.errors(include_url=False, include_context=True, include_input=True):
        location = list(_place(item["loc"], data))
        pointer = pointer_of(location)
        owner = plain(_owner(location[:-1]))
        match item["type"]:
            case "extra_forbidden":
                fields = _fields_at(location[:-1], data)
                label = location[-1] == "label" and "name" in fields  # what forms and rows call it
                hint = "The file calls it 'name'" if label else nearest(str(location[-1]), fields)
                out.append(Problem.of("XPB-P01", pointer, owner=owner, hint=plain(hint)))
            case "missing" | "union_tag_not_found":
                where = location if item["type"] == "missing" else [*location, "kind"]
                rule = plain(_owner(where[:-1]))
                out.append(Problem.of("XPB-P02", pointer_of(where), owner=rule))
            case "union_tag_invalid":
                known = item.get("ctx", {}).get("expected_tags", "")
                tag = item["input"].get("kind") if isinstance(item["input"], dict) else item["input"]
                out.append(
                    Problem.of("XPB-P03", pointer_of([*location, "kind"]), value=tag, rule=plain(f"Known kinds: {known}"))
                )
            case _:
                out.append(Problem.of("XPB-P03", pointer, value=item["input"], rule=plain(_rule(item))))
    return out


def pointer_of(location: Sequence[str | int]) -> str:
    """JSON pointer (RFC 6901) of a location."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _rule(item: Mapping[str, Any]) -> str:
    text = str(item["msg"]).replace("Input should", "It should")
    return text[:1].upper() + text[1:]


def _place(loc: Sequence[str | int], data: Any) -> list[str | int]:
    """The location without the tags that pydantic adds for unions."""
    out: list[str | int] = []
    here: Any = data
    tagged = False
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if not tagged and _is_union(out) and isinstance(here, Mapping) and here.get("kind") == part:
            tagged = True  # the tag, even where a field has the same name: a metric of kind `column` has a field `column`
        elif isinstance(here, Mapping) and isinstance(part, str) and part in here:
            out.append(part)
            here = here[part]
        elif isinstance(here, (list, tuple)) and isinstance(part, int):
            out.append(part)
            here = here[part] if part < len(here) else None
        elif isinstance(here, Mapping) and last and isinstance(part, str):
            out.append(part)
        elif last and not isinstance(here, (Mapping, list, tuple)):
            continue
    return out


def _is_union(location: Sequence[str | int]) -> bool:
    """Whether parts of several kinds may be at a location."""
    return tuple(location[:1]) == (("model",) if len(location) == 1 else ("metrics",) if len(location) == 2 else ())


def _owner(location: Sequence[str | int]) -> str:
    if not location:
        return "The plan"
    if len(location) >= 2 and isinstance(location[-1], int):
        singular = {"metrics": "metric", "variants": "variant", "then": "claim", "rollout": "rollout group"}
        return f"The {singular.get(str(location[-2]), 'entry of ' + str(location[-2]))} at {pointer_of(location)}"
    return f"The part {pointer_of(location)}"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, tuple, list) or origin is typing.Annotated:
        return [m for a in typing.get_args(annotation) for m in _models(a)]
    return []


def _step(here: Any, part: str | int) -> Any:
    if isinstance(here, Mapping):
        return here.get(part)
    if isinstance(here, (list, tuple)) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def _fields_at(location: Sequence[str | int], data: Any) -> list[str]:
    """Names allowed in the object at a location."""
    models: list[type[BaseModel]] = [Plan]
    here: Any = data
    for part in location:
        here = _step(here, part)
        if isinstance(part, int):
            continue
        found: list[type[BaseModel]] = []
        for model in models:
            for name, field in model.model_fields.items():
                if part in (name, field.alias):
                    found += _models(field.annotation)
        models = found
    if isinstance(here, Mapping) and isinstance(here.get("kind"), str):
        tagged = [m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == here["kind"]]
        models = tagged or models
    return sorted({field.alias or name for m in models for name, field in m.model_fields.items()})


_FILLERS: dict[str, Any] = {
    "key": "x",
    "title": "x",
    "owner": "x",
    "hypothesis": {"if": "x", "because": "x", "then": []},
    "if": "x",
    "because": "x",
    "variants": [],
    "metrics": [],
}


def _mend(data: dict[str, Any], error: ValidationError, gone: dict[tuple[str | int, ...], list[int]]) -> bool:
    """Set aside what can't be read, so that the rest can be checked; False when nothing more can be done."""
    places = [
        _place(item["loc"], data) + (["kind"] if item["type"] in ("union_tag_invalid", "union_tag_not_found") else [])
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    types_ = [item["type"] for item in error.errors(include_url=False, include_context=False, include_input=False)]
    dropped: set[tuple[str | int, ...]] = set()
    for place, kind in sorted(
        zip(places, types_, strict=True), key=lambda p: [str(x).rjust(9, "0") for x in p[0]], reverse=True
    ):
        if not place:
            return False
        top = place[0]
        if kind == "missing" and len(place) == 1:
            data[str(top)] = copy.deepcopy(_FILLERS.get(str(top), "x"))
            continue
        if len(place) == 1:
            if top in _FILLERS:
                data[str(top)] = copy.deepcopy(_FILLERS[str(top)])
            else:
                data.pop(str(top), None)
            continue
        if top == "hypothesis" and len(place) == 2 and place[1] in ("if", "because"):
            if isinstance(data[top], dict):
                data[top][place[1]] = "x"
            continue
        index = next((i for i, part in enumerate(place) if isinstance(part, int)), None)
        if index is not None and kind != "extra_forbidden":
            target = tuple(place[: index + 1])
            if target not in dropped:
                dropped.add(target)
                _delete(data, target)
                position = int(target[-1])
                for before in gone.setdefault(target[:-1], []):
                    position += before <= position
                gone[target[:-1]] = sorted([*gone[target[:-1]], position])
        else:
            _delete(data, tuple(place))
    return True


def _delete(data: Any, place: tuple[str | int, ...]) -> None:
    here = data
    for part in place[:-1]:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return
    try:
        del here[place[-1]]
    except (KeyError, IndexError, TypeError):
        return


def _shifted(problem: Problem, gone: Mapping[tuple[str | int, ...], list[int]]) -> Problem:
    """The problem with the list positions of the document as it was given, before parts were set aside."""
    if not gone:
        return problem
    parts: list[str | int] = [int(p) if p.isdigit() else p for p in problem.pointer.split("/")[1:]]
    for i, part in enumerate(parts):
        if isinstance(part, int):
            for removed in gone.get(tuple(parts[:i]), ()):
                part += removed <= part
            parts[i] = part
    moved = pointer_of(parts)
    if moved == problem.pointer:
        return problem
    return Problem(moved, problem.code, problem.what.replace(problem.pointer, moved), problem.rule, problem.remedy)


def _follows(
    problem: Problem, broken: Sequence[str], data: Mapping[str, Any], gone: Mapping[tuple[str | int, ...], list[int]]
) -> bool:
    """Whether a problem of meaning is only the shadow of a problem of structure that is reported already."""
    at = problem.pointer
    if any(at == b or at.startswith(b + "/") or b.startswith(at + "/") for b in broken):
        return True
    if problem.code == "XPB-P16":
        metrics = data.get("metrics")
        lost = [metrics[i] for i in gone.get(("metrics",), ()) if isinstance(metrics, list) and i < len(metrics)]
        return any(isinstance(m, Mapping) and repr(str(m.get("key"))) in problem.what for m in lost)
    return False


def ensure_registrable(plan: Plan) -> None:
    """Raise `InvalidPlan` with all problems unless the plan can be registered."""
    found = plan.problems()
    if found:
        raise InvalidPlan(found)
