"""What well-known receivers of lists ask for: names, shapes and limits, each with the page of its maker that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from xpbench.errors import AssignError, nearest, plain

PresetName = Literal["braze", "customer-io", "optimizely"]


@dataclass(frozen=True, slots=True)
class Preset:
    """What a receiver asks for.

    Attributes:
        id: What it calls the id; empty where its files have ids alone, without a header.
        max_bytes: Size of a file at most.
        per_variant: One list for each variant.
        source: Where its maker says so.
    """

    id: str
    max_bytes: int
    per_variant: bool
    source: str

    def options(self, key: str) -> dict[str, Any]:
        """Arguments of `handoff` and `write_audiences` for a plan of this key."""
        out: dict[str, Any] = {
            "max_bytes": self.max_bytes,
            "max_rows": 10_000_000,
            "per_variant": self.per_variant,
            "formulas": "keep",  # no spreadsheet reads them, and an apostrophe would keep the receiver from finding the unit
        }
        return out | ({"columns": (self.id, key.replace("-", "_"))} if self.id else {"bare": True})


PRESETS: dict[str, Preset] = {
    "braze": Preset(
        "external_id", 500_000_000, False, "https://www.braze.com/docs/user_guide/audience/manage_audience/import_users/"
    ),
    "customer-io": Preset("id", 100_000_000, False, "https://customer.io/docs/uploading-people/"),
    "optimizely": Preset(
        "", 4_999_999, True, "https://docs.developers.optimizely.com/web-experimentation/docs/list-attributes"
    ),
}
"""Limits as of 2026: Braze takes attributes in CSV up to 500 MB, Customer.io people up to 100 MB, Optimizely's direct upload
lists below 5 MB with one id a line and no header."""


def preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        AssignError: `XPB-A20`, there is none of this name.
    """
    found = PRESETS.get(name)
    if found is None:
        raise AssignError(
            "XPB-A20",
            name=plain("preset"),
            value=name,
            rule=plain("It names a receiver whose limits are known"),
            remedy=plain(nearest(name, PRESETS).rstrip(".")),
        )
    return found
