"""Paths that lead out of a folder, or try to."""

from __future__ import annotations

ESCAPES = (
    "../outside/secret.csv", "data/../../outside/secret.csv", "/etc/passwd", "~/x.csv", "link.csv", "up/secret.csv", "up", "*",
    "data/*.csv", "data/**", "file:///etc/passwd", "http://127.0.0.1/x.csv", "s3://b/x.parquet", "data/units.csv\x00.csv", ".",
    "..", "", "data\\..\\..\\outside\\secret.csv", "/dev/stdin", "experiments", ".hidden/x.csv", "{data,up}/secret.csv",
    "data/[u]nits.csv", "up/secret.plan.json", "up/memo.html", "experiments/../../outside/memo.html", "C:\\x.csv", "x" * 1500,
)  # fmt: skip
