"""What ids are before they are hashed: values of broken code, one unit in two spellings, mixed kinds, too few of them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xpbench.errors import number_of, shown
from xpbench.randomiser.assigning import Subject
from xpbench.randomiser.findings import RandomiserFinding
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Assigned

REFUSED = (
    "00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown",
    "<nil>", "0", "-1", "true", "false", "[]", "{}", "nan", "[object object]",
)  # fmt: skip
"""Values that Mixpanel refuses as an id, and two more that broken code sends."""
MANY = 0.01
"""Share of the ids from which on a fault of theirs keeps from launching."""
SMALLEST = 10
"""Units of a variant below which nothing can be learned about it."""


def spelling_findings(units: UnitIds) -> Iterator[RandomiserFinding]:
    """Ids that name no unit, that name one unit twice, or that are of several kinds."""
    n = len(units)
    if units.is_integer or n == units.nulls:
        if units.is_integer and (zeros := int(pc.sum(pc.is_in(units.array, pa.array([0, -1], units.array.type))).as_py() or 0)):
            yield _refused(["0 or -1"], zeros, n)
        return
    text = units.text().drop_null()
    lower = pc.utf8_lower(text)
    refused = pc.is_in(lower, value_set=pa.array(REFUSED, lower.type))
    count = int(pc.sum(refused).as_py() or 0)
    if count:
        yield _refused([str(v) for v in pc.unique(text.filter(refused)).to_pylist()[:5]], count, n)
    distinct = pc.unique(text)
    folded = _folded(distinct)
    twice = len(distinct) - len(pc.unique(folded))
    if twice:
        yield RandomiserFinding(
            "two_spellings",
            "fail" if twice / n >= MANY else "warn",
            f"{number_of(twice, 'unit is', 'units are')} there in two spellings (case, white space, quotes, dashes, encoding): "
            f"two units to the hash, such as {_example(distinct, folded)}.",
            "Write ids in one way before they are hashed and logged, for example in lower case.",
            {"count": twice, "of": n},
        )
    padded = distinct.filter(pc.match_substring_regex(distinct, r"^0[0-9]+$"))
    if len(padded):
        bare = pc.replace_substring_regex(padded, r"^0+([0-9])", r"\1")
        both = int(pc.sum(pc.is_in(bare, value_set=distinct)).as_py() or 0)
        if both:
            yield RandomiserFinding(
                "zero_padded_ids",
                "warn",
                f"{number_of(both, 'id is', 'ids are')} there with and without leading zeros, such as "
                f"{shown(padded.filter(pc.is_in(bare, value_set=distinct))[0].as_py())}: two units to the hash.",
                "Find out which form the app hashes, and use that one everywhere.",
                {"count": both, "of": n},
            )
    device = int(pc.sum(pc.starts_with(text, "$device:")).as_py() or 0)
    if 0 < device < len(text):
        yield RandomiserFinding(
            "mixed_id_kinds",
            "warn",
            f"{device:,} of {n:,} ids are device ids ($device:…) and the others are not: whoever logs in gets a second id, and "
            "perhaps the other variant.",
            "Assign by one kind of id: by device for visitors, or only those who have logged in.",
            {"device": device, "of": n},
        )


def _folded(distinct: pa.Array) -> pa.Array:
    """One text for all spellings of an id: case, white space, quotes, braces, dashes of UUIDs, Unicode form, percent signs."""
    text = distinct
    coded = pc.match_substring_regex(text, "%[0-9a-fA-F]{2}")
    if pc.any(coded).as_py():
        plain = pa.array([unquote(t) for t in text.filter(coded).to_pylist()], text.type)
        text = pc.replace_with_mask(text, coded, plain)
    text = pc.utf8_trim(pc.utf8_lower(pc.utf8_normalize(text, form="NFC")), characters="\"'{} \t\r\n\u00a0\ufeff")
    text = pc.utf8_trim_whitespace(text)
    return pc.replace_substring_regex(
        text, r"^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$", r"\1\2\3\4\5"
    )


def _refused(examples: list[str], count: int, n: int) -> RandomiserFinding:
    return RandomiserFinding(
        "refused_ids",
        "fail" if count / n >= MANY else "warn",
        f"{count:,} of {n:,} ids are what broken code sends ({shown(', '.join(examples))}): all of them are one unit to the "
        "hash, and Mixpanel refuses their events.",
        "Repair the code that sends them, and leave them out.",
        {"count": count, "of": n, "examples": examples},
    )


def _example(distinct: pa.Array, folded: pa.Array) -> str:
    counted = pc.value_counts(folded)
    repeated = counted.filter(pc.greater(counted.field("counts"), 1))
    same = distinct.filter(pc.equal(folded, repeated.field("values")[0]))
    return " and ".join(shown(v) for v in same.to_pylist()[:2])


def size_findings(subject: Subject, found: Assigned, units: UnitIds) -> Iterator[RandomiserFinding]:
    """Too few ids for a variant or for the horizon, and a list of overrides that is long for them."""
    n = len(units) - units.nulls
    counts = found.counts()
    served = sum(counts.values())
    if served == 0:
        return
    if isinstance(subject, Flag):
        listed, planned = len(subject.test_users), {v.key for v in subject.variants if v.split}
        by_list = set(subject.test_users.values())
    else:
        overrides = subject.assignment.overrides if subject.assignment is not None else {}
        listed, planned, by_list = len(overrides), {v.key for v in subject.variants if v.split > 0}, set(overrides.values())
    small = {k: c for k, c in counts.items() if c < SMALLEST and k in planned | by_list}
    if small and served >= SMALLEST * len(counts):
        yield RandomiserFinding(
            "small_variant",
            "fail",
            "Too few of the ids come to "
            + ", ".join(f"{shown(k)} ({number_of(c, 'unit')})" for k, c in small.items())
            + ": nothing can be learned about so few.",
            "Check splits and rollout, or give all ids that may take part.",
            {"units": small},
        )
    forced = int(
        np.isin(
            found.reasons, [found.reason_names.index(r) for r in ("override", "test_user") if r in found.reason_names]
        ).sum()
    )
    if isinstance(subject, Flag):
        forced = min(forced, listed)
    if listed and forced / n >= 0.05:
        yield RandomiserFinding(
            "long_override_list",
            "warn",
            f"{forced:,} of {n:,} ids ({forced / n:.0%}) have their variant from the list of overrides and not from the hash: "
            "they were not randomised.",
            "Keep the list to the people who test; leave them out of the analysis.",
            {"listed": listed, "of": n},
        )
    horizon = None if isinstance(subject, Flag) else subject.horizon.units
    if horizon is not None and served < horizon:
        yield RandomiserFinding(
            "fewer_ids_than_horizon",
            "warn",
            f"{served:,} of these ids take part; the horizon needs {horizon:,} units: with these alone the readout never "
            "comes due by its number of units.",
            "If these are all that may come, plan a smaller horizon or a larger effect. If they are a sample, or new units "
            "come while it runs, there is nothing to do.",
            {"served": served, "horizon": horizon},
        )
