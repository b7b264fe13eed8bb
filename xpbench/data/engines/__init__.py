"""The engines that hold a log: the embedded one, Spark, and SQL warehouses.

=============  ===================================================
embedded       our own DuckDB connection, with its limits
duck_log       a log in it
duck_times     times of a column in it
spark_log      a log in Spark
spark_folders  what it makes of the names of folders
spark_stop     the jobs of one reading, and their end
warehouse_log  a log in an SQL warehouse
dialects       what its dialect must know beyond Ibis
=============  ===================================================
"""
