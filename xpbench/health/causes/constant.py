"""Causes that act all the time and everywhere: in the assignment, or between assignment and exposure."""

from __future__ import annotations

import math

import numpy as np

from xpbench.errors import shown
from xpbench.health.causes.mismatch import (
    FITS,
    Case,
    UnitCounts,
    furthest_off,
    log_likelihood,
    missing_units,
    pooled_shares,
    price_saved,
)
from xpbench.health.inputs import plain_dict
from xpbench.health.shares import bucket_shares, flag_shares


def add_constant(case: Case) -> None:
    """Something takes units from one variant at a constant rate: the baseline that all others are compared with."""
    variant, off = furthest_off(case, case.total)
    case.add(
        "constant_loss",
        "execution",
        0.0,
        f"{shown(variant)} is off its share by {off:+.2%} all the time and everywhere: units are lost (or added) between "
        "assignment and exposure in one variant, as by a redirect, a slow or crashing start, or an exposure that fires at "
        "another place.",
        "Compare where and when each variant sends its exposure; pass the assigned units by variant to tell loss from "
        "assignment.",
        variant=variant,
        off=off,
    )


def add_assignment(case: Case) -> None:
    """Other shares than planned come out of the assignment: by the flag, the hash, another assigner, or a loss after it."""
    _flag_split(case)
    _bucket_rounding(case)
    _unsalted_ramp(case)
    _assignment_mismatch(case)
    _assigned_units(case)


def _gain(case: Case, shares: UnitCounts) -> float:
    """How much likelier shares without a free choice make the counts than one variant off at a constant rate."""
    base = log_likelihood(case.total, pooled_shares(case.total))
    return log_likelihood(case.total, np.maximum(shares, 1e-9)) - base + price_saved(case)


def _flag_split(case: Case) -> None:
    """The flag serves other splits than the plan."""
    flag = flag_shares(case.inputs.flag)
    if flag is not None and sum(flag.values()) > 0:
        shares = np.array([flag.get(k, 0.0) for k in case.names])
        if shares.sum() > 0 and np.abs(shares / shares.sum() - case.planned).max() > 5e-4:
            shares = shares / shares.sum()
            case.add(
                "flag_split",
                "assignment",
                _gain(case, shares),
                "The flag serves other splits than the plan states, and the counts follow the flag.",
                "Correct the flag or amend the plan; the randomisation itself is sound.",
                flag=dict(zip(case.names, shares.tolist(), strict=True)),
            )


def _bucket_rounding(case: Case) -> None:
    """A hundred buckets can't serve the splits."""
    exact = bucket_shares(case.inputs.plan)
    if exact is not None:
        shares = np.array([exact[k] for k in case.names])
        if np.abs(shares - case.planned).max() > 5e-4:
            case.add(
                "bucket_rounding",
                "assignment",
                _gain(case, shares / shares.sum()) - 1.0,
                "The hash has a hundred buckets and can't serve these splits exactly.",
                "Nothing is broken: use shares in whole hundredths, and test against the exact shares.",
                shares=exact,
            )


def _unsalted_ramp(case: Case) -> None:
    """Without a salt of its own the variant depends on the rollout."""
    if bucket_shares(case.inputs.plan) is None:
        return
    assignment = case.inputs.plan.assignment
    if assignment is not None and assignment.hash_salt is None and any(0 < g.share < 1 for g in assignment.rollout):
        case.add(
            "unsalted_ramp",
            "assignment",
            4.0,
            "A partial rollout without hash_salt ties the variant to the rollout: the first variant gets 39 to 47 % of a "
            "50/50 flag, without any fault of the app.",
            "Give the flag a hash_salt, run xpbench preflight over real ids, and start again.",
        )


def _assignment_mismatch(case: Case) -> None:
    """Another rule assigns as well, by the audit."""
    if case.inputs.audit is not None:
        report = plain_dict(case.inputs.audit)
        mismatches = int(report.get("disagreeing", report.get("mismatches", 0)) or 0)
        needed = float(missing_units(case).max())
        if mismatches > 0 and needed > 0:
            score = price_saved(case) + 3.0 - 0.5 * max(0.0, math.log(max(needed / 2, 1) / mismatches)) ** 2 * 4
            case.add(
                "assignment_mismatch",
                "assignment",
                score,
                f"{mismatches:,} exposed units are not in the variant that the hash gives: another rule assigns as well.",
                "Open the audit's report: it names cause and first divergence.",
                mismatches=mismatches,
                causes=[str(c.get("name", "")) for c in report.get("causes", ())][:5],
            )


def _assigned_units(case: Case) -> None:
    """Counts of assigned units separate a loss on the way from a bias at assignment."""
    if case.inputs.assigned is not None:
        assigned = np.array([float(case.inputs.assigned.get(k, 0)) for k in case.names])
        if assigned.sum() > 0 and (assigned >= case.total).all():
            fits = case.fits(assigned, case.planned) >= FITS
            rates = case.total / np.maximum(assigned, 1.0)
            if fits:
                case.add(
                    "exposure_loss",
                    "execution",
                    price_saved(case) + 2.0,
                    "As many units were assigned as planned, but one variant exposes fewer of them: they are lost on the way.",
                    "Look at load time, redirects, crashes and consent in the variant with the lower rate "
                    "before its exposure is sent.",
                    rate=dict(zip(case.names, rates.tolist(), strict=True)),
                )
            elif case.fits(case.total, assigned / assigned.sum()) >= FITS:
                case.add(
                    "assignment_bias",
                    "assignment",
                    price_saved(case) + 2.0,
                    "The mismatch is there at assignment already; exposures follow it.",
                    "Run xpbench preflight with the plan's hash over the same ids: salt, id format, rollout or a second "
                    "assigner.",
                    assigned=dict(zip(case.names, assigned.tolist(), strict=True)),
                )
