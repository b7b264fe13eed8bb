"""A plugin of pytest: kernels of nbval talk through socket files of their own, and say why they ended.

    python -m pytest -p tests.notebooks.kernels --nbval notebooks

A kernel on TCP is told five ports that were free a moment before; when two workers start kernels at the same time, one can
lose a port between the look and the start, and dies without a word. Socket files in a fresh folder can't be taken.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbval.kernel
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager


def start_new_kernel(
    startup_timeout: float = 60, kernel_name: str = "python", **options: Any
) -> tuple[KernelManager, BlockingKernelClient]:
    """nbval's own function of this name, with the two changes that the module names."""
    folder = Path(tempfile.mkdtemp(prefix="kernel-"))  # a short path: a socket's has at most 107 characters
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    manager = KernelManager(
        kernel_name=kernel_name,
        kernel_spec_manager=nbval.kernel.NbvalKernelspecManager(),
        transport="ipc",
        connection_file=str(folder / "c.json"),
    )
    words = folder / "stderr"
    with words.open("wb") as stream:
        manager.start_kernel(**{**options, "stderr": stream})
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=startup_timeout)
    except RuntimeError as error:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        said = words.read_text("utf-8", errors="replace")
        raise RuntimeError(f"{error}; it wrote: {said[-4000:] or 'nothing'}") from error
    return manager, client


def pytest_configure() -> None:
    """nbval starts its kernels by the function above."""
    nbval.kernel.start_new_kernel = start_new_kernel
