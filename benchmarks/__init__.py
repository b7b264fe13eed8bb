"""Measurements: ratios in one run on the same work, never timed unit tests."""
