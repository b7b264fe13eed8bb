"""OpenFeature: a provider for plans, and a hook that turns evaluations of any provider into exposures, each once.

Mixpanel's own provider works over `mixpanel_flags(...)`, which has the methods of the SDK's providers. This module is for plans
that Mixpanel does not assign, and for evaluations by tools that send no exposure to Mixpanel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.errors import AssignError, ExposeError, InputError, plain
from xpbench.expose.arguments import unit_text
from xpbench.expose.results import Exposed
from xpbench.expose.tracker import Tracker
from xpbench.plan import Plan
from xpbench.randomiser.single import Single

try:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.exception import FlagNotFoundError, TargetingKeyMissingError, TypeMismatchError
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.hook import Hook
    from openfeature.provider import AbstractProvider, Metadata
except ModuleNotFoundError:
    raise InputError(
        "XPB-I05", feature="OpenFeature", package="openfeature-sdk", install=plain("xpbench[openfeature]")
    ) from None

_SERVED = frozenset({"SPLIT", "TARGETING_MATCH", "CACHED", "STALE", "STATIC"})


def unit_in(plan: Plan, context: EvaluationContext | None) -> Any:
    """The id that a context has for a plan: the attribute named like the plan's unit, else the targeting key."""
    if context is None:
        return None
    found = context.attributes.get(plan.unit)
    return context.targeting_key if found is None else found


class PlanProvider(AbstractProvider):
    """Resolves flags by the hash of plans; a flag's key is the key of its plan, or its name in the log.

    A text flag is the variant's key, a truth flag says whether it is a treatment, an object flag is `{"variant": key}`. Units
    that take no part get the default, with the reason DEFAULT. Evaluating exposes nobody: that is what `ExposureHook` is for.

    Args:
        plans: The plan, or several.

    Raises:
        AssignError: A plan that can't assign.
    """

    def __init__(self, plans: Plan | Sequence[Plan]) -> None:
        super().__init__()
        listed = [plans] if isinstance(plans, Plan) else list(plans)
        made = [(p, Single(p)) for p in listed]
        self._by_name = {p.key: (p, s) for p, s in made} | {p.experiment_name: (p, s) for p, s in made}

    def get_metadata(self) -> Metadata:
        """The provider's name."""
        return Metadata(name="xpbench")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Whether the unit is in a treatment."""
        plan, variant = self._variant(flag_key, evaluation_context)
        control = next(v.key for v in plan.variants if v.control)
        return _details(default_value if variant is None else variant != control, variant)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Key of the variant."""
        _, variant = self._variant(flag_key, evaluation_context)
        return _details(default_value if variant is None else variant, variant)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Refused: variants are not numbers."""
        raise TypeMismatchError(f"Variants of {flag_key} are keys. Ask for text, a truth value or an object")

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Refused: variants are not numbers."""
        raise TypeMismatchError(f"Variants of {flag_key} are keys. Ask for text, a truth value or an object")

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[Any] | Mapping[str, Any],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[Any] | Mapping[str, Any]]:
        """`{"variant": key}`."""
        _, variant = self._variant(flag_key, evaluation_context)
        return _details(default_value if variant is None else {"variant": variant}, variant)

    def _variant(self, flag_key: str, context: EvaluationContext | None) -> tuple[Plan, str | None]:
        found = self._by_name.get(flag_key)
        if found is None:
            raise FlagNotFoundError(f"No plan has the key {flag_key!r}. Known: {', '.join(sorted(self._by_name))}")
        plan, single = found
        try:
            unit = unit_text(unit_in(plan, context))
        except ExposeError as error:
            raise TargetingKeyMissingError(f"The context has no {plan.unit} and no targeting key: {error.what}") from None
        return plan, single(unit)


def _details(value: Any, variant: str | None) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(value=value, variant=variant, reason=Reason.DEFAULT if variant is None else Reason.SPLIT)


class ExposureHook(Hook):
    """Turns evaluations into exposures: each unit once per experiment, through the tracker's outbox.

    Add it where an evaluation means that the change is shown now. What is no exposure is left alone: defaults, errors, disabled
    flags, flags that are no experiment of the tracker. Nothing of this raises: an error in a hook would make OpenFeature serve
    the default to a unit that was assigned. `ExposureHook.left_out` counts evaluations that could not be recorded, by reason.

    Args:
        tracker: Of the plans whose flags are evaluated.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.left_out: dict[str, int] = {}

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        """Record the exposure."""
        del hints
        try:
            found = self._record(hook_context, details)
            if found is not None and not found.is_acknowledged and found.state != "unassigned":
                self._count(found.state)
        except (AssignError, ExposeError) as error:
            self._count(error.code)
        except Exception as error:  # noqa: BLE001 - see above
            self._count(type(error).__name__)

    def _record(self, hook_context: Any, details: Any) -> Exposed | None:
        plan = self.tracker.knows_experiment(hook_context.flag_key)
        if plan is None or details.error_code is not None or str(details.reason) not in _SERVED:
            return None
        if not details.variant:
            self._count("no variant")
            return None
        context = hook_context.evaluation_context
        unit = unit_in(plan, context)
        if unit is None:
            self._count(f"no {plan.unit}")
            return None
        person = context.attributes.get("distinct_id") if plan.unit != "distinct_id" else None
        return self.tracker.expose(unit, details.variant, experiment=plan.key, distinct_id=person)

    def _count(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1
