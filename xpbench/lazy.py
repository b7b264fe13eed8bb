"""Names of a package that load on first use, so that a command loads only the parts that it needs."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def upstairs(name: str) -> Any:
    """A function of a room further up, for the few methods that people look for on an object (docs/adr/0170).

    Such a method only hands over. It names the function in words, so that the rooms below depend on none above, and nothing of
    them is loaded before somebody asks.

    Args:
        name: `module:function`, below the package.
    """
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"xpbench.{module}"), function)


def earlier(module: str, renamed: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module whose names have changed: an earlier name still works, with a DeprecationWarning.

    Args:
        module: Name of the module, its `__name__`.
        renamed: Today's name of each earlier one.
    """

    def get(name: str) -> Any:
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(f"{module}.{name} is now {module}.{renamed[name]}.", DeprecationWarning, stacklevel=2)
        return getattr(sys.modules[module], renamed[name])

    return get


def loads(
    package: str, homes: Mapping[str, str], renamed: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package (PEP 562).

    The first imports a name's module when the name is first asked for, and keeps it; the second lists these names alone, which
    is what completion offers in a notebook.

    Args:
        package: Name of the package, its `__name__`.
        homes: Module of each name, below the package; `module:name` where it has another name there.
        renamed: Today's name of each earlier one. An earlier name still works, with a DeprecationWarning, and is not listed.

    Returns:
        A function from a name to its object (AttributeError for any other name), and a function that lists the names.
    """

    def get(name: str) -> Any:
        if renamed and name in renamed:
            warnings.warn(f"{package}.{name} is now {package}.{renamed[name]}.", DeprecationWarning, stacklevel=2)
            return get(renamed[name])
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = home.partition(":")
        value = getattr(importlib.import_module(f"{package}.{module}"), attribute or name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(homes)
