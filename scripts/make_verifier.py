"""Writes what the verifier is made of: keys of a plan, wordings of health checks, and docs/verify.py, its parts in one file.

python scripts/make_verifier.py
"""

from __future__ import annotations

import ast
import functools
import json
import subprocess
from pathlib import Path
from typing import Any

from xpbench.health.registry import registered
from xpbench.memo import alone
from xpbench.randomiser.audit.report import REMEDIES
from xpbench.verifier import shape

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "verify.py"
KEYS = Path(shape.__file__).with_name("plan_keys.py")
SCHEMA = ROOT / "xpbench" / "plan" / "plan.schema.json"

HEAD = '''"""Keys of a plan, made from its JSON Schema by `python scripts/make_verifier.py`; `shape` says how to read them."""

from __future__ import annotations

from xpbench.verifier.report import J

PLAN_KEYS: J = '''


def plan_keys() -> str:
    """The source of `plan_keys.py`: which keys a plan may have, and where."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return f"{HEAD}{_source(_shape(schema, schema['$defs']))}\n"


def _shape(node: Any, definitions: Any) -> Any:
    if "$ref" in node:
        return _shape(definitions[node["$ref"].rpartition("/")[2]], definitions)
    for several in ("anyOf", "oneOf"):
        if several in node:
            some = [_shape(one, definitions) for one in node[several] if one.get("type") != "null"]
            return functools.reduce(_both, some)
    if node.get("type") == "array":
        some = [_shape(one, definitions) for one in node.get("prefixItems", [node.get("items", {})])]
        return [functools.reduce(_both, some)]
    if node.get("properties"):
        return {key: _shape(one, definitions) for key, one in sorted(node["properties"].items())}
    if node.get("type") == "object":
        values = node.get("additionalProperties")
        return {"*": _shape(values, definitions) if isinstance(values, dict) else "any"}
    return None if node.keys() & {"type", "enum", "const"} else "any"


def _both(a: Any, b: Any) -> Any:
    """What fits one shape or the other."""
    if isinstance(a, dict) and isinstance(b, dict):
        shared = a.keys() & b.keys()
        return {key: _both(a[key], b[key]) if key in shared else a.get(key, b.get(key)) for key in sorted(a.keys() | b.keys())}
    return a if a == b else "any"


WORDS = KEYS.with_name("health_words.py")
WORDS_HEAD = '''"""Title, gate and wordings of each health check, made from its source by `python scripts/make_verifier.py`.

A wording is in pieces, as its source has them between the values; `health` says how a sentence is read with them.
"""

from __future__ import annotations

CHECKS: dict[str, tuple[str, bool, tuple[str, ...]]] = '''
SHARED = ("sample_ratio", "shares", "skew", "p_values", "windows", "inputs")
"""Modules of health whose words any check may use."""


def health_words() -> str:
    """The source of `health_words.py`: name of a check, its title, whether it is a gate, the pieces of its sentences."""
    home = ROOT / "xpbench" / "health"
    shared = {piece for name in SHARED for piece in pieces((home / f"{name}.py").read_text(encoding="utf-8"))}
    shared |= set(pieces((home.parent / "experiment" / "extra_health_evidence.py").read_text(encoding="utf-8")))
    table = {}
    for name, entry in registered().items():
        own = set(pieces((home / "checks" / f"{name}.py").read_text(encoding="utf-8")))
        if name == "assignment_audit":  # it names the cause that the audit found
            own |= {cause.replace("_", " ") for cause in REMEDIES} | {"unknown"}
        table[name] = (entry.title, entry.gate, tuple(sorted(own)))
    text = f"{table!r}\n"
    common = f"{tuple(sorted(shared))!r}\n"
    about = '"""Pieces that the sentences of every check may have."""'
    return f"{WORDS_HEAD}{_formatted(text)}\nSHARED = {_formatted(common)}\n{about}\n"


def pieces(source: str) -> list[str]:
    """Texts of a module that can be part of a sentence: constants, without docstrings, keys, comparisons and formats."""
    tree = ast.parse(source)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            left_out |= {id(key) for key in node.keys if key is not None}
        elif isinstance(node, (ast.Subscript, ast.Compare, ast.FormattedValue)):
            inner = (
                node.slice
                if isinstance(node, ast.Subscript)
                else node.format_spec
                if isinstance(node, ast.FormattedValue)
                else node
            )
            left_out |= {id(n) for n in ast.walk(inner)} if inner is not None else set()
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            left_out.add(id(node.value))
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            left_out |= {id(n) for d in node.decorator_list for n in ast.walk(d)}
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("findings", "get", "replace")
        ):
            left_out |= {id(n) for a in node.args for n in ast.walk(a)}
    found = {
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in left_out
    }
    return sorted({*found, *_plurals(tree)} - {""})


def _plurals(tree: ast.Module) -> set[str]:
    """What `number_of` makes of a noun: behind a blank, and in the plural that it adds."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "number_of"]
    found: set[str] = set()
    for call in calls:
        nouns = [str(a.value) for a in call.args[1:] if isinstance(a, ast.Constant)]
        found |= {f" {noun}" for noun in nouns} | ({f" {nouns[0]}s"} if len(nouns) == 1 else set())
    return found


def _formatted(text: str) -> str:
    command = ["ruff", "format", "--stdin-filename", "health_words.py", "-"]
    done = subprocess.run(command, input=f"x = {text}", capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.removeprefix("x = ").rstrip("\n")


def _source(shape: Any) -> str:
    """The shape as source, formatted as the linter wants it."""
    text = f"x = {json.dumps(shape).replace('null', 'None')}\n"
    command = ["ruff", "format", "--stdin-filename", "plan_keys.py", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.removeprefix("x = ").rstrip("\n")


if __name__ == "__main__":
    KEYS.write_text(plan_keys(), encoding="utf-8", newline="")
    WORDS.write_text(health_words(), encoding="utf-8", newline="")
    alone.single_file.cache_clear()
    TARGET.write_text(alone.single_file(), encoding="utf-8", newline="")
    print(TARGET)
