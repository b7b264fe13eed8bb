"""Tables with one row per unit: found and typed, passed over once, and summed exactly.

==============  ==================================================================
units           `xp.units`, the source
specification   what a caller says of it
unit_table      the table as one plan needs it
batches         its columns, a batch at a time
table_pass      one pass: rows, ranges, oddities, ids, fingerprint
unit_policy     what the plan's data policy makes of what the pass found
unit_reading    from the table to its summary
unit_sql        columns as ids, keys, days and numbers
unit_sums       sums in the pass, or from a view
variant_values  what the variant column holds, before any plan
variant_column  which column that is, where nobody names it
profile         what a table holds, column by column
pooled          a table of the past as one group of units
past_units      values of units of the past, which belong to no variant
row_hashes      hashes of rows and text
exact_products  exact sums and sums of products
==============  ==================================================================
"""
