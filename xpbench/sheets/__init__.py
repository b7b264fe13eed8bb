"""CSV files as they are found: packed, in some encoding, with some separator, with lines before the header.

A file is looked at before it is read, so that nothing about its shape is guessed by an engine: rows of the file are rows that
are read, or rows that are told.
"""

from xpbench.sheets.shape import Sheet, ensure_whole, rewritten, rows_of, sheet_of

__all__ = ["Sheet", "ensure_whole", "rewritten", "rows_of", "sheet_of"]
