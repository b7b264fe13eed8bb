"""The registry of health checks, in the order in which they are reported where they are equally bad."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from xpbench.errors import HealthError, nearest, plain
from xpbench.health.check import Check, Verdict, worst_first
from xpbench.health.inputs import HealthInputs

Function = Callable[[HealthInputs], Verdict]


@dataclass(frozen=True, slots=True)
class RegisteredCheck:
    """A registered check.

    Attributes:
        name: Key, such as `srm`.
        title: Name for people.
        question: What it answers.
        gate: Whether a failure makes the readout INVALID.
        function: From inputs to verdict; pure.
    """

    name: str
    title: str
    question: str
    gate: bool
    function: Function

    def run(self, inputs: HealthInputs) -> Check:
        """The check's result on these inputs."""
        verdict = self.function(inputs)
        return Check(
            name=self.name,
            status=verdict.status,
            evidence=verdict.evidence,
            meaning=verdict.meaning,
            next_step=verdict.next_step,
            gate=self.gate if verdict.gate is None else verdict.gate,
            title=self.title,
        )


_ENTRIES: dict[str, RegisteredCheck] = {}


def check(name: str, *, title: str, question: str, gate: bool = False) -> Callable[[Function], Function]:
    """Register a function as the health check `name`.

    Raises:
        HealthError: `XPB-H01`, the name is taken.
    """

    def keep(function: Function) -> Function:
        if name in _ENTRIES:
            raise HealthError("XPB-H01", name=plain(name))
        _ENTRIES[name] = RegisteredCheck(name, title, question, gate, function)
        return function

    return keep


def registered() -> dict[str, RegisteredCheck]:
    """Every registered check by name, in order."""
    from xpbench.health import checks

    return {name: _ENTRIES[name] for name in sorted(_ENTRIES, key=checks.rank)}


def run_checks(inputs: HealthInputs, *, only: Iterable[str] | None = None) -> tuple[Check, ...]:
    """The results of all checks (or of those named), worst first.

    Raises:
        HealthError: `XPB-H03`, a name is not registered; names the nearest.
    """
    entries = registered()
    names = list(entries) if only is None else list(only)
    for name in names:
        if name not in entries:
            raise HealthError("XPB-H03", name=name, hint=plain(nearest(name, entries)))
    return worst_first(entries[name].run(inputs) for name in names)
