"""The same tasks in xpbench and in its peers, each peer in an environment of its own.

    python -m benchmarks.peers --envs DIR            installs peers into DIR, runs all, writes table, charts and result
    python -m benchmarks.peers --envs DIR --short    a tenth of the work, nothing written but what --out names

========  ==================================================================================
envs      which peer needs which packages; one virtual environment for each
worlds    planted truth: the tables that every peer is given, by fixed seeds
tasks/    what an analyst writes with each peer: one short script a peer, one function a task
judge     answers beside the truth: coverage, false positives, misses, ratios, lines of code
charts    the figures of docs/proof/peers.md
========  ==================================================================================
"""
