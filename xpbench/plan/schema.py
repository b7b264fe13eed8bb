"""The JSON Schema of plan files, generated from the model and committed next to it.

`python -m xpbench.plan.schema` writes it again after a change of the model; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xpbench.plan.model import Plan

PATH = Path(__file__).with_name("plan.schema.json")


def plan_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a plan file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "xpbench plan",
        **{k: v for k, v in Plan.model_json_schema(by_alias=True).items() if k != "title"},
    }


def schema_text() -> str:
    """The bytes of the committed file, as text."""
    return json.dumps(plan_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema_text(), "utf-8")
