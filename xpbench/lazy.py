"""Names of a package that load on first use, so that a command loads only the parts that it needs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def loads(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562): imports a name's module when the name is first asked for, and keeps it.

    Args:
        package: Name of the package, its `__name__`.
        homes: Module of each name, below the package; `module:name` where it has another name there.

    Returns:
        A function from a name to what it stands for; AttributeError for any other name.
    """

    def get(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = home.partition(":")
        value = getattr(importlib.import_module(f"{package}.{module}"), attribute or name)
        setattr(sys.modules[package], name, value)
        return value

    return get
