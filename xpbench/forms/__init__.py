"""Forms and panels in ipywidgets: plan, preflight, readout, decision, and the workbench that holds them.

A form edits a plain JSON value. It is built from the plan model field by field, so that a field added to the model has a
control the same day; charts come from `xpbench.views`, and everything that acts on disk goes through `xpbench.experiment`.
"""
