"""One grammar of entries, held by every reader and by the verifier."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.errors import BrokenLedger, LedgerError
from xpbench.ledger import Ledger, Witness, fixed_clock, grammar
from xpbench.ledger.entry import KINDS, START, body_bytes, make_entry
from xpbench.ledger.ledger import verify_lines
from xpbench.verifier import grammar as second
from xpbench.verifier.chain import chain

P, Q = "a" * 64, "b" * 64


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "x" / "ledger.jsonl", clock=fixed_clock("2026-11-03T09:00:00", step_seconds=60))


def registered(ledger):
    ledger.append("registered", {"plan": {"key": "x"}, "plan_digest": P})
    return ledger


def test_both_copies_of_the_table_are_the_same():
    assert {k: (tuple(a), tuple(b)) for k, (a, b) in grammar.GRAMMAR.items()} == second.GRAMMAR
    assert grammar.ABOUT_THE_PLAN == second.ABOUT_THE_PLAN
    assert all(set(v) == set(second.CONFLICTS) for v in grammar.CONFLICTS.values())
    assert set(grammar.CONFLICTS) == set(second.CONFLICTS)


def test_a_plan_is_registered_first_and_once(ledger):
    registered(ledger).append("peeked", {"plan_digest": P})
    before = ledger.path.read_bytes()
    with pytest.raises(LedgerError, match="XPB-L13"):
        ledger.append("registered", {"plan_digest": Q})
    assert ledger.path.read_bytes() == before
    other = Ledger(ledger.path.with_name("other.jsonl"))
    other.append("looked", {})
    with pytest.raises(LedgerError, match="XPB-L13"):
        other.append("registered", {"plan_digest": P})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("opened", {"plan_digest": Q}),
        ("amended", {"replaces": Q, "plan_digest": P}),
        ("decided", {"plan_digest": P, "supersedes": 1}),
        ("watched", {"plan_digest": P}),
        ("superseded", {}),
    ],
)
def test_entries_speak_of_the_plan_and_the_decision_in_force(ledger, kind, body):
    registered(ledger)
    with pytest.raises(LedgerError, match="XPB-L13"):
        ledger.append(kind, body)
    assert len(ledger.entries()) == 1


def test_a_chain_that_breaks_the_order_is_refused_by_every_reader(ledger):
    """Such a ledger can't be appended any more; one that was made by hand, chain and all, is no ledger either."""
    lines = forged([("registered", {"plan_digest": P}, ""), ("registered", {"plan_digest": Q}, "")])
    ledger.path.parent.mkdir()
    ledger.path.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(BrokenLedger, match="registered once"):
        ledger.entries()
    with pytest.raises(BrokenLedger, match="registered once"):
        ledger.append("looked", {})
    with pytest.raises(BrokenLedger, match="registered once"):
        verify_lines(lines)
    assert second.order(list(chain([line.decode() for line in lines])))


def test_an_amendment_based_on_an_older_head_is_refused_with_what_changed(ledger):
    base = Witness(1, registered(ledger).entries()[0].digest)
    changes = [{"pointer": "/horizon/units", "before": 1, "after": 2}]
    ledger.append("amended", {"replaces": P, "plan_digest": Q, "changes": changes}, by="ana", base=base)
    with pytest.raises(LedgerError, match=r"XPB-L16") as caught:
        ledger.append("amended", {"replaces": Q, "plan_digest": P, "changes": []}, by="bob", base=base)
    assert "entry 2 amended by ana: /horizon/units" in str(caught.value)
    ledger.append("opened", {"plan_digest": Q}, base=base)  # looks commute
    with pytest.raises(BrokenLedger, match="XPB-L07"):
        ledger.append("amended", {"replaces": Q, "plan_digest": P}, base=Witness(1, "c" * 64))


def test_a_body_may_be_made_of_what_is_on_record_under_the_lock(ledger):
    registered(ledger)
    assert ledger.append("note", lambda entries: {"count": len(entries)}).body["count"] == 1


def test_an_entry_says_which_program_acted(ledger):
    registered(ledger)
    assert Ledger(ledger.path, agent="assistant 1").append("peeked", {"plan_digest": P}, by="Ana").agent == "assistant 1"
    assert [e.agent for e in ledger.entries()] == ["", "assistant 1"]
    assert json.loads(ledger.path.read_text().splitlines()[1])["agent"] == "assistant 1"


def test_kinds_of_a_newer_version_are_read_and_named(ledger):
    registered(ledger).append("teleported", {})
    assert [e.kind for e in ledger.entries()] == ["registered", "teleported"]
    assert [n.name for n in ledger.notices] == ["unknown_kind"]


def forged(entries):
    """Lines of a whole chain of these kinds and bodies, whatever the grammar says; `base` is a place, or text."""
    lines, digests = [], [START]
    for number, (kind, body, base) in enumerate(entries, 1):
        text = f"{base}:{digests[base]}" if isinstance(base, int) and base < number else base if isinstance(base, str) else ""
        made = make_entry(
            seq=number,
            kind=kind,
            at="2026-11-03T09:00:00.000000Z",
            by=None,
            body=body_bytes(kind, body),
            prev=digests[-1],
            base=text,
        )
        lines.append(made.line)
        digests.append(made.digest)
    return lines


bodies = st.fixed_dictionaries(
    {},
    optional={
        "plan_digest": st.sampled_from([P, Q]),
        "replaces": st.sampled_from([P, Q]),
        "supersedes": st.none() | st.integers(1, 6),
        "merged": st.just({"seq": 2}),
    },
)
steps = st.tuples(st.sampled_from([*KINDS, "newer_kind"]), bodies, st.just("") | st.integers(0, 5) | st.just(f"1:{'d' * 64}"))


@settings(max_examples=1500, deadline=None)
@given(st.lists(steps, max_size=7), st.booleans())
def test_reader_and_verifier_take_and_refuse_the_same_entries(made, begins):
    lines = forged([("registered", {"plan_digest": P}, ""), *made] if begins else made)
    try:
        verify_lines(lines)
        ours = True
    except BrokenLedger:
        ours = False
    assert ours is (second.order(list(chain([line.decode() for line in lines]))) == "")
