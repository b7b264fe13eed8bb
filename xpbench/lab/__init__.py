"""The workbench inside JupyterLab: a server extension behind the panel, the launcher cards and the document viewer.

`catalogue` lists experiments, `verdicts` checks memos and plans, `contents` reaches files the way
JupyterLab does (local or remote), `handlers` answers over HTTP, `extension` is what Jupyter Server loads. Nothing here
decides anything about an experiment: every state comes from its ledger.
"""
