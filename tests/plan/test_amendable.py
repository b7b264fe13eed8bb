"""Every field of a plan has a class, and the verifier knows the same neutral ones."""

from __future__ import annotations

import re

import pytest

from tests.decide.test_deviations import DOCUMENT, leaves, mutated
from xpbench.plan.amendable import TABLE, class_of
from xpbench.plan.diff import diff
from xpbench.verifier.chain import NEUTRAL as VERIFIED_NEUTRAL

NEUTRAL = {"schema", "title", "owner", "notes", "watch", "sign_offs", "planning", "template"}
FROZEN = {"key", "unit", "assignment", "variants"}


@pytest.mark.parametrize("path", list(leaves(DOCUMENT)), ids=lambda p: "/".join(map(str, p)))
def test_each_field_has_its_class(path: tuple[object, ...]) -> None:
    """A change of any field is decisive but for what is listed here; renaming a keyed part is a change of the whole part."""
    expected = "neutral" if path[0] in NEUTRAL else "frozen" if path[0] in FROZEN else "decisive"
    if path[0] in ("variants", "metrics") and path[-1] == "name":
        expected = "neutral"
    if path[:2] == ("assignment", "rollout") and path[-1] == "share":
        expected = "neutral"
    classes = {class_of(change.pointer) for change in diff(DOCUMENT, mutated(path))}
    if path[-1] == "key" and len(path) > 1 and path[0] != "assignment":  # every field of the part comes and goes with it
        assert expected in classes
    else:
        assert classes == {expected}


def test_the_table_names_every_part_of_a_plan() -> None:
    """No field of the model is decisive by mere silence."""
    from xpbench.plan import Plan

    fields = {f.alias or name for name, f in Plan.model_fields.items()}
    assert {name for name in fields if not any(re.match(pattern, f"/{name}") for pattern, _, _ in TABLE)} == set()


def test_what_nobody_has_thought_of_is_decisive() -> None:
    assert class_of("/a_field_of_2031") == "decisive"
    assert class_of("/titles") == "decisive"
    assert class_of("/metrics/[quote]/named") == "decisive"


def test_the_verifier_has_the_same_neutral_fields() -> None:
    assert tuple(pattern for pattern, kind, _ in TABLE if kind == "neutral") == VERIFIED_NEUTRAL
