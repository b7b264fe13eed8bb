"""What Jupyter Server loads: the web handlers, and one line in its log that says whether the panel is installed."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

LABEXTENSION = "@xpbench/labextension"

OPEN = "XPBENCH_OPEN_PANEL"
"""Set by `xpbench lab`: JupyterLab shows the panel when it starts."""

NO_PANEL = (
    "xpbench: the server part runs; the JupyterLab panel was not built when xpbench was installed (the npm registry could not "
    "be reached). Everything works from notebooks and the command line; install again with a connection to get the panel."
)


def panel_folder() -> Path | None:
    """Where the built front end is installed, None where it is not."""
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("labextensions"):
        if (Path(folder) / LABEXTENSION / "package.json").is_file():
            return Path(folder) / LABEXTENSION
    return None


WARM_AFTER = 3.0
"""Seconds after which a running server loads what the panel's first question needs, so that neither start nor panel waits."""


def _warm() -> None:
    import xpbench.lab.catalogue
    import xpbench.lab.verdicts  # noqa: F401 - kept by the interpreter for the first question


def _link_jupyter_server_extension(serverapp: Any) -> None:
    """Before any extension is loaded: Voila leaves the panel out, since it has no launcher and no side panels."""
    denied = serverapp.config.VoilaConfiguration.setdefault("extension_denylist", [])
    if isinstance(denied, list) and LABEXTENSION not in denied:
        denied.append(LABEXTENSION)


def _load_jupyter_server_extension(serverapp: Any) -> None:
    """Add the handlers to a running Jupyter Server."""
    from xpbench.lab.handlers import routes

    web_app = serverapp.web_app
    web_app.add_handlers(".*$", routes(web_app.settings["base_url"]))
    if os.environ.get(OPEN):
        web_app.settings.setdefault("page_config_data", {})["xpbenchOpen"] = "true"
    serverapp.log.info("xpbench: experiments at %sxpbench/api" % web_app.settings["base_url"])  # noqa: UP031 - logging style
    if panel_folder() is None:
        serverapp.log.warning(NO_PANEL)
    timer = threading.Timer(WARM_AFTER, _warm)
    timer.daemon = True
    timer.start()
