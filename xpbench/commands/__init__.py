"""The commands of the command line that concern plans and experiments; rooms with commands of their own keep them.

===========  =============================================================================
plans        `xpbench new | check | register | amend`
planning     `xpbench power`
experiments  `xpbench readout | peek | decide | memo | reproduce | sign | launch | status`
review       `xpbench review`, for pull requests
output       how every command answers
===========  =============================================================================
"""
