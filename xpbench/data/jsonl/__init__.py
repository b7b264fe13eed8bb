"""JSON Lines to Parquet: streaming, bounded in memory, resumable, and nothing lost in silence.

==================  ================================================
ingestion           `xp.ingest`
ingest_report       what it reports
journal             pieces that are safely on disk
file_pieces         a file in pieces of whole lines
gunzip              unpacked and hashed while it is read
piece_reader        the events of a piece
strict_json_reader  the engine's strict reader
rejected_lines      which lines are no events, and why
shared_memory_file  memory that the engine reads as a file
==================  ================================================
"""
