"""From the plan model to fields: every field of every part gets a control, named and explained."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from xpbench.forms import labels as words
from xpbench.forms.composites import KindField, ListField, ObjectField, OptionalField
from xpbench.forms.field import MISSING, Field
from xpbench.forms.inputs import (
    ChoiceLeaf,
    ConstantLeaf,
    JsonLeaf,
    MappingLeaf,
    NumberLeaf,
    PercentLeaf,
    ScalarLeaf,
    TextLeaf,
    TickLeaf,
    WordsLeaf,
)

LONG = {("Hypothesis", "if"), ("Hypothesis", "because"), ("Plan", "notes"), ("Formula", "expression")}
LIVE = {("Hypothesis", "if"), ("Hypothesis", "because"), ("Plan", "title")}
NOUNS = {
    "Claim": "claim", "Filter": "condition", "Step": "step", "Rollout": "rollout group", "SignOff": "sign-off", "Link": "link",
}  # fmt: skip
BLANKS: dict[str, dict[str, Any]] = {
    "Claim": {"direction": "increase"},
    "Filter": {"op": "=="},
    "Rollout": {"share": 1.0},
    "SignOff": {"needed_for": "register"},
}

Special = Callable[[type[BaseModel], str, FieldInfo], Field]
Specials = Mapping[tuple[str, str], Special]
"""Makers of fields that are more than their annotation says, by (class, key)."""


def keys_of(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Keys as they are in the file, with what the model says of them."""
    for name, info in model.model_fields.items():
        yield info.alias or name, info


def object_field(
    model: type[BaseModel],
    *,
    leave_out: tuple[str, ...] = (),
    only: tuple[str, ...] | None = None,
    special: Specials | None = None,
    first: tuple[str, ...] = (),
) -> ObjectField:
    """The fields of a part of the plan.

    Args:
        model: Class of the part.
        leave_out: Keys that someone else shows.
        only: Keys to show, in this order; all others are left out.
        special: Makers of fields for this part and all below it.
        first: Keys that stand before the others, where the part has them.
    """
    infos = dict(keys_of(model))
    order = [k for k in (only if only is not None else infos) if k in infos and k not in leave_out]
    order = [*(k for k in first if k in order), *(k for k in order if k not in first)]
    rare = [k for c in model.__mro__ for k in words.RARE.get(c.__name__, ())]
    return ObjectField({k: field_of(model, k, infos[k], special=special) for k in order}, rare=rare, rows=words.ROWS)


T = TypeVar("T")


def _looked_up(table: Mapping[tuple[str, str], T], model: type[BaseModel], key: str) -> T | None:
    return next((table[c.__name__, key] for c in model.__mro__ if (c.__name__, key) in table), None)


def label_of(model: type[BaseModel], key: str) -> str:
    """Label of a key for people."""
    return _looked_up(words.LABELS, model, key) or key.replace("_", " ").capitalize()


def help_of(model: type[BaseModel], key: str, info: FieldInfo) -> str:
    """Help of a key: ours, else what the model says, unless the label says it already."""
    said = _looked_up(words.HELP, model, key) or info.description or ""
    return "" if said.casefold() == label_of(model, key).casefold() else said


def unwrapped(annotation: Any) -> tuple[Any, bool]:
    """The annotation without `Annotated` and `None`, and whether `None` was there."""
    optional = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            rest = [a for a in typing.get_args(annotation) if a is not type(None)]
            optional = optional or len(rest) < len(typing.get_args(annotation))
            if len(rest) > 1:
                return typing.Union[tuple(rest)], optional  # noqa: UP007
            annotation = rest[0]
        else:
            return annotation, optional


def _default(info: FieldInfo) -> Any:
    if info.default_factory is not None:
        return info.default_factory()  # type: ignore[call-arg]
    return MISSING if info.default is PydanticUndefined else info.default


def default_of(info: FieldInfo) -> Any:
    """The default of a key as a JSON value; `MISSING` where it has none."""
    return _json(_default(info))


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, (list, tuple)):
        return [_json(v) for v in value]
    return value


def _is_part(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def kinds_of(annotation: Any) -> dict[str, type[BaseModel]]:
    """Classes of a tagged union by kind."""
    inner, _ = unwrapped(annotation)
    return {str(c.model_fields["kind"].default): c for c in typing.get_args(inner) if _is_part(c) and "kind" in c.model_fields}


def field_of(model: type[BaseModel], key: str, info: FieldInfo, *, special: Specials | None = None) -> Field:
    """The field for one key of a part."""
    if special and (maker := _looked_up(special, model, key)):
        return maker(model, key, info)
    kind, optional = unwrapped(info.annotation)
    label, help_, default = label_of(model, key), help_of(model, key, info), _json(_default(info))
    origin = typing.get_origin(kind)
    if (model.__name__, key) in {("Plan", "schema"), ("Plan", "template")}:
        return ConstantLeaf(label, default=default if default is not None else MISSING)
    if origin is Literal:
        return ChoiceLeaf(label, typing.get_args(kind), words=words.CHOICES, about=help_, default=default, optional=optional)
    if kind is bool:
        return TickLeaf(label, about=help_, default=default is True)
    if kind is float and any((c.__name__, key) in words.PERCENT for c in model.__mro__):
        return PercentLeaf(label, about=help_, default=default, whole_shares=key in words.WHOLE_SHARES)
    if kind in (int, float):
        return NumberLeaf(label, about=help_, default=default, whole=kind is int)
    if kind is str:
        empty = "" if not optional and not any(getattr(m, "min_length", None) for m in _metadata(info)) else MISSING
        return TextLeaf(
            label, about=help_, default=MISSING if default is None else default, empty=empty,
            long=(model.__name__, key) in LONG, live=(model.__name__, key) in LIVE,
        )  # fmt: skip
    if origin is tuple:
        return _list_field(label, help_, typing.get_args(kind)[0], default, optional, special)
    if origin is dict:
        of, _ = unwrapped(typing.get_args(kind)[1])
        if of is Any:
            return JsonLeaf(label, about=help_)
        return MappingLeaf(label, about=help_, numbers=of is float, optional=optional)
    if _is_part(kind):
        if optional:
            return OptionalField(label, lambda: object_field(kind, special=special), about=help_)
        return object_field(kind, special=special)
    if kinds := kinds_of(kind):
        choice = ChoiceLeaf(label, list(kinds), words=words.CHOICES, about=help_, default=(default or {}).get("kind", MISSING))
        return KindField(choice, lambda k: object_field(kinds[k], leave_out=("kind",), special=special))
    return ScalarLeaf(label, about=help_)


def _metadata(info: FieldInfo) -> list[Any]:
    inner = typing.get_args(info.annotation)
    return [*info.metadata, *(m for a in inner if typing.get_origin(a) is Annotated for m in typing.get_args(a)[1:])]


def _list_field(label: str, help_: str, of: Any, default: Any, optional: bool, special: Specials | None) -> Field:
    item, _ = unwrapped(of)
    if _is_part(item):
        noun = NOUNS.get(item.__name__, "entry")
        return ListField(
            label, noun=noun, about=help_, make=lambda: object_field(item, special=special),
            blank=lambda: dict(BLANKS.get(item.__name__, {})),
            default=default or [], optional=optional,
        )  # fmt: skip
    return WordsLeaf(label, about=help_, default=default, numbers=item in (int, float), whole=item is int, optional=optional)
