"""Charts, tables and cards: static or Vega-Lite through our own MIME bundle, each with a takeaway, alt text and a table.

Views know plain results only: rows of a readout, health checks, a plan. They hold no rows of data and no widget.

=========================  ==========================================================
card                       hypothesis and plan
forest_plot                lifts with intervals, margins, smallest lift that matters
variants                   table of every variant with direction-aware marks
split                      exposed units against the planned split
timeline                   exposed units over time, horizon, forecast
sequential_path_chart      confidence sequence over the looks
bias                       differences before the exposure
checks                     health checks, worst first
segments                   heat map of lifts by slice
novelty_curve              lift by days since exposure
distribution               values before and after winsorization
cuped                      variance removed
power                      chance to find a lift by units
sizes                      lift by days at one's own traffic
buckets                    the randomiser's buckets
rule_table                 truth table of the rule
sensitivity_chart          the same comparison in other ways
readout_card               a readout on one card
preflight                  what a preflight found
report                     the views of a readout, part by part
plots                      one view of a readout, by its name
view, table                one way to show, and the table beside each chart
table_picture              a table as a picture, where a view has no chart
theme, draw, numbers, png  colours, common parts of charts, numbers as text, pictures
=========================  ==========================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.views.bias import pre_experiment_bias
    from xpbench.views.buckets import bucket_heatmap
    from xpbench.views.card import PlanCard
    from xpbench.views.checks import health_summary
    from xpbench.views.cuped import cuped_reduction
    from xpbench.views.distribution import winsorization
    from xpbench.views.forest_plot import forest
    from xpbench.views.novelty_curve import novelty
    from xpbench.views.plots import exposures, health
    from xpbench.views.power import power_curve
    from xpbench.views.rule_table import truth_view
    from xpbench.views.segments import segment_heatmap
    from xpbench.views.sensitivity_chart import sensitivity
    from xpbench.views.sequential_path_chart import sequential_path
    from xpbench.views.split import exposure_split
    from xpbench.views.theme import Style
    from xpbench.views.timeline import exposures_over_time
    from xpbench.views.variants import variant_table
    from xpbench.views.view import View

_HOMES = {
    "PlanCard": "card",
    "forest": "forest_plot",
    "variant_table": "variants",
    "exposure_split": "split",
    "exposures_over_time": "timeline",
    "sequential_path": "sequential_path_chart",
    "pre_experiment_bias": "bias",
    "health_summary": "checks",
    "health": "plots",
    "exposures": "plots",
    "segment_heatmap": "segments",
    "novelty": "novelty_curve",
    "winsorization": "distribution",
    "cuped_reduction": "cuped",
    "power_curve": "power",
    "bucket_heatmap": "buckets",
    "truth_view": "rule_table",
    "sensitivity": "sensitivity_chart",
    "Style": "theme",
    "View": "view",
}

__all__ = [
    "PlanCard",
    "Style",
    "View",
    "bucket_heatmap",
    "cuped_reduction",
    "exposure_split",
    "exposures",
    "exposures_over_time",
    "forest",
    "health",
    "health_summary",
    "novelty",
    "power_curve",
    "pre_experiment_bias",
    "segment_heatmap",
    "sensitivity",
    "sequential_path",
    "truth_view",
    "variant_table",
    "winsorization",
]


__getattr__, __dir__ = loads(__name__, _HOMES)
