"""A relay under uvicorn in a thread of the test."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import httpx
import pytest

from xpbench.expose.service import RelayService

uvicorn = pytest.importorskip("uvicorn")


class Served:
    """A service under uvicorn in a thread, and who asks it."""

    def __init__(self, service: RelayService) -> None:
        self.service = service
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.bind(("127.0.0.1", 0))
        bound.listen(512)
        self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(service, log_level="critical", ws="none"))
        self.thread = threading.Thread(target=self.server.run, args=([bound],), daemon=True)
        self.thread.start()
        self.client = httpx.Client(base_url=self.url, timeout=20.0, trust_env=False)

    def post(self, value: Any, **options: Any) -> httpx.Response:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.client.post("/expose", content=data, **options)

    def close(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(10)
