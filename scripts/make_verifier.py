"""Writes what the verifier is made of: the keys of a plan, and docs/verify.py, its parts joined to one file of Python.

python scripts/make_verifier.py
"""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

from xpbench.memo import alone
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


def _source(shape: Any) -> str:
    """The shape as source, formatted as the linter wants it."""
    text = f"x = {json.dumps(shape).replace('null', 'None')}\n"
    command = ["ruff", "format", "--stdin-filename", "plan_keys.py", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.removeprefix("x = ").rstrip("\n")


if __name__ == "__main__":
    KEYS.write_text(plan_keys(), encoding="utf-8", newline="")
    alone.single_file.cache_clear()
    TARGET.write_text(alone.single_file(), encoding="utf-8", newline="")
    print(TARGET)
