"""Ctrl-C is a cancellation wherever it comes, and no end by a signal leaves a folder behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xpbench import interrupts
from xpbench.data.engines.embedded import DuckDB
from xpbench.errors import DataError
from xpbench.interrupts import Terminated, interruptible, is_interruption, temporary_folder

LONG = "SELECT sum(sqrt(a.range * b.range)) FROM range(100000) a, range(10000000) b"
WAYS = {
    "rows": lambda c: c.execute(LONG).fetchall(),
    "relation": lambda c: c.sql(LONG).fetchall(),
    "arrow": lambda c: c.execute(LONG).to_arrow_table(),
    "reader": lambda c: list(c.execute(LONG).to_arrow_reader(100)),
    "numpy": lambda c: c.execute(LONG).fetchnumpy(),
    "copy": lambda c: c.execute(f"COPY ({LONG}) TO '/dev/null' (FORMAT csv)"),
}


@pytest.fixture(autouse=True)
def _python_handles_ctrl_c() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def later(number: int, seconds: float = 0.3) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_in_the_engine_is_a_keyboard_interrupt(way: str) -> None:
    start = time.monotonic()
    with DuckDB(threads=1).connect() as connection:
        later(signal.SIGINT)
        with pytest.raises(BaseException) as caught, interruptible(connection.interrupt):
            WAYS[way](connection)
        assert caught.type is KeyboardInterrupt
    assert time.monotonic() - start < 10
    assert signal.set_wakeup_fd(-1) == -1


def test_an_error_that_the_engine_made_of_it_is_none_of_the_log() -> None:
    def read() -> None:
        with DuckDB(threads=1).connect() as connection:
            later(signal.SIGINT)
            try:
                connection.sql(LONG).fetchall()
            except Exception as error:
                raise DataError("XPB-D01", what="The log could not be read", reason=str(error)) from error

    with pytest.raises(KeyboardInterrupt):
        read()


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(DataError), DuckDB().connect():
        raise DataError("XPB-D02", path="x")
    assert not is_interruption(ValueError("Query interrupted"))
    assert not is_interruption(RuntimeError("other"))


def test_a_handler_of_the_callers_own_is_left_alone() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    with DuckDB().connect() as connection:
        os.kill(os.getpid(), signal.SIGINT)
        assert connection.execute("SELECT count(*) FROM range(30000000)").fetchall() == [(30_000_000,)]
    assert heard == [signal.SIGINT]


def test_who_listened_before_goes_on_hearing() -> None:
    import socket

    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno())
    try:
        with pytest.raises(KeyboardInterrupt), interruptible(lambda: None):
            signal.raise_signal(signal.SIGINT)
        reader.settimeout(5)
        assert reader.recv(10) == bytes([signal.SIGINT])
        assert signal.set_wakeup_fd(-1) == writer.fileno()
    finally:
        signal.set_wakeup_fd(before)
        reader.close()
        writer.close()


def test_other_threads_work_as_ever() -> None:
    found: list[Any] = []

    def work() -> None:
        with DuckDB().connect() as connection, temporary_folder() as folder:
            found.append((connection.execute("SELECT 1").fetchall(), folder.is_dir()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [([(1,)], True)]


def test_an_async_program_keeps_its_signals() -> None:
    import asyncio

    heard: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: heard.append("usr1"))
        with DuckDB().connect() as connection:
            connection.execute("SELECT 1").fetchall()
            os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.2)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.sleep(0.2)

    asyncio.run(main())
    assert heard == ["usr1", "usr1"]


def _listeners() -> int:
    return sum(t.name == "xpbench-signals" for t in threading.enumerate())


def test_a_block_that_is_collected_in_another_thread_ends_its_listener() -> None:
    """Its descriptor is not closed while Python writes signals there: its number could be the next file's."""

    def left() -> Iterator[None]:
        with interruptible(lambda: None):
            yield

    started = _listeners()
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    kept = [left()]
    next(kept[0])
    assert _listeners() == started + 1
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join(10)
    deadline = time.monotonic() + 5
    while _listeners() > started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _listeners() == started
    with interruptible(lambda: None):
        pass
    assert signal.set_wakeup_fd(before) == before
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: None):
        signal.raise_signal(signal.SIGINT)


SCRIPT = """
import sys, time
import duckdb  # an import may swallow what a signal raises
from xpbench.data.engines.embedded import DuckDB
from xpbench.interrupts import temporary_folder
kind = sys.argv[1]
with temporary_folder() as folder:
    (folder / "people.txt").write_text("ids")
    print("ready", flush=True)
    if kind == "python":
        time.sleep(30)
    with DuckDB(threads=1).connect() as connection:
        connection.sql(sys.argv[2]).fetchall()
"""


@pytest.mark.parametrize("kind", ["python", "engine"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)])
def test_a_script_that_is_ended_leaves_no_folder(tmp_path: Path, kind: str, number: int, code: int) -> None:
    command = [sys.executable, "-c", SCRIPT, kind, LONG]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.csv"
    with path.open("w") as file:
        file.write("user,variant,spent\n")
        for i in range(2_000_000):
            file.write(f"{i},{'control' if i % 2 else 'beta'},{i % 97}.5\n")
    return path


COMMAND = "import sys; from xpbench.cli import main; print('begin', flush=True); sys.exit(main())"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("delay", [0.2, 0.8, 1.4, 2.0, 2.6])
def test_a_command_that_is_ended_says_so_by_its_exit_code(
    big: Path, tmp_path: Path, number: int, code: int, delay: float
) -> None:
    command = [sys.executable, "-c", COMMAND, "explore", str(big), "--unit", "user", "--metric", "spent", "--root", "none"]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    if process.returncode == -number:  # Python itself was ending: the answer is whole
        assert "spent" in out, error
    elif process.returncode != 0:  # it may have been quicker
        assert process.returncode == code, error
        assert "Traceback" not in error
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("xpbench")] == []


def test_no_other_module_makes_temporary_folders() -> None:
    """They are found by a walk over the source; a folder in one of those, or one of JupyterLab's server, is named here."""
    own = {"interrupts.py", "contents.py", "handlers.py", "cache.py", "select.py"}
    found = {
        path.name
        for path in Path(interrupts.__file__).parent.rglob("*.py")
        if "TemporaryDirectory" in path.read_text("utf-8") or "mkdtemp" in path.read_text("utf-8")
    }
    assert found - own == set()


KEPT = """
import os, signal, sys, time
from pathlib import Path
from xpbench.interrupts import KeptFolder, cleaned_up, temporary_folder
kind = sys.argv[1]
if kind == "sandbox":
    from xpbench.mixpanel.sandbox import Sandbox
    kept = Sandbox()
else:
    kept = KeptFolder()
    (Path(kept.name) / "people.txt").write_text("ids")
if kind == "fork":
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
    os.waitpid(child, 0)
    print("there" if Path(kept.name).is_dir() else "gone", flush=True)
if kind == "inside":
    with temporary_folder() as inner:
        print("ready", flush=True)
        time.sleep(30)
print("ready", flush=True)
time.sleep(30)
"""


@pytest.mark.parametrize("kind", ["object", "sandbox", "inside", "fork"])
def test_a_folder_that_an_object_keeps_is_gone_after_sigterm(tmp_path: Path, kind: str) -> None:
    if kind == "sandbox":
        pytest.importorskip("trustme")
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", KEPT, kind],
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if kind == "fork":
        assert process.stdout.readline() == "there\n"
    assert process.stdout.readline() == "ready\n", process.stderr.read() if process.stderr else ""
    assert list((tmp_path / "tmp").iterdir()) != []
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_handler_of_the_callers_own_stays(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        folder = interrupts.KeptFolder()
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        folder.cleanup()
        assert not Path(folder.name).exists()
    finally:
        signal.signal(signal.SIGTERM, before)


SLOW = """
import sys, time
slow = sys.argv[1]
class Finder:
    def find_spec(self, name, path, target=None):
        if name == slow:
            print("loading", flush=True)
            time.sleep(30)
sys.meta_path.insert(0, Finder())
sys.argv = ["xpbench", "check", "none.plan.json"]
import runpy
runpy.run_module("xpbench", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["xpbench.cli", "xpbench.commands.output", "xpbench.commands.watch", "xpbench.plan.reading"])
def test_ctrl_c_while_the_command_line_loads_is_a_cancellation(module: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW, module], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error == "Cancelled; nothing half-written was left behind.\n"


def test_both_ways_to_the_command_line_are_one() -> None:
    done = subprocess.run([sys.executable, "-m", "xpbench", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("xpbench ")
    project = tomllib.loads((Path(interrupts.__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"] == {"xpbench": "xpbench.__main__:main"}


def test_terminated_is_an_exit_of_its_own() -> None:
    assert Terminated().code == 143
