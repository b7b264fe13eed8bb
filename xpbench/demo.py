"""The whole flow on a simulated experiment with known true effects."""

from __future__ import annotations
