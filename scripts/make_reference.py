"""Writes docs/reference from the code: plan fields, messages, commands. A test compares them with what is committed.

python scripts/make_reference.py
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
FOLDER = ROOT / "docs" / "reference"


def errors_page() -> str:
    """Every message with its code."""
    from xpbench.errors import CATALOGUE

    rooms = {
        "I": "Input", "P": "Plan", "L": "Ledger", "S": "Statistics", "A": "Assignment", "E": "Exposure", "M": "Mixpanel",
        "D": "Data", "H": "Health", "R": "Readout and decision", "W": "Watch", "O": "Memo", "J": "Jupyter server",
    }  # fmt: skip
    out = [
        "# Messages",
        "",
        "Every error has what is wrong, the rule, what to do, and a code. Words in braces are values of the case.",
        "",
    ]
    for letter, title in rooms.items():
        codes = [c for c in CATALOGUE if c[4] == letter]
        if not codes:
            continue
        out += [f"## {title}", "", "| code | what is wrong | rule | what to do |", "|---|---|---|---|"]
        out += [
            "| {} | {} |".format(code, " | ".join(p.replace("|", "\\|") for p in CATALOGUE[code])) for code in sorted(codes)
        ]
        out.append("")
    return "\n".join(out)


def plan_page() -> str:
    """Every field of a plan with its type, default and meaning."""
    from pydantic import BaseModel

    from xpbench.plan.metrics import KINDS
    from xpbench.plan.model import Plan

    done: set[type] = set()
    todo: list[tuple[str, type[BaseModel]]] = [("Plan", Plan)]
    out = [
        "# The plan file",
        "",
        "JSON or TOML. `xpbench check FILE` lists every problem at once; `xpbench/plan/plan.schema.json` is the JSON Schema",
        "for editors.",
        "Defaults are written into the registered plan, so that nothing that takes part in a decision is hidden.",
        "",
    ]
    while todo:
        title, model = todo.pop(0)
        if model in done:
            continue
        done.add(model)
        text = (model.__doc__ or "").strip().splitlines()[0]
        out += [f"## {title}", "", text, "", "| key | type | default | meaning |", "|---|---|---|---|"]
        for name, field in model.model_fields.items():
            default = "needed" if field.is_required() else _default(field.default, field.default_factory)
            key = field.alias or name
            out.append(f"| `{key}` | {_type(field.annotation)} | {default} | {field.description or ''} |")
            for inner in _models(field.annotation):
                todo.append((inner.__name__, inner))
        out.append("")
    out += ["Kinds of metrics: " + ", ".join(f"`{k}`" for k in KINDS) + ".", ""]
    return "\n".join(out)


def _models(annotation: Any) -> list[Any]:
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for a in typing.get_args(annotation) for m in _models(a)]


def _type(annotation: Any) -> str:
    from pydantic import BaseModel

    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return " · ".join(f"`{a}`" for a in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(a) for a in arguments if a is not type(None))
    if origin in (tuple, list):
        return "list of " + _type(arguments[0])
    if origin is dict:
        return "object"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return {"str": "text", "float": "number", "int": "whole number", "bool": "true/false"}.get(
        getattr(annotation, "__name__", ""), "value"
    )


def _default(default: Any, factory: Any) -> str:
    if factory is not None:
        return "empty"
    if default is None:
        return "–"
    if hasattr(default, "model_dump"):
        return "its defaults"
    if isinstance(default, tuple):
        return "empty" if not default else "its defaults" if hasattr(default[0], "model_dump") else f"`{list(default)}`"
    return f"`{default}`"


def cli_page() -> str:
    """Every command with its help."""
    os.environ["COLUMNS"] = "110"
    from xpbench.cli import build_parser

    parser = build_parser()
    commands = next(a for a in parser._actions if getattr(a, "choices", None))
    out = [
        "# The command line",
        "",
        "Every command takes `--json`; exit 0 = done, 1 = the check says no, 2 = bad input",
        "(`verify`: 3 = made by a newer version).",
        "",
    ]
    for name, command in dict(commands.choices or {}).items():
        text = command.format_help().replace("show this help message and exit", "show this help")
        out += [f"## xpbench {name}", "", "```text", text.strip(), "```", ""]
    return "\n".join(out)


def api_page() -> str:
    """Every public name with signature and docstring."""
    import xpbench

    out = [
        "# Python",
        "",
        "`import xpbench as xp`. These names are the public face; they load on first use.",
        "What comes after the subject is keyword-only.",
        "",
    ]
    for name in sorted(set(xpbench.__all__) - {"__version__"}, key=lambda n: (n[0].isupper(), n.lower())):
        value = getattr(xpbench, name)
        out += [f"## xp.{name}", "", *_member(f"xp.{name}", value), ""]
        if inspect.isclass(value):
            for inner, member in sorted(vars(value).items()):
                if inner.startswith("_") or not (inspect.isroutine(member) or isinstance(member, (property, classmethod))):
                    continue
                if not _own(member):
                    continue
                out += [f"### xp.{name}.{inner}", "", *_member(inner, member), ""]
    return "\n".join(out).rstrip() + "\n"


def _function(member: Any) -> Any:
    return member.fget if isinstance(member, property) else getattr(member, "__func__", member)


def _own(member: Any) -> bool:
    """Whether we wrote it and said what it is for."""
    function = _function(member)
    return getattr(function, "__module__", "").startswith("xpbench") and bool(function.__doc__)


def _member(name: str, value: Any) -> list[str]:
    function = _function(value)
    kind = "property" if isinstance(value, property) else ""
    try:
        signature = "" if kind else _signature(function)
    except (TypeError, ValueError):
        signature = "(…)"
    return [
        "```text",
        f"{name}{signature}" if not kind else f"{name}  (property)",
        "```",
        "",
        *_docstring(inspect.getdoc(function) or ""),
    ]


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [
        p.replace(annotation=inspect.Parameter.empty) for n, p in signature.parameters.items() if n not in ("self", "cls")
    ]
    if any(p.kind is p.VAR_KEYWORD and p.name == "data" for p in parameters):
        return "(**fields)"
    text = str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(function|class|bound method) '?([\w.]+)'?[^>]*>", lambda m: m[2].rpartition(".")[2], text)


def _docstring(text: str) -> list[str]:
    """Google's sections as lists."""
    out: list[str] = []
    listed = False
    for line in text.splitlines():
        section = re.fullmatch(r"(Args|Attributes|Returns|Raises|Yields|Warns|Example|Examples|Note):", line.strip())
        if section and not line.startswith(" "):
            out += ["", f"**{section[1]}**", ""]
            listed = section[1] in ("Args", "Attributes", "Raises", "Warns")
        elif listed and re.match(r"    \S", line):
            name, sign, rest = line.strip().partition(": ")
            out.append(f"- `{name}`: {rest}" if sign else f"- {line.strip()}")
        elif line.startswith("    "):
            out.append(("  " if listed else "") + line.strip())
        else:
            listed = listed and not line.strip()
            out.append(line)
    return [line.replace("<", "&lt;") if "`" not in line else line for line in out]


PAGES = {"api.md": api_page, "errors.md": errors_page, "plan.md": plan_page, "cli.md": cli_page}

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for page, make in PAGES.items():
        (FOLDER / page).write_text(make(), "utf-8")
