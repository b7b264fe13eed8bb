"""The facade's round trip: publish a registered plan, conclude with the decision of the ledger."""

from __future__ import annotations

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
