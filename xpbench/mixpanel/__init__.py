"""Mixpanel's REST APIs from a notebook: export, import, experiments, flags, annotations, and a sandbox that stands in for them.

Inside this package `import mixpanel` still means the official SDK. Product code needs none of this: it uses `xpbench.expose`.

=========  ===================================================
account    who asks, from the environment alone
client     one request with retries, and the resources over it
deadline   a bound on a whole request
pace       staying below rate limits
pull       raw export, day by day, resumable
parquet    pulled days as Parquet
lifecycle  an experiment published, marked, concluded, decided
sandbox    a local stand-in for the APIs
=========  ===================================================
"""
