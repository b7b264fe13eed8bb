"""Event logs: from raw events over first exposures and unit values to moments.

===================  =============================================================
events               `xp.events`, the source
specification        what a caller says of it
opening              paths, tables and engines, opened
placed               what the names of folders say of the events in them
one_moment           files are the same at the end as at the beginning
log                  what every engine gives: the log in normal form
log_to_units         one run over one log for one plan
exposures            first exposures
values               one value per unit and metric
quantiles            quantiles of a property over events
unit_days            what units did on each day, without exposures
unit_totals          what each unit did over a span of days, without exposures
days_since_exposure  moments by days since exposure
covariates           other metrics' past, and values of segments
concurrent           other experiments on the same units
identity             one person under several ids, seen and counted
people               events of all ids of a person belong to one unit, where the plan says so
survey               one look over a whole log
properties_seen      which properties its events carry, with examples
list_experiments     which experiments a log holds
otlp                 log records of OpenTelemetry to one event a line
unit_table_note      what belongs to a unit table, and its summary
===================  =============================================================
"""
