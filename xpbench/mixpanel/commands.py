"""Old place of the commands of Mixpanel, which are in `xpbench.commands.mixpanel` now; warns, and will go (docs/adr/0091)."""

from __future__ import annotations

import importlib
import warnings
from typing import Any


def __getattr__(name: str) -> Any:
    warnings.warn("xpbench.mixpanel.commands has moved to xpbench.commands.mixpanel.", DeprecationWarning, stacklevel=2)
    return getattr(importlib.import_module("xpbench.commands.mixpanel"), name)
