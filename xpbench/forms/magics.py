"""`%load_ext xpbench`: `%xp` as sugar over functions; every line of it is a function call."""

from __future__ import annotations

import shlex
from typing import Any

from xpbench.errors import InputError, nearest, plain

ACTIONS = ("plan", "preflight", "readout", "decide", "workbench", "status")


def xp_line(line: str, namespace: dict[str, Any] | None = None) -> Any:
    """What `%xp …` gives: a form, a panel, or the registry.

    `%xp plan [TEMPLATE]`, `%xp preflight KEY [IDS]`, `%xp readout KEY [SOURCE]`, `%xp decide KEY READOUT`, `%xp workbench`,
    `%xp status`; IDS, SOURCE and READOUT are names of variables in the notebook. `root=FOLDER` may stand anywhere.

    Raises:
        InputError: `XPB-I04`, an unknown action, a missing key, or a variable that does not exist.
    """
    words = shlex.split(line)
    options = dict(w.split("=", 1) for w in words if w.startswith("root="))
    rest = [w for w in words if not w.startswith("root=")]
    action, arguments = (rest[0] if rest else ""), rest[1:]
    if action not in ACTIONS:
        raise InputError(
            "XPB-I04",
            name="%xp",
            value=action,
            rule=plain(f"It is followed by one of {', '.join(ACTIONS)}"),
            remedy=plain(nearest(action, ACTIONS)),
        )
    import xpbench as xp

    root = options.get("root", "experiments")
    if action == "plan":
        return xp.PlanForm(template=arguments[0] if arguments else None, root=root)
    if action == "workbench":
        return xp.Workbench(root)
    if action == "status":
        from xpbench.forms.workbench import RegistryCard

        return RegistryCard(root).table
    if not arguments:
        raise InputError(
            "XPB-I04", name=f"%xp {action}", value="", rule=plain("It needs the key of an experiment"), remedy=plain("Add it")
        )
    key = arguments[0]
    subject = _variable(arguments[1], namespace) if len(arguments) > 1 else None
    kinds = {"preflight": xp.PreflightPanel, "readout": xp.ReadoutPanel, "decide": xp.DecisionForm}
    return kinds[action](key, subject, root=root)


def _variable(name: str, namespace: dict[str, Any] | None) -> Any:
    known = {k: v for k, v in (namespace or {}).items() if not k.startswith("_")}
    if name not in known:
        raise InputError(
            "XPB-I04",
            name="variable",
            value=name,
            rule=plain("It must exist in the notebook"),
            remedy=plain(nearest(name, known)),
        )
    return known[name]


def load(shell: Any) -> None:
    """Register `%xp` in an IPython shell."""

    def xp_magic(line: str) -> Any:
        return xp_line(line, shell.user_ns)

    shell.register_magic_function(xp_magic, magic_kind="line", magic_name="xp")
