"""One experiment from registration to memo: the facade over ledger, data, health, readout, decision and memo."""

from __future__ import annotations
