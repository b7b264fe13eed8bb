"""The command line: every command calls the same functions as the notebook."""

from __future__ import annotations
