"""What the server extension does to a server before and while it loads."""

from __future__ import annotations

from types import SimpleNamespace

from traitlets.config import Config

from xpbench.lab.extension import LABEXTENSION, _link_jupyter_server_extension


def test_voila_leaves_the_panel_out_and_keeps_what_a_user_denied() -> None:
    for before, after in (({}, [LABEXTENSION]), ({"extension_denylist": ["other"]}, ["other", LABEXTENSION])):
        server = SimpleNamespace(config=Config({"VoilaConfiguration": before}))
        _link_jupyter_server_extension(server)
        _link_jupyter_server_extension(server)
        assert server.config.VoilaConfiguration.extension_denylist == after
