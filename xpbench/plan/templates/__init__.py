"""Plans to start from: versioned files with a digest; a plan remembers which one it came from and how it differs."""

from __future__ import annotations

import copy
import json
from importlib import resources
from typing import Any

from xpbench.canonical import digest
from xpbench.errors import PlanError, nearest, plain
from xpbench.plan.model import Plan


def template_names() -> list[str]:
    """Names of the templates that ship with the package."""
    return sorted(f.name.removesuffix(".json") for f in resources.files(__package__).iterdir() if f.name.endswith(".json"))


def read_template(name: str) -> dict[str, Any]:
    """The template's file: `name`, `version`, `title`, `use`, `plan`.

    Raises:
        PlanError: `XPB-P30`, there is none of this name.
    """
    known = template_names()
    if name not in known:
        raise PlanError("XPB-P30", name=name, known=plain(", ".join(known)), hint=plain(nearest(name, known)))
    data: dict[str, Any] = json.loads((resources.files(__package__) / f"{name}.json").read_text("utf-8"))
    return data


def template(name: str, *, key: str | None = None, owner: str | None = None) -> Plan:
    """A plan made from a template, with its name, version and digest on record.

    Templates leave the salt out, so that it is the key of whatever the plan becomes: two experiments from one template never
    assign alike.

    Args:
        name: One of `template_names()`.
        key: Key of the new experiment; the template's own if missing.
        owner: Who answers for it.
    """
    data = read_template(name)
    plan = copy.deepcopy(data["plan"])
    if key is not None:
        plan["key"] = key
    if owner is not None:
        plan["owner"] = owner
    plan["template"] = {"name": name, "version": data["version"], "digest": digest(data["plan"])}
    return Plan(**plan)
