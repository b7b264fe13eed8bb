"""From moments to a decision: the seal, the readout, the rule of the plan, and what it recommends."""
