"""Messages about a plan that can't be used or registered as it is (P)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-P01": Message(
        "{pointer} is not a known key of {owner}",
        "Unknown keys are refused, so that a typo can't change an experiment",
        "{hint}",
    ),
    "XPB-P02": Message("{pointer} is missing", "{owner} needs it", "Add it"),
    "XPB-P03": Message("{pointer} is {value}", "{rule}", "Give a value that fits"),
    "XPB-P04": Message(
        "The plan has {count} to fix before it can be registered",
        "Registering freezes a plan",
        "{first}",
    ),
    "XPB-P05": Message(
        "Experiment key {value} can't name a folder",
        "A key has 1 to 64 of a-z, 0-9, '.', '_', '-', begins with a letter or digit, and isn't a device name",
        "Choose another key, for example {suggestion}",
    ),
    "XPB-P06": Message("{pointer} is empty", "{why}", "{remedy}"),
    "XPB-P07": Message(
        "The splits of the variants sum to {total}", "They are shares of the exposed units and sum to 1", "Correct them"
    ),
    "XPB-P08": Message(
        "{count} variants are marked as control", "Exactly one variant is the control", "Set control: true on one variant"
    ),
    "XPB-P09": Message("The plan has {count} variant(s)", "A comparison needs at least two", "Add a treatment variant"),
    "XPB-P10": Message("{kind} {key} appears {count} times", "Keys are unique", "Rename all but one"),
    "XPB-P11": Message("Split of variant {key} is {value}", "A split is a share above 0 and below 1", "Correct it"),
    "XPB-P12": Message(
        "The plan has no primary metric", "At least one metric decides", "Set role: primary on the metric that decides"
    ),
    "XPB-P13": Message(
        "Metric {key} is the target of the hypothesis but has direction {direction}, not {wanted}",
        "Hypothesis and metric agree on the direction",
        "Change one of them",
    ),
    "XPB-P14": Message(
        "Guardrail {key} has no margin",
        "A guardrail needs the worst change you accept",
        "Add margin: 0.002 (absolute, in units of the metric) or margin_rel: 0.02",
    ),
    "XPB-P15": Message("Guardrail {key} has both margin and margin_rel", "One margin is tested", "Remove one of them"),
    "XPB-P16": Message(
        "{pointer} names the metric {value}, which the plan does not have",
        "References name a metric of the same plan by its key",
        "{hint}",
    ),
    "XPB-P17": Message(
        "Metric {key} refers to itself through {path}", "Ratios and formulas are built on other metrics", "Break the circle"
    ),
    "XPB-P18": Message("{pointer} is {value}", "{rule}", "{remedy}"),
    "XPB-P19": Message(
        "The plan has no horizon",
        "It fixes in advance when results are due",
        "Set horizon.units, horizon.days or both",
    ),
    "XPB-P20": Message(
        "The sequential model has neither n_opt nor tau",
        "Its interval is tuned before launch and kept for the whole experiment",
        "Set model.n_opt to the sample size at which the interval should be tightest, usually the horizon",
    ),
    "XPB-P21": Message("The sequential model has both n_opt and tau", "One of them tunes the interval", "Remove one"),
    "XPB-P22": Message(
        "The hypothesis has no 'then'",
        "It names the metric, direction and size that would confirm it",
        "Add one entry per claim",
    ),
    "XPB-P23": Message(
        "Metric {key} of the hypothesis has role {role}",
        "The claim is tested on a primary metric",
        "Set role: primary on it, or name a primary metric",
    ),
    "XPB-P24": Message(
        "Winsorization of {key} keeps from {lower} to {upper}",
        "0 <= lower < upper <= 1, and at least one side cuts",
        "Give shares such as lower 0.01 and upper 0.99",
    ),
    "XPB-P25": Message(
        "{pointer} sums to {total}", "Shares of rollout groups, splits and layers stay within 0 and 1", "Correct them"
    ),
    "XPB-P26": Message(
        "Formula of {key} can't be read: {reason}",
        "A formula uses keys of other metrics, numbers, + - * / and parentheses",
        "Correct it, for example revenue / orders",
    ),
    "XPB-P27": Message(
        "The plan mixes per-unit columns ({columns}) with events ({events})",
        "One source feeds a plan: a table with one row per unit, or an event log",
        "Use kind: column for all metrics, or for none",
    ),
    "XPB-P28": Message(
        "The field {pointer} of the registered plan differs: registered {expected}, now {found}",
        "A registered plan is frozen",
        "Put the value back, or record the change with: xpbench amend",
    ),
    "XPB-P29": Message(
        "Plan file {path} has schema {found}",
        "This version reads schemas up to {known}",
        "Install a newer xpbench",
    ),
    "XPB-P30": Message("Template {name} is not known", "Templates: {known}", "{hint}"),
    "XPB-P31": Message(
        "Metric {key} asks for CUPED but has no covariate",
        "For a per-unit table the covariate is a column measured before the exposure",
        "Add covariates: [column], or remove cuped",
    ),
    "XPB-P32": Message(
        "Treatment {value} can't be dropped",
        "One of several treatments is dropped while the experiment runs, and another stays; the treatments are {treatments}",
        "Name one of several treatments, or end the run: xp.restart(key, reason=...) or xpbench restart KEY --reason",
    ),
}
