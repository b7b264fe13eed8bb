"""Every command of the command line, one file a family, over the same functions as the notebook.

===========  =============================================================================
demo         `xpbench demo`
plans        `xpbench new | check | register | amend`
planning     `xpbench power | plan | explore`
past         `xpbench experiments | baselines | sizes | unit | rehearse | calibrate`
randomiser   `xpbench assign | preflight | audit | tag`
mixpanel     `xpbench pull | sync | publish | conclude | sandbox`
relay        `xpbench relay`
experiments  `xpbench readout | peek | decide | memo | reproduce | sign | launch | status`
watch        `xpbench watch | portfolio`
verify       `xpbench verify`
ledger       `xpbench ledger`
review       `xpbench review`, for pull requests
agents       `xpbench mcp | confirm | guard`, for assistants
lab          `xpbench lab`
output       how every command answers
===========  =============================================================================
"""
