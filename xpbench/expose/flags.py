"""Mixpanel's flags behind a safe wrapper: a variant always comes back, and exposures go through the outbox.

The official SDK evaluates. Two modes decide who says that a unit was exposed:

* `exposures="sdk"`: the SDK's own evaluation fires the exposure, as it does by default; the wrapper hands it to the tracker.
* `exposures="tracker"`: the SDK assigns only, and `Flags.expose`, the tracker or another pipeline says so when it is real.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, Self

import mixpanel as sdk
from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
from mixpanel.flags.remote_feature_flags import RemoteFeatureFlagsProvider
from mixpanel.flags.types import ExperimentationFlag, FallbackReason, LocalFlagsConfig, RemoteFlagsConfig, SelectedVariant

from xpbench.errors import ExposeError, plain
from xpbench.expose.masks import MaskingFilter
from xpbench.expose.regions import other_region
from xpbench.expose.results import Exposed
from xpbench.expose.tracker import Tracker

_LOGGERS = ("local_feature_flags", "remote_feature_flags", "utils")
_NOTE_SECONDS = 60.0
_NOT_WRONG = "NO_ROLLOUT_MATCH"

_context: ContextVar[Mapping[str, Any] | None] = ContextVar("xpbench_flag_context", default=None)


def usable_definitions(payload: Any, before: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Flags that can be evaluated without an exception, and what is wrong with the others.

    The SDK drops every flag when one is malformed. Here a malformed flag keeps its last good definition, and the others are
    taken as they came.

    Args:
        payload: What `/flags/definitions` answered.
        before: The definitions in use, by key.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("flags"), list):
        return dict(before), ["the answer has no list 'flags'; the last good definitions are kept"]
    out: dict[str, Any] = {}
    problems = []
    for position, raw in enumerate(payload["flags"]):
        key = raw.get("key") if isinstance(raw, dict) else None
        try:
            flag = ExperimentationFlag.from_dict(raw)
            reason = _unusable(flag)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            flag, reason = None, f"{type(error).__name__}: {error}"
        if reason is None and flag is not None:
            flag.ruleset.variants.sort(key=lambda variant: variant.key)
            out[flag.key] = flag
            continue
        kept = isinstance(key, str) and key in before
        if kept:
            out[str(key)] = before[str(key)]
        end = "its last good definition is kept" if kept else "it is left out"
        problems.append(f"flag {key!r} (number {position}) is malformed, {reason}; {end}")
    return out, problems


def _unusable(flag: Any) -> str | None:
    if not isinstance(flag.key, str) or not flag.key:
        return "its key is not text"
    if not flag.ruleset.variants:
        return "it has no variants"
    for variant in flag.ruleset.variants:
        if not isinstance(variant.key, str):
            return "a variant's key is not text"
        if isinstance(variant.split, bool) or not isinstance(variant.split, (int, float)):
            return f"the split of variant {variant.key!r} is {variant.split!r}"
    for rollout in flag.ruleset.rollout:
        if isinstance(rollout.rollout_percentage, bool) or not isinstance(rollout.rollout_percentage, (int, float)):
            return f"a rollout percentage is {rollout.rollout_percentage!r}"
        for name, split in (rollout.variant_splits or {}).items():
            if isinstance(split, bool) or not isinstance(split, (int, float)):
                return f"the split of variant {name!r} in a rollout group is {split!r}"
    return None


class _LocalProvider(LocalFeatureFlagsProvider):  # type: ignore[misc]
    """The SDK's local provider, which keeps the last good definitions and says what went wrong."""

    on_problem: Callable[[str], None]
    _flag_definitions: dict[str, Any]
    _are_flags_ready: bool

    def _handle_response(self, response: Any, start_time: datetime, end_time: datetime) -> None:
        response.raise_for_status()
        flags, problems = usable_definitions(response.json(), self._flag_definitions)
        self._flag_definitions = flags
        self._are_flags_ready = self._are_flags_ready or bool(flags) or not problems
        self._answers = getattr(self, "_answers", 0) + 1
        for problem in problems:
            self.on_problem(problem)

    def _fetch_flag_definitions(self) -> None:
        before = getattr(self, "_answers", 0)
        super()._fetch_flag_definitions()
        self._tell(before)

    async def _afetch_flag_definitions(self) -> None:
        before = getattr(self, "_answers", 0)
        await super()._afetch_flag_definitions()
        self._tell(before)

    def _tell(self, before: int) -> None:
        if getattr(self, "_answers", 0) == before:
            self.on_problem("the definitions could not be fetched; the last good ones are served")


class TrackedFlags:
    """Variants of Mixpanel flags that never fail: on any trouble the fallback is served and the reason kept.

    Made by `mixpanel_flags`. The methods are those of the SDK's providers. A fallback is no exposure: nothing is sent then.
    """

    def __init__(
        self, provider: Any, tracker: Tracker, *, evaluate: Literal["local", "remote"], exposures: Literal["sdk", "tracker"]
    ) -> None:
        self.tracker = tracker
        self.evaluate = evaluate
        self.exposures = exposures
        self.fallbacks: Counter[tuple[str, str]] = Counter()
        self.problems: list[str] = []
        self._provider = provider
        self._noted: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> TrackedFlags:
        """Fetch the definitions and keep polling, in local evaluation; nothing to do in remote evaluation."""
        if self.evaluate == "local":
            self._provider.start_polling_for_definitions()
        return self

    async def astart(self) -> TrackedFlags:
        """`start` for async code."""
        if self.evaluate == "local":
            await self._provider.astart_polling_for_definitions()
        return self

    @property
    def is_ready(self) -> bool:
        """True when there are definitions to evaluate (always, in remote evaluation)."""
        return self.evaluate == "remote" or bool(self._provider.are_flags_ready())

    def shutdown(self) -> None:
        """Stop polling and close the connections; the tracker stays open. Works in a notebook, too."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._provider.shutdown()
            return
        # the SDK refuses while a loop runs in its thread, as it does in every notebook cell
        thread = threading.Thread(target=self._provider.shutdown, name="xpbench-flags-shutdown")
        thread.start()
        thread.join(10.0)

    async def ashutdown(self) -> None:
        """`shutdown` for async code."""
        await self._provider.__aexit__(None, None, None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()

    async def __aenter__(self) -> Self:
        await self.astart()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.ashutdown()

    # -- evaluation ---------------------------------------------------------------------------------------------------

    def get_variant(
        self, flag_key: str, fallback: Any, context: Mapping[str, Any], *, report_exposure: bool | None = None
    ) -> SelectedVariant:
        """The variant that the SDK selects, or the fallback with its reason.

        Args:
            flag_key: Key of the flag.
            fallback: Value, or the SDK's `SelectedVariant`, served when there is no variant.
            context: As the SDK takes it: `distinct_id`, the flag's key, `custom_properties`.
            report_exposure: Overrides the mode for this call.
        """
        report = self.exposures == "sdk" if report_exposure is None else report_exposure
        spare = _as_variant(fallback)
        try:
            with _given(context):
                if self.evaluate == "local":
                    picked = self._provider.get_variant(flag_key, spare, dict(context), report_exposure=report)
                else:
                    picked = self._provider.get_variant(flag_key, spare, dict(context), reportExposure=report)
        except Exception as error:  # noqa: BLE001 - whatever a definition makes the SDK raise, the page must render
            picked = spare.as_fallback(FallbackReason.backend_error(f"{type(error).__name__}: {error}"))
        return self._checked(flag_key, picked)

    async def aget_variant(
        self, flag_key: str, fallback: Any, context: Mapping[str, Any], *, report_exposure: bool | None = None
    ) -> SelectedVariant:
        """`get_variant` for async code; the exposure is on disk before it returns, not in a task that may be lost."""
        report = self.exposures == "sdk" if report_exposure is None else report_exposure
        if self.evaluate == "local":
            picked = self.get_variant(flag_key, fallback, context, report_exposure=False)
        else:
            spare = _as_variant(fallback)
            try:
                picked = await self._provider.aget_variant(flag_key, spare, dict(context), reportExposure=False)
            except Exception as error:  # noqa: BLE001 - as in get_variant
                picked = spare.as_fallback(FallbackReason.backend_error(f"{type(error).__name__}: {error}"))
            picked = self._checked(flag_key, picked)
        if report and picked.fallback_reason is None:
            await self.atrack_exposure_event(flag_key, picked, context)
        return picked

    def get_variant_value(self, flag_key: str, fallback_value: Any, context: Mapping[str, Any]) -> Any:
        """The value of the variant, or the fallback value."""
        return self.get_variant(flag_key, fallback_value, context).variant_value

    async def aget_variant_value(self, flag_key: str, fallback_value: Any, context: Mapping[str, Any]) -> Any:
        """`get_variant_value` for async code."""
        return (await self.aget_variant(flag_key, fallback_value, context)).variant_value

    def is_enabled(self, flag_key: str, context: Mapping[str, Any]) -> bool:
        """True only if the variant's value is true."""
        return self.get_variant_value(flag_key, False, context) is True

    async def ais_enabled(self, flag_key: str, context: Mapping[str, Any]) -> bool:
        """`is_enabled` for async code."""
        return await self.aget_variant_value(flag_key, False, context) is True

    def get_all_variants(self, context: Mapping[str, Any]) -> dict[str, SelectedVariant]:
        """Variants of all flags that the context takes part in; sends no exposure; empty on trouble, with the reason kept."""
        try:
            found = self._provider.get_all_variants(dict(context))
        except Exception as error:  # noqa: BLE001 - as in get_variant
            self._keep("", f"BACKEND_ERROR: {type(error).__name__}: {error}")
            return {}
        return self._all(found)

    async def aget_all_variants(self, context: Mapping[str, Any]) -> dict[str, SelectedVariant]:
        """`get_all_variants` for async code."""
        if self.evaluate == "local":
            return self.get_all_variants(context)
        try:
            found = await self._provider.aget_all_variants(dict(context))
        except Exception as error:  # noqa: BLE001 - as in get_variant
            self._keep("", f"BACKEND_ERROR: {type(error).__name__}: {error}")
            return {}
        return self._all(found)

    # -- exposure -----------------------------------------------------------------------------------------------------

    def expose(self, flag_key: str, variant: SelectedVariant | str, context: Mapping[str, Any], **properties: Any) -> Exposed:
        """Say that the context met this variant now, by the tracker; for the mode `exposures="tracker"`.

        A fallback is not recorded: its unit was not assigned.
        """
        if isinstance(variant, SelectedVariant):
            if variant.variant_key is None or variant.fallback_reason is not None:
                return Exposed("unassigned", flag_key, None, "a fallback was served")
            variant = variant.variant_key
        return self._record(flag_key, variant, context, properties)

    def track_exposure_event(self, flag_key: str, variant: SelectedVariant, context: Mapping[str, Any]) -> None:
        """The SDK's manual exposure, with the properties that the SDK adds, through the tracker."""
        try:
            with _given(context):
                self._provider.track_exposure_event(flag_key, variant, dict(context))
        except Exception as error:  # noqa: BLE001 - tracking must not reach the caller
            self._keep(flag_key, f"EXPOSURE: {type(error).__name__}: {error}")

    async def atrack_exposure_event(self, flag_key: str, variant: SelectedVariant, context: Mapping[str, Any]) -> None:
        """`track_exposure_event` for async code."""
        await asyncio.to_thread(self.track_exposure_event, flag_key, variant, context)

    def sdk_track(self, distinct_id: str, event: str, properties: Mapping[str, Any]) -> None:
        """What the SDK calls to send an exposure; keeps it in the outbox and never raises."""
        try:
            rest = dict(properties)
            flag_key, variant = rest.pop("Experiment name", None), rest.pop("Variant name", None)
            if event != "$experiment_started" or not flag_key or not variant:
                self.tracker.enqueue(distinct_id, event, properties)
                return
            context = {**(_context.get() or {}), "distinct_id": distinct_id}
            self._record(str(flag_key), str(variant), context, rest)
        except Exception as error:  # noqa: BLE001 - a tracking failure inside the SDK would become the caller's
            self._keep("", f"EXPOSURE: {type(error).__name__}: {error}")

    def _record(self, flag_key: str, variant: str, context: Mapping[str, Any], properties: Mapping[str, Any]) -> Exposed:
        distinct_id = context.get("distinct_id")
        plan = self.tracker.knows_experiment(flag_key)
        if plan is None:
            unit = context.get(self._context_key(flag_key)) or distinct_id
            if not unit or not distinct_id:
                return self._without_unit(flag_key, variant, "distinct_id")
            return self.tracker.expose_unplanned(flag_key, unit, variant, distinct_id=str(distinct_id), properties=properties)
        unit = context.get(plan.unit)
        if not unit:
            return self._without_unit(flag_key, variant, plan.unit)
        person = None if plan.unit == "distinct_id" or not distinct_id else str(distinct_id)
        return self.tracker.expose(unit, variant, experiment=flag_key, distinct_id=person, **_free(properties))

    def _without_unit(self, flag_key: str, variant: str, name: str) -> Exposed:
        reason = f"the context has no {name!r}, so nobody can be counted as exposed"
        self._keep(flag_key, f"EXPOSURE: {reason}")
        return Exposed("invalid", flag_key, variant, reason)

    def _context_key(self, flag_key: str) -> str:
        if self.evaluate == "local":
            flag = self._provider._flag_definitions.get(flag_key)
            if flag is not None:
                return str(flag.context)
        return "distinct_id"

    # -- reasons ------------------------------------------------------------------------------------------------------

    def _checked(self, flag_key: str, picked: SelectedVariant) -> SelectedVariant:
        reason = picked.fallback_reason
        if reason is None:
            return picked
        if not self.is_ready:
            reason = FallbackReason.backend_error("no definitions have been fetched yet")
        if reason.message is not None:
            reason = replace(reason, message=self.tracker._delivery.mask(reason.message))
        if reason.kind != _NOT_WRONG:
            self._keep(flag_key, f"{reason.kind}: {reason.message or ''}".rstrip(": "))
        return replace(picked, fallback_reason=reason)

    def _all(self, found: dict[str, SelectedVariant] | None) -> dict[str, SelectedVariant]:
        if found is None:
            self._keep("", "BACKEND_ERROR: the flags could not be fetched")
            return {}
        return found

    def problem(self, text: str) -> None:
        """Keep what is wrong with the definitions."""
        text = self.tracker._delivery.mask(text)
        if text not in self.problems:
            self.problems.append(text)
            del self.problems[:-100]
        self.tracker.note("flag definitions", "", text)

    def _keep(self, flag_key: str, reason: str) -> None:
        reason = self.tracker._delivery.mask(reason)[:200]
        now = time.monotonic()
        with self._lock:
            if len(self.fallbacks) > 1_000 and (flag_key, reason) not in self.fallbacks:
                reason = "other reasons"
            self.fallbacks[(flag_key, reason)] += 1
            last = self._noted.get((flag_key, reason))
            if last is not None and now - last < _NOTE_SECONDS:
                return  # an outage must not turn every evaluation into a write
            self._noted[(flag_key, reason)] = now
        self.tracker.note("fallback", flag_key, reason)

    def __repr__(self) -> str:
        return f"Flags({self.evaluate}, exposures={self.exposures!r}, {self.tracker!r})"


def mixpanel_flags(
    mixpanel: sdk.Mixpanel,
    *,
    tracker: Tracker,
    evaluate: Literal["local", "remote"] | None = None,
    exposures: Literal["sdk", "tracker"] = "sdk",
) -> TrackedFlags:
    """A safe wrapper around the flags of a Mixpanel SDK object.

    Args:
        mixpanel: Made with `local_flags_config`, `remote_flags_config` or both; its settings and credentials are used, the
            object itself is left as it is.
        tracker: Records the exposures.
        evaluate: Where variants are selected; needed when the object is configured for both.
        exposures: `sdk` lets the evaluation fire the exposure, `tracker` leaves it to the caller.

    Returns:
        Flags; call `start()` (or use `with`) to fetch definitions for local evaluation.

    Raises:
        ExposeError: `XPB-E13`, the object is not configured for flags, or for both and `evaluate` is missing.
    """
    local, remote = mixpanel._local_flags_provider, mixpanel._remote_flags_provider
    if evaluate is None:
        if (local is None) == (remote is None):
            raise ExposeError("XPB-E13", found=plain("none" if local is None else "local and remote flags"))
        evaluate = "local" if local is not None else "remote"
    configured = local if evaluate == "local" else remote
    if configured is None:
        raise ExposeError("XPB-E13", found=plain(f"no {evaluate} flags"))
    flags = TrackedFlags(None, tracker, evaluate=evaluate, exposures=exposures)
    options = (mixpanel._token, _without_executor(configured._config), sdk.__version__, flags.sdk_track, mixpanel._credentials)
    if evaluate == "local":
        provider = _LocalProvider(*options)
        provider.on_problem = flags.problem
        flags._provider = provider
    else:
        flags._provider = RemoteFeatureFlagsProvider(*options)
    note = other_region(f"https://{configured._config.api_host}")
    if note:
        flags.problem(note)
    _mask_logs(tracker)
    return flags


def _without_executor(config: LocalFlagsConfig | RemoteFlagsConfig) -> Any:
    # the outbox is quick; an executor would only move the write to a place where nobody sees its result
    return replace(config, exposure_executor=None)


def _mask_logs(tracker: Tracker) -> None:
    """The SDK logs failed requests with their URL, which carries the token."""
    for name in _LOGGERS:
        logger = logging.getLogger(f"mixpanel.flags.{name}")
        if not any(isinstance(f, MaskingFilter) and f.mask is tracker._delivery.mask for f in logger.filters):
            logger.addFilter(MaskingFilter(tracker._delivery.mask))


def _as_variant(fallback: Any) -> SelectedVariant:
    return fallback if isinstance(fallback, SelectedVariant) else SelectedVariant(variant_value=fallback)


def _free(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties without those that are parameters of `Tracker.expose`."""
    return {k: v for k, v in properties.items() if k not in ("unit", "variant", "experiment", "time", "distinct_id")}


@contextlib.contextmanager
def _given(context: Mapping[str, Any]) -> Iterator[None]:
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)
