"""Mixpanel's REST APIs from a notebook: export, import, experiments, flags, annotations, and a sandbox that stands in for them.

Inside this package `import mixpanel` still means the official SDK. Product code needs none of this: it uses `xpbench.expose`.

==========  ===================================================
account     who asks, from the environment alone
commands    the old place of the commands, which are in `xpbench.commands`
client      one request with retries, and the resources over it
deadline    a bound on a whole request
outgoing    events as they go out to `/import`
retrying    how long a server asks to wait
pace        staying below rate limits
pull        raw export, day by day, resumable
parquet     pulled days as Parquet
wanted      what Mixpanel should hold, from plan and ledger
difference  what it holds against what it should hold
sync        the difference shown and written
lifecycle   an experiment published, marked, concluded, decided
sandbox     a local stand-in for the APIs
==========  ===================================================
"""
