import hashlib
import json

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.canonical import strict_loads
from xpbench.errors import InputError
from xpbench.ledger.entry import START, NewerSchema, Witness, body_bytes, make_entry, parse_line

AT = "2026-11-03T09:00:00.000000Z"


def entry(body=None, *, kind="registered", seq=1, prev=START, by="ana", back=0.0):
    return make_entry(seq=seq, kind=kind, at=AT, by=by, body=body_bytes(kind, body or {}), prev=prev, set_back_seconds=back)


def test_golden_line_and_digest():
    made = entry({"key": "beta", "é": 1.5})
    assert made.line.decode() == (
        '{"at":"2026-11-03T09:00:00.000000Z","body":{"key":"beta","é":1.5},"by":"ana","kind":"registered","prev":"'
        + START
        + '","schema":2,"seq":1,"sha256":"3ee1b620331b7795efd3de73712b5ec89b264c4d76887f484e739e4d92e684c0"}'
    )
    assert made.digest == "f344265144c04c5d7bb19ed9ec19bdf8d1edc37a9e4caab23b43fe79d7a94c4a"
    assert made.digest == hashlib.sha256(made.line).hexdigest()


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**53) + 1, 2**53 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=3), c, max_size=3),
            max_leaves=10,
        ),
    ),
    st.none() | st.text(),
    st.sampled_from([0.0, 0.25, 301.0]),
)
def test_a_line_is_the_canonical_json_of_its_fields_and_reads_back(body, by, back):
    try:
        rfc8785.dumps([body, by])
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        return
    made = entry(body, by=by, back=back)
    data = strict_loads(made.line)
    own = data.pop("sha256")
    assert own == hashlib.sha256(rfc8785.dumps(data)).hexdigest()
    assert made.line == rfc8785.dumps({**data, "sha256": own})
    read = parse_line(made.line)
    assert (read.seq, read.kind, read.at, read.by, dict(read.body), read.set_back_seconds) == (
        1,
        "registered",
        AT,
        by,
        strict_loads(rfc8785.dumps(body)),
        back,
    )
    assert read.digest == made.digest


def changed(made, **changes):
    data = json.loads(made.line)
    data.pop("sha256")
    data |= changes
    data = {k: v for k, v in data.items() if v is not ...}
    bare = rfc8785.dumps(data)
    return bare[:-1] + b',"sha256":"' + hashlib.sha256(bare).hexdigest().encode() + b'"}'


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seq": 0}, "seq"),
        ({"seq": True}, "seq"),
        ({"body": []}, "body"),
        ({"by": 3}, "by"),
        ({"kind": "Registered"}, "form"),
        ({"kind": 3}, "form"),
        ({"at": "yesterday"}, "form"),
        ({"prev": "ab"}, "form"),
        ({"schema": 0}, "schema"),
        ({"schema": "1"}, "schema"),
        ({"set_back_seconds": -1}, "set_back_seconds"),
        ({"kind": ...}, "lacks kind"),
        ({"more": 1}, "unknown keys: more"),
    ],
)
def test_a_line_of_the_wrong_shape_is_refused_with_its_reason(changes, reason):
    with pytest.raises(ValueError, match=reason):
        parse_line(changed(entry(), **changes))


def test_a_newer_schema_is_told_apart():
    with pytest.raises(NewerSchema):
        parse_line(changed(entry(), schema=3))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[1]", "not a JSON object"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":1e999}', "range"),
        (b'{"a":' + b"9" * 5000 + b"}", "range"),
        (b'{"a":1,"a":2}', "twice"),
        (b"[" * 10_000 + b"]" * 10_000, "levels deep"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "levels deep"),
        (b"{}\r", "CRLF"),
    ],
)
def test_bytes_that_are_no_line_are_refused_with_their_reason(line, reason):
    with pytest.raises(ValueError, match=reason):
        parse_line(line)


def test_duplicate_keys_in_a_body_are_refused():
    line = entry({"a": 1}).line.replace(b'{"a":1}', b'{"a":1,"a":2}')
    with pytest.raises(ValueError, match="twice"):
        parse_line(line)


def test_any_flipped_bit_of_a_line_is_seen():
    line = entry({"reason": "why ü", "n": [1, 2.5]}).line
    for place in range(len(line)):
        for bit in range(8):
            flipped = bytearray(line)
            flipped[place] ^= 1 << bit
            with pytest.raises(ValueError):
                parse_line(bytes(flipped))


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": float("inf")}, {"a": 2**60}, {"a": {1, 2}}, {"a": "\ud800"}])
def test_what_json_cant_say_is_refused(body):
    with pytest.raises(InputError, match="XPB-I04"):
        body_bytes("looked", body)


def test_a_deep_or_huge_body_is_refused():
    deep = {}
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="levels"):
        body_bytes("looked", deep)
    with pytest.raises(ValueError, match="bytes"):
        body_bytes("looked", {"a": "x" * (17 * 1024 * 1024)})


def test_witness_round_trips():
    witness = Witness(3, "a" * 64)
    assert Witness.from_dict(witness.to_dict()) == witness == Witness.parse(str(witness))


@pytest.mark.parametrize("text", ["", "3", "x:" + "a" * 64, "3:" + "a" * 63, "-1:" + "a" * 64, "٣:" + "a" * 64])
def test_what_is_no_witness_is_refused(text):
    with pytest.raises(ValueError, match="witness"):
        Witness.parse(text)
