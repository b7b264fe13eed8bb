"""Charts, tables and cards: static or Vega-Lite through our own MIME bundle, each with a takeaway, alt text and a table.

Views know plain results only: rows of a readout, health checks, a plan. They hold no rows of data and no widget.

=========================  ==========================================================
card                       hypothesis and plan
forest_plot                lifts with intervals, margins, smallest lift that matters
variants                   table of every variant with direction-aware marks
split                      exposed units against the planned split
timeline                   exposed units over time, horizon, forecast
path                       confidence sequence over the looks
bias                       differences before the exposure
health                     checks, worst first
segments                   heat map of lifts by slice
novelty_curve              lift by days since exposure
distribution               values before and after winsorization
cuped                      variance removed
power                      chance to find a lift by units
buckets                    the randomiser's buckets
truth                      truth table of the rule
other_ways                 the same comparison in other ways
readout_card               a readout on one card
preflight                  what a preflight found
report                     the views of a readout, part by part
view, table                one way to show, and the table beside each chart
theme, draw, numbers, png  colours, common parts of charts, numbers as text, pictures
=========================  ==========================================================
"""

from __future__ import annotations

from xpbench.lazy import loads

_HOMES = {
    "PlanCard": "card",
    "forest": "forest_plot",
    "variant_table": "variants",
    "exposure_split": "split",
    "exposures_over_time": "timeline",
    "sequential_path": "path",
    "pre_experiment_bias": "bias",
    "health_summary": "health",
    "segment_heatmap": "segments",
    "novelty": "novelty_curve",
    "winsorization": "distribution",
    "cuped_reduction": "cuped",
    "power_curve": "power",
    "bucket_heatmap": "buckets",
    "truth_view": "truth",
    "sensitivity": "other_ways",
    "Style": "theme",
    "View": "view",
}

__all__ = sorted(_HOMES)


__getattr__ = loads(__name__, _HOMES)
