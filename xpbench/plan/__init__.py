"""The plan of an experiment: its model, the rules before registering, templates, and the diff of two plans."""

from xpbench.plan.model import Plan
from xpbench.plan.reading import check, load_plan
from xpbench.plan.templates import template, template_names

__all__ = ["Plan", "check", "load_plan", "template", "template_names"]
