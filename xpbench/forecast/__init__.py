"""What is asked before launch: power, baselines from the past, how fast units come in, calibration, rehearsal.

Rehearsing plays the readout and the rule of `xpbench.decide`, so this room imports that one (docs/adr/0091).

================  ====================================================
power             what a plan can find
history           values per unit from before the experiment
baselines         baselines from units of the past
table_baselines   the same from a table, under the plan's data policy
drafting          `xp.plan_from`: a draft plan from a table or a log
log_drafting      what a log says for it
findings          what data of the past hold, before any plan
size_table        lift by days at one's own traffic, and the cheapest remedy
unit_choice       which id to randomise by, measured
sizes             sample size of one metric, without a plan
accrual           how fast units come in
calibration       A/A calibration of a plan on its own traffic
rehearsal         a plan played on traffic of the past
rehearsal_stage   one run of it
rehearsal_sums    its sums, without touching every value
rehearsal_report  what it says
================  ====================================================
"""
