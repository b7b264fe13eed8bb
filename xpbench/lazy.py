"""Names of a package, and modules of others, that load on first use, so that a command loads only the parts that it needs."""

from __future__ import annotations

import importlib
import importlib.util
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


def later(*modules: str) -> None:
    """Let modules run when they are imported or something of theirs is asked for, instead of when their package names them.

    For modules that a library takes from their package and never touches. Whoever does touch them finds them whole. Modules
    that have been imported before stay as they are, and those that are not installed stay missing.

    Args:
        modules: Dotted names, each below a package, which is imported.
    """
    for name in modules:
        package, _, attribute = name.rpartition(".")
        parent = importlib.import_module(package)
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
            sys.modules[name] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            setattr(parent, attribute, module)
