"""Forms and panels in ipywidgets: plan, preflight, readout, decision, and the workbench that holds them.

A form edits a plain JSON value. It is built from the plan model field by field, so that a field added to the model has a
control the same day; charts come from `xpbench.views`, and everything that acts on disk goes through `xpbench.experiment`.

=================  ==========================================================================
workbench          every experiment of a folder, and the panels as steps
plan_form          every field of a plan, problems, a draft, registering
data_box           your own data: read in the background, what was found, what is proposed
next_steps         what comes after registering, as buttons
plain_problems     a problem in the words of the form, without pointers and codes
preflight_panel    the hash over real ids before launch
readout_panel      progress and health first, effects when due
decision_form      the advice, the decision, sign-off, memo
panel              what every panel shares; static_twin: how it shows itself without a kernel
build              from the plan model to fields; plan_fields: those of a plan
field              what every field is; inputs, composites: one value, fields of fields
metric_table       metrics, a line each, and an editor
splits             variants with linked sliders
size_box           sample size beside the plan; history_box: baselines from the past
draft              the draft on disk
labels             labels, help and choices
status, outer_box  what happened, and the outermost box; style: looks
magics             `%load_ext xpbench`
=================  ==========================================================================
"""
