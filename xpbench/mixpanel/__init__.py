"""Mixpanel's REST APIs from a notebook: export, import, experiments, flags, annotations, and a sandbox that stands in for them.

Inside this package `import mixpanel` still means the official SDK. Product code needs none of this: it uses `xpbench.expose`.
"""
