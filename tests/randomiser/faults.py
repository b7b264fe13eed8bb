"""Exposure logs with one injected fault of assignment each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from tests.randomiser.plans import plan_of
from xpbench.plan import Plan
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.flag import Flag, FlagRollout, FlagVariant

START = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())


def base_ids(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(10 * n)[:n] + 10_000_000
    kinds = rng.integers(0, 4, n)
    return [
        str(k) if kind < 2 else f"user-{k:x}" if kind == 2 else f"jürgen-{k}"
        for k, kind in zip(numbers.tolist(), kinds.tolist(), strict=True)
    ]


def variants(plan: Plan, ids: list[Any]) -> np.ndarray[Any, Any]:
    return assignments(plan, ids).variants()


class Log:
    """A clean log of a plan, to be spoilt."""

    def __init__(self, n: int = 100_000, seed: int = 0, share: float = 0.001, plan: Plan | None = None) -> None:
        self.plan = plan or plan_of()
        self.rng = np.random.default_rng(seed + 1)
        self.ids: list[Any] = list(base_ids(n, seed))
        self.variant: np.ndarray[Any, Any] = variants(self.plan, self.ids)
        self.time = np.sort(START + self.rng.integers(0, 14 * 86_400, n)).astype(np.int64)
        self.device: list[Any] = [f"{k:032x}" for k in self.rng.integers(0, 2**63, n).tolist()]
        self.lib: list[str] = [("web", "ios", "android")[k] for k in self.rng.integers(0, 3, n)]
        self.k = max(int(n * share), 1)

    def some(self, where: Callable[[str], bool] = lambda _: True, k: int | None = None) -> list[int]:
        fitting = np.array([i for i, u in enumerate(self.ids) if where(u)])
        return sorted(self.rng.choice(fitting, k or self.k, replace=False).tolist())

    def table(self) -> pa.Table:
        return pa.table(
            {"distinct_id": self.ids, "variant": self.variant, "time": self.time, "device_id": self.device, "lib": self.lib}
        )

    def hashed_as(self, rows: list[int], ids: list[str], plan: Plan | None = None) -> None:
        self.variant[rows] = variants(plan or self.plan, ids)


def wrong_salt(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [log.ids[i] for i in rows], plan_of(salt="another-experiment-of-2024"))
    return "wrong_salt"


def plan_key_as_salt(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [log.ids[i] for i in rows], plan_of(salt=None))
    return "wrong_salt"


def split_changed(log: Log) -> str:
    rows = list(range(len(log.ids) - 10 * log.k, len(log.ids)))
    log.hashed_as(rows, [log.ids[i] for i in rows], plan_of(splits=(0.4, 0.6)))
    return "split_changed"


def float_in_the_log(log: Log) -> str:
    for i in log.some(str.isdigit):
        log.ids[i] += ".0"
    return "id_cast"


def float_was_hashed(log: Log) -> str:
    rows = log.some(str.isdigit)
    log.hashed_as(rows, [log.ids[i] + ".0" for i in rows])
    return "id_cast"


def upper_case(log: Log) -> str:
    for i in log.some(lambda u: u.startswith("user")):
        log.ids[i] = log.ids[i].upper()
    return "case_or_whitespace"


def trailing_space(log: Log) -> str:
    for i in log.some():
        log.ids[i] += " "
    return "case_or_whitespace"


def newline_was_hashed(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [log.ids[i] + "\n" for i in rows])
    return "case_or_whitespace"


def device_was_hashed(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [log.device[i] for i in rows])
    return "id_type_switched"


def override_list(log: Log) -> str:
    log.variant[log.some()] = "beta"
    return "override_list"


def second_sdk(log: Log) -> str:
    rows = log.some()
    flag = Flag(
        "beta-homepage",
        "distinct_id",
        (FlagVariant("beta", "beta", False, 0.5), FlagVariant("control", "control", True, 0.5)),
        (FlagRollout(1.0),),
    )
    log.variant[rows] = assignments(flag, [log.ids[i] for i in rows]).variants()
    return "second_sdk"


def unknown_sdk_of_one_library(log: Log) -> str:
    rows = log.some()
    for i in rows:
        log.lib[i] = "legacy-tv"
        log.variant[i] = ("control", "beta")[int(log.rng.integers(0, 2))]
    return "second_sdk"


def late_bucketing(log: Log) -> str:
    rows = log.some()
    extra = [log.ids[i] for i in rows]
    right = log.variant[rows].copy()
    log.variant[rows] = "control"
    log.ids += extra
    log.variant = np.concatenate([log.variant, right])
    log.time = np.concatenate([log.time, log.time[rows] + 30])
    log.device += [log.device[i] for i in rows]
    log.lib += [log.lib[i] for i in rows]
    return "late_bucketing"


def latin1_was_hashed(log: Log) -> str:
    rows = log.some(lambda u: u.startswith("j"))
    log.hashed_as(rows, [log.ids[i].encode().decode("latin-1") for i in rows])
    return "encoding"


FAULTS: tuple[Callable[[Log], str], ...] = (
    wrong_salt,
    plan_key_as_salt,
    split_changed,
    float_in_the_log,
    float_was_hashed,
    upper_case,
    trailing_space,
    newline_was_hashed,
    device_was_hashed,
    override_list,
    second_sdk,
    unknown_sdk_of_one_library,
    late_bucketing,
    latin1_was_hashed,
)
