"""The facade's round trip: publish a registered plan, conclude with the decision of the ledger."""

from __future__ import annotations

import os
from pathlib import Path

import xpbench as xp
from tests.test_experiment import plan, table, units
from xpbench.decide.readout import Readout
from xpbench.mixpanel.client import Client


def test_decision_of_the_ledger_stands_in_mixpanel(client: Client, tmp_path: Path) -> None:
    experiment = xp.register(plan(key="round-trip"), tmp_path)
    assert experiment.publish(client, launch=True).status == "active"
    readout = experiment.readout(units(table()))
    assert isinstance(readout, Readout)
    experiment.decide(readout, "ship", variant="b", because="as planned", by="ana")
    assert experiment.conclude(client).status == "success"
    (made,) = client.experiments()
    assert experiment.plan.digest in made["description"]
    kinds = [e.kind for e in experiment.ledger.entries()]
    assert kinds == ["registered", "published", "launched", "opened", "decided", "concluded"]
    assert experiment.conclude(client).did == ()


def test_no_byte_of_the_secret_is_in_what_an_experiment_leaves(client: Client, tmp_path: Path) -> None:
    secret = os.environ["MIXPANEL_SECRET"]
    experiment = xp.register(plan(key="canary"), tmp_path)
    experiment.publish(client, launch=True)
    readout = experiment.readout(units(table()))
    assert isinstance(readout, Readout)
    experiment.decide(readout, "ship", variant="b", because="as planned", by="ana")
    experiment.conclude(client)
    memo = experiment.memo()
    for name in ("memo.html", "memo.json", "memo.md"):
        memo.save(tmp_path / "canary" / name)
    texts = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    assert len(texts) >= 6
    assert not [t for t in texts if secret.encode() in t]
    for shown in (repr(client), repr(experiment), repr(readout), readout._repr_html_(), str(vars(client))):
        assert secret not in shown
