"""The memo: built from a readout and the ledger, rendered as one page that carries its evidence, verified from it."""
