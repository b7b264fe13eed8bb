"""Ctrl-C and SIGTERM while a library works: what it does ends, what it left behind is removed, and Python says what it was.

A signal reaches Python when a library written in C comes back from its work, and some turn it into an error of their own or
don't look at all. Here a thread hears of the signal at once and asks the library to stop.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

AGAIN = 0.1
"""Seconds until a library is asked again: it may not have begun when it was asked first."""

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes, as shells know them: 128 and the number of the signal."""


class Terminated(SystemExit):
    """The process was asked to end (SIGTERM)."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


def raise_terminated(number: int, frame: Any) -> None:
    """Handler of SIGTERM under which everything is cleaned up."""
    raise Terminated


_KEPT: weakref.WeakSet[KeptFolder] = weakref.WeakSet()


def _end(number: int, frame: Any) -> None:
    """Handler of SIGTERM where nobody has one: folders that objects keep are removed, and the process ends as it would have."""
    _remove_kept()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _remove_kept() -> None:
    for folder in list(_KEPT):
        if folder.made_by == os.getpid():  # a forked child has the names of its parent's folders
            folder.cleanup()


def is_free() -> bool:
    """Whether this thread may answer SIGTERM: nobody else's handler is there."""
    here = threading.current_thread() is threading.main_thread()
    return here and signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, _end)


def is_interruption(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that the embedded engine was interrupted."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "InterruptException":
            return True
        if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def interruptible(stop: Callable[[], Any]) -> Iterator[None]:
    """Work of a library that `stop` can end, from another thread: Ctrl-C in the block is KeyboardInterrupt, always.

    Only signals that Python would answer with its own KeyboardInterrupt, or with `raise_terminated`, are listened to.

    Args:
        stop: Asks the library to stop; called until the block has ended.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, whatever the library made of it.
        Terminated: The process was asked to end.
    """
    came: set[int] = set()
    try:
        with _heard(came, stop):
            yield
    except (KeyboardInterrupt, Terminated, GeneratorExit):
        raise
    except BaseException as error:
        if signal.SIGTERM in came:
            raise Terminated from error
        if signal.SIGINT in came or is_interruption(error):
            raise KeyboardInterrupt from error
        raise


@contextlib.contextmanager
def _heard(came: set[int], stop: Callable[[], Any]) -> Iterator[None]:
    """Note signals in `came` as soon as they arrive, and call `stop` from then on."""
    if threading.current_thread() is not threading.main_thread() or not (_is_ours(signal.SIGINT) or _is_ours(signal.SIGTERM)):
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    before = _without_abandoned(before)

    def listen() -> None:
        while True:
            ready, _, _ = select.select([reader], [], [], AGAIN if came else None)
            data = reader.recv(64) if ready else b""
            if ready and not data:  # the other end is gone, nobody will end this thread
                return
            signals = data.replace(b"\0", b"")
            if signals and before != -1:
                with contextlib.suppress(OSError):
                    os.write(before, signals)  # whoever listened before us
            came.update(number for number in signals if _is_ours(number))
            if len(signals) < len(data):
                return
            if came:
                with contextlib.suppress(Exception):
                    stop()

    thread = threading.Thread(target=listen, name="xpbench-signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        _end_listening(thread, reader, writer, before)


_ABANDONED: dict[int, tuple[socket.socket, socket.socket]] = {}
"""Pairs that Python still writes signals to, by descriptor: closed, their number could be a file's next."""


def _end_listening(thread: threading.Thread, reader: socket.socket, writer: socket.socket, before: int) -> None:
    try:
        signal.set_wakeup_fd(before)
    except OSError:  # whoever listened before has closed its descriptor meanwhile
        signal.set_wakeup_fd(-1)
    except ValueError:  # a generator that nobody finished is collected in any thread, and only the main one may do this
        _ABANDONED[writer.fileno()] = (reader, writer)
    with contextlib.suppress(OSError):
        writer.send(b"\0")
    if thread is not threading.current_thread():
        thread.join(timeout=10 * AGAIN)  # it may be inside `stop`; it ends on its own then
    if writer.fileno() not in _ABANDONED:
        writer.close()
        if not thread.is_alive():
            reader.close()


def _without_abandoned(before: int) -> int:
    """Who really listened before; what was abandoned is closed now that nobody writes there."""
    heir = -1 if before in _ABANDONED else before
    for reader, writer in _ABANDONED.values():
        reader.close()
        writer.close()
    _ABANDONED.clear()
    return heir


def _is_ours(number: int) -> bool:
    if number not in (signal.SIGINT, signal.SIGTERM):
        return False
    return signal.getsignal(number) in (signal.default_int_handler, raise_terminated, _end)


@contextlib.contextmanager
def temporary_folder(prefix: str = "xpbench-") -> Iterator[Path]:
    """A folder that is gone after the block, however it ends: by an error, by Ctrl-C, by SIGTERM."""
    with cleaned_up(), tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


class KeptFolder(tempfile.TemporaryDirectory[str]):
    """A folder that lives as long as the object that keeps it, and is gone when the process ends, by SIGTERM as well.

    Attributes:
        made_by: Process that made it.
    """

    def __init__(self, prefix: str = "xpbench-") -> None:
        if is_free():
            signal.signal(signal.SIGTERM, _end)
        self.made_by = os.getpid()
        super().__init__(prefix=prefix)
        _KEPT.add(self)


@contextlib.contextmanager
def cleaned_up() -> Iterator[None]:
    """SIGTERM, where nobody has a handler for it, ends the process after the block has been left, and no sooner."""
    if not is_free():
        yield
        return
    before = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        yield
    except Terminated:
        _end(signal.SIGTERM, None)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
