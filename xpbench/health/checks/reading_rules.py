"""What a file needed to be read."""

from __future__ import annotations

from xpbench.errors import number_of
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import check


@check(
    "reading_rules",
    title="How the file was read",
    question="Did a column need a rule to be read as numbers, or were lines of the file passed over?",
)
def reading_rules(inputs: HealthInputs) -> Verdict:
    """Warns where lines were passed over, or cells of properties or days could not be read; names the rules of columns."""
    lines = inputs.findings("skipped_lines", "repeated_header", "broken_properties", "implausible_days")
    rules = inputs.findings("read_by_rule")
    evidence = {"rules": [f.detail for f in rules], "lines": {f.name: f.count for f in lines}}
    lost = [f for f in lines if f.count]
    if lost:
        total = sum(f.count for f in lost)
        words = " ".join(f.detail for f in lost)
        meaning = f"{number_of(total, 'line or cell', 'lines or cells')} could not be read as the rest is. {words}"
        return Verdict("warn", meaning, "Look at these lines, and export the file without them.", evidence)
    if rules:
        return Verdict("pass", " ".join(f.detail for f in rules), "Check that the rule is the one you mean.", evidence)
    return Verdict("pass", "Every column was read as it is written.", "Nothing to do.", evidence)
