import pytest

from xpbench.ledger import LEVELS, Entry, knowledge
from xpbench.ledger.entry import START


def entries(*kinds):
    return [
        Entry(
            i + 1,
            k[0] if isinstance(k, tuple) else k,
            "2026-11-03T09:00:00.000000Z",
            None,
            k[1] if isinstance(k, tuple) else {},
            START,
        )
        for i, k in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("kinds", "level"),
    [
        ([], 0),
        (["registered", "preflight", "signed_off", "amended"], 0),
        (["registered", "launched"], 1),
        (["registered", ("looked", {"outcomes": False})], 1),
        (["registered", "launched", "looked"], 2),
        (["registered", "looked", "peeked"], 3),
        (["registered", "opened", "amended"], 3),
        (["registered", "decided"], 3),
        (["registered", ("decided", {"effects": False})], 1),
        (["peeked", "looked"], 3),
    ],
)
def test_level_of_knowledge(kinds, level):
    assert knowledge(entries(*kinds)) == LEVELS[level]


def test_knowledge_never_falls():
    run = entries("registered", "launched", "looked", "looked", "peeked", "amended", "opened", "decided", "memo")
    levels = [LEVELS.index(knowledge(run[:i])) for i in range(len(run) + 1)]
    assert levels == sorted(levels)
