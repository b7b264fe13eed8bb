"""How a model of the plan shows itself to `?` and Shift-Tab: one short line a field instead of nested annotations."""

from __future__ import annotations

import inspect
import typing
from types import UnionType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined


class _Elsewhere:
    """Stands for a default that is a whole part of a plan."""

    def __repr__(self) -> str:
        return "…"


_ELSEWHERE = _Elsewhere()
_GIVEN = {int: "int", float: "number", str: "text", bool: "true or false"}


def _parts(annotation: Any) -> list[Any]:
    """The types that an annotation is made of, without `Annotated`, containers and None."""
    if typing.get_origin(annotation) is typing.Literal:
        return [annotation]
    inner = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        inner = inner[:1]
    if not inner:
        return [] if annotation in (type(None), Ellipsis) else [annotation]
    return [part for one in inner for part in _parts(one)]


def type_words(annotation: Any) -> str:
    """Return an annotation in words: `text`, `one of 7, 14, 28`, `Hypothesis`, `list of Variant`."""
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    several = origin in (tuple, list) or (
        origin in (typing.Union, UnionType, typing.Annotated) and any(typing.get_origin(a) in (tuple, list) for a in args)
    )
    names = []
    for part in _parts(annotation):
        if typing.get_origin(part) is typing.Literal:
            name = "one of " + ", ".join(map(str, typing.get_args(part)))
        else:
            name = _GIVEN.get(part, getattr(part, "__name__", str(part)))
        if name not in names:
            names.append(name)
    said = " or ".join(names)
    return f"list of {said}" if several else said


def make_readable(model: type[BaseModel]) -> None:
    """Give a model a signature of names and defaults alone, and a docstring with a line for each field.

    pydantic's own signature spells out every constraint of every nested part, thousands of characters for a plan.
    """
    parameters, lines = [], []
    for name, field in model.model_fields.items():
        shown = field.alias or name
        required = field.is_required()
        kind = inspect.Parameter.KEYWORD_ONLY
        plain = field.default is None or isinstance(field.default, (str, int, float, bool))
        default = inspect.Parameter.empty if required else field.default if plain else _ELSEWHERE
        parameters.append(inspect.Parameter(shown, kind, default=default))
        about = field.description or _first_line(field.annotation)
        given = (
            "required" if required else "" if field.default in (PydanticUndefined, None) or not plain else f"{field.default!r}"
        )
        lines.append(f"    {shown}: {type_words(field.annotation)}{f' ({given})' if given else ''}. {about}".rstrip(". ") + ".")
    model.__signature__ = inspect.Signature(parameters)
    text = inspect.cleandoc(model.__doc__ or "")
    head, mark, rest = text.partition("\n\nRaises:")
    model.__doc__ = f"{head}\n\nArgs:\n" + "\n".join(lines) + mark + rest


def _first_line(annotation: Any) -> str:
    """What a part says of itself."""
    parts = [p for p in _parts(annotation) if isinstance(p, type) and issubclass(p, BaseModel)]
    return inspect.cleandoc(parts[0].__doc__ or "").splitlines()[0].rstrip(".") if len(parts) == 1 else ""
