"""Exposure logs with one injected fault of assignment each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from tests.randomiser.plans import plan_of
from xpbench.plan import Plan
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.flag import Flag, FlagRollout, FlagVariant
from xpbench.randomiser.single import fnv1a64

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


# -- kinds that change how a whole log, platform or time span was assigned -------------------------------------------------

SALT32 = "0123456789abcdef0123456789abcdef"


def mixpanel_plan(splits: tuple[float, ...] = (0.1, 0.2, 0.7), **more: Any) -> Plan:
    return plan_of(splits=splits, salt=None, hash="mixpanel", hash_salt=SALT32, **more)


def relabelled(log: Log, rows: list[int], to: dict[str, str]) -> None:
    log.variant[rows] = [to.get(v, v) for v in log.variant[rows]]


SWAP = {"control": "beta", "beta": "control"}


def swapped_everywhere(log: Log) -> str:
    relabelled(log, list(range(len(log.ids))), SWAP)
    return "swapped_labels"


def swapped_on_ios(log: Log) -> str:
    relabelled(log, [i for i, v in enumerate(log.lib) if v == "ios"], SWAP)
    return "swapped_labels"


def swapped_from_a_release_on(log: Log) -> str:
    relabelled(log, list(range(len(log.ids) * 2 // 3, len(log.ids))), SWAP)
    return "swapped_labels"


def swapped_for_two_days(log: Log) -> str:
    n = len(log.ids)
    relabelled(log, list(range(n // 3, n // 2)), SWAP)
    return "swapped_labels"


def one_bot(log: Log) -> str:
    wrong = "control" if variants(log.plan, ["crawler"])[0] == "beta" else "beta"
    log.ids += ["crawler"] * 500
    log.variant = np.concatenate([log.variant, np.array([wrong] * 500, object)])
    log.time = np.concatenate([log.time, np.full(500, log.time[-1])])
    log.device += [f"{i:032x}" for i in range(500)]
    log.lib += ["web"] * 500
    return "unknown"


def split_from_the_first_row(log: Log) -> str:
    log.hashed_as(list(range(len(log.ids))), log.ids, plan_of(splits=(0.52, 0.48)))
    return "split_changed"


def split_back_and_forth(log: Log) -> str:
    n = len(log.ids)
    rows = list(range(n // 3, n // 2))
    log.hashed_as(rows, [log.ids[i] for i in rows], plan_of(splits=(0.45, 0.55)))
    return "split_changed"


def first_byte_modulo_100(log: Log) -> str:
    rows = log.some()
    for i in rows:
        digest = hashlib.sha256(f"beta-homepage-2026-11{log.ids[i]}".encode()).digest()
        log.variant[i] = "control" if digest[0] % 100 < 50 else "beta"
    return "second_sdk"


def md5_bucket(log: Log) -> str:
    rows = log.some()
    for i in rows:
        number = int(hashlib.md5(f"{log.ids[i]}:beta-homepage".encode(), usedforsecurity=False).hexdigest(), 16) % 100
        log.variant[i] = "control" if number < 50 else "beta"
    return "second_sdk"


def sha256_of_the_id_was_hashed(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [hashlib.sha256(log.ids[i].encode()).hexdigest() for i in rows])
    return "id_hashed"


def the_log_has_digests(log: Log) -> str:
    log.ids = [hashlib.sha256(u.encode()).hexdigest() for u in log.ids]
    return "id_hashed"


def prefix_was_hashed(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [f"user:{log.ids[i]}" for i in rows])
    return "id_prefixed"


def prefix_in_the_log(log: Log) -> str:
    for i in log.some(str.isdigit):
        log.ids[i] = f"customer-{log.ids[i]}"
    return "id_prefixed"


def cut_ids(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [log.ids[i][:6] for i in rows])
    return "id_cut"


def salt_of_last_time(log: Log) -> str:
    rows = log.some()
    log.hashed_as(rows, [log.ids[i] for i in rows], plan_of(salt="beta-homepage-2026-10"))
    return "wrong_salt"


def percent_encoded(log: Log) -> str:
    for i in log.some(lambda u: u.startswith("j")):
        log.ids[i] = quote(log.ids[i])
    return "encoding"


def bare_device(log: Log) -> str:
    for i in log.some():
        log.ids[i] = f"$device:{log.ids[i]}"
    return "id_type_switched"


def order_as_listed_in_node(log: Log) -> str:
    plan = mixpanel_plan((0.1, 0.2, 0.7))
    log.plan, log.variant = plan, variants(plan, log.ids)
    rows = log.some(k=len(log.ids) // 4)
    for i in rows:
        log.lib[i] = "node"
        log.variant[i] = added_in(plan, log.ids[i], ["control", "beta", "gamma"], np.float64)
    return "variant_order"


def float32_in_java(log: Log) -> str:
    plan = mixpanel_plan((0.2, 0.1, 0.7))  # by key: beta 0.1, control 0.2, gamma 0.7
    log.plan, log.variant = plan, variants(plan, log.ids)
    rows = log.some(k=len(log.ids) // 4)
    for i in rows:
        log.lib[i] = "java"
        log.variant[i] = added_in(plan, log.ids[i], ["beta", "control", "gamma"], np.float32)
    return "float32_buckets"


def added_in(plan: Plan, unit: str, order: list[str], real: Any) -> str:
    bucket = fnv1a64(f"{unit}{plan.key}{SALT32}variant".encode()) % 100
    split = {v.key: v.split for v in plan.variants}
    running = real(0)
    for key in order:
        running = real(running + real(split[key]))
        if real(bucket) / real(100) < running:
            return key
    return order[-1]


GROUPS = [
    {"key": "first", "share": 0.4, "splits": {"control": 0.2, "beta": 0.8}},
    {"key": "second", "share": 1.0},
]


def reordered_groups(log: Log) -> str:
    log.plan = plan_of(rollout=GROUPS)
    log.variant = variants(log.plan, log.ids)
    rows = log.some(k=len(log.ids) // 3)
    for i in rows:
        log.lib[i] = "kiosk"
    log.hashed_as(rows, [log.ids[i] for i in rows], plan_of(rollout=GROUPS[::-1]))
    return "groups_reordered"


def holdout_leak(log: Log) -> str:
    return _leak(log, plan_of(holdout={"key": "h", "salt": "holdout-2026", "share": 0.1}), "holdout_leak")


def layer_leak(log: Log) -> str:
    return _leak(log, plan_of(layer={"key": "home", "salt": "home", "start": 0.0, "end": 0.5}), "layer_leak")


def rollout_leak(log: Log) -> str:
    return _leak(log, plan_of(rollout=[{"key": "some", "share": 0.3}]), "outside_rollout")


def _leak(log: Log, plan: Plan, name: str) -> str:
    """The app left the right units out, but for a few."""
    inside = variants(plan, log.ids)
    free = log.variant
    leaked = set(log.rng.choice(np.flatnonzero(inside == None), log.k, replace=False).tolist())  # noqa: E711
    kept = [i for i in range(len(log.ids)) if inside[i] is not None or i in leaked]
    log.plan = plan
    log.variant = free[kept]
    log.ids, log.device, log.lib = ([column[i] for i in kept] for column in (log.ids, log.device, log.lib))
    log.time = log.time[kept]
    return name


def ramp_of_the_app(log: Log) -> str:
    plan, wider = plan_of(rollout=[{"key": "some", "share": 0.1}]), plan_of(rollout=[{"key": "some", "share": 0.2}])
    early, late = variants(plan, log.ids), variants(wider, log.ids)
    n = len(log.ids)
    chosen = np.where(np.arange(n) < n // 2, early, late)
    kept = [i for i in range(n) if chosen[i] is not None]
    log.plan, log.variant, log.time = plan, chosen[kept], log.time[kept]
    log.ids, log.device, log.lib = ([column[i] for i in kept] for column in (log.ids, log.device, log.lib))
    return "split_changed"


WHOLE: tuple[Callable[[Log], str], ...] = (
    swapped_everywhere,
    swapped_on_ios,
    swapped_from_a_release_on,
    swapped_for_two_days,
    one_bot,
    split_from_the_first_row,
    split_back_and_forth,
    first_byte_modulo_100,
    md5_bucket,
    sha256_of_the_id_was_hashed,
    the_log_has_digests,
    prefix_was_hashed,
    prefix_in_the_log,
    cut_ids,
    salt_of_last_time,
    percent_encoded,
    bare_device,
    order_as_listed_in_node,
    float32_in_java,
    reordered_groups,
    holdout_leak,
    layer_leak,
    rollout_leak,
    ramp_of_the_app,
)
"""Further kinds; with `FAULTS` they are more than thirty."""
