"""Kernels of nbval: no port to lose, and a reason when one dies."""

from __future__ import annotations

import os

import pytest

from tests.notebooks.kernels import start_new_kernel

HERE = ":nbval-parent-env"


def test_a_kernel_answers_through_its_own_socket_files() -> None:
    manager, client = start_new_kernel(kernel_name=HERE)
    try:
        assert manager.transport == "ipc"
        reply = client.execute("1 + 1", reply=True, timeout=30)
        assert reply["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_kernel_that_dies_says_why() -> None:
    """Without its standard library Python says so, in other words from version to version."""
    broken = {**os.environ, "PYTHONHOME": "/no/such/place"}
    with pytest.raises(RuntimeError, match=r"(?s)it wrote: .*encodings"):
        start_new_kernel(kernel_name=HERE, env=broken)
