"""The hypothesis: *if* we change this, *then* these metrics move so far, *because* of that."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xpbench.plan.base import Key, Many, Number, Part, Text

Direction = Literal["increase", "decrease"]


class Claim(Part):
    """One claim of the then-part: a metric of the plan, its direction and the lift that is expected."""

    metric: Key = Field(description="Key of the metric that would show it")
    direction: Direction = Field(description="Which way it moves when the hypothesis holds")
    lift: Number | None = Field(default=None, gt=0, description="Expected relative change as a positive share, 0.05 = 5 %")


class Hypothesis(Part):
    """If (change), then (claims), because (reason)."""

    if_: Text = Field(alias="if", description="What changes for the treated units")
    then: Many[Claim] = Field(default=(), description="Which metrics move, which way and how far")
    because: Text = Field(description="Why that should happen")
