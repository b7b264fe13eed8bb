"""The commands of Mixpanel talk to the sandbox that its own tests use."""

from tests.mixpanel.conftest import box, client, server

__all__ = ["box", "client", "server"]
