"""Records of every release, read for ever; `python -m tests.memo.golden` adds those of the current one."""
