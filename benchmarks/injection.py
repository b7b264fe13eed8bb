"""Let each system call of append, freeze and memo save fail in turn, with each error; look at what is on disk afterwards.

    python -m benchmarks.injection            needs strace (Debian: strace) and the right to trace own processes

A child process stops itself before the operation; strace takes hold of it and lets one call fail (`inject=…:when=N`), each of
those that an untouched run made, one after the other. Afterwards the file must be the old one
or the new one, whatever was acknowledged must be there, nothing may be acknowledged whose sync failed, and the operation must
work when it is done again.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import commit, write
from tests.memo.making import PLAN, decided, summary_of
from xpbench.errors import XpbenchError
from xpbench.experiment import open_experiment, register
from xpbench.files import write_atomic
from xpbench.ledger import Ledger
from xpbench.plan import Plan

ERRORS = ("ENOSPC", "EIO", "EACCES", "EROFS")
CALLS = (
    "openat,open,creat,read,pread64,write,pwrite64,writev,close,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
    "mkdir,mkdirat,chmod,fchmod,fchmodat,ftruncate,truncate,flock,fcntl,lseek,fstat,stat,lstat,newfstatat,statx,readlink,readlinkat,"
    "access,faccessat,faccessat2,getdents64,dup,dup3,ioctl"
)
SYNCS = ("fsync", "fdatasync")
ACKNOWLEDGED, REFUSED, CRASHED = 0, 10, 11


class Case:
    """One operation: prepare a folder, do it, look at what is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        raise NotImplementedError

    def act(self) -> None:
        raise NotImplementedError

    def look(self, *, acknowledged: bool) -> str:
        """What is wrong afterwards, "" for nothing; the operation is done again as well."""
        raise NotImplementedError


class Append(Case):
    """An entry at the end of a ledger of three."""

    def prepare(self) -> None:
        self.path = self.folder / "ledger.jsonl"
        ledger = Ledger(self.path)
        for i in range(3):
            ledger.append("looked", {"i": i})
        self.old = self.path.read_bytes()

    def act(self) -> None:
        Ledger(self.path).append("looked", {"text": "x" * 3000})

    def look(self, *, acknowledged: bool) -> str:
        now = self.path.read_bytes()
        count = len(Ledger(self.path).entries())
        if not now.startswith(self.old) or count not in (3, 4) or (now != self.old and not now.endswith(b"\n")):
            return "neither the old ledger nor the new one"
        if acknowledged and count != 4:
            return "an acknowledged entry is lost"
        if Ledger(self.path).append("looked", {}).seq != count + 1:
            return "the next append did not follow"
        return ""


class Freeze(Case):
    """A plan registered in an empty root."""

    def prepare(self) -> None:
        self.plan = Plan(**PLAN)

    def act(self) -> None:
        register(self.plan, self.folder / "root")

    def look(self, *, acknowledged: bool) -> str:
        folder = self.folder / "root" / self.plan.key
        ledger, plan = folder / "ledger.jsonl", folder / "plan.json"
        if plan.exists() and plan.read_bytes() != self._whole():
            return "half a plan"
        registered = ledger.exists() and len(Ledger(ledger).entries()) == 1
        if acknowledged and not (registered and plan.exists()):
            return "an acknowledged registration is lost"
        try:
            register(self.plan, self.folder / "root")
        except XpbenchError as error:
            if not ledger.exists() or "XPB-L03" not in str(error):
                return f"it can't be done again: {error}"
            if not registered:  # an empty ledger file stands for nothing that was acknowledged
                return "an empty ledger keeps the key"
        open_experiment(self.plan.key, self.folder / "root")
        return ""

    def _whole(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            self.plan.save(Path(folder) / "plan.json")
            return (Path(folder) / "plan.json").read_bytes()


class Save(Case):
    """A memo written over an older one."""

    pages: tuple[bytes, bytes]

    def prepare(self) -> None:
        self.path = self.folder / "memo.html"
        write_atomic(self.path, self.pages[0])

    def act(self) -> None:
        write_atomic(self.path, self.pages[1])

    def look(self, *, acknowledged: bool) -> str:
        now = self.path.read_bytes()
        if now not in self.pages:
            return "half a memo"
        if acknowledged and now != self.pages[1]:
            return "an acknowledged memo is not there"
        write_atomic(self.path, self.pages[1])
        return "" if self.path.read_bytes() == self.pages[1] else "it can't be done again"


def traced(case: Case, log: Path, inject: str = "") -> tuple[int, str]:
    """How a child ended that did the operation under strace, and the trace of its calls."""
    said = log.with_suffix(".said")
    child = os.fork()
    if child == 0:
        code = CRASHED
        try:
            os.kill(os.getpid(), signal.SIGSTOP)
            case.act()
            code = ACKNOWLEDGED
        except XpbenchError:
            code = REFUSED
        except BaseException:  # noqa: BLE001 - told by the exit code
            said.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    os.waitpid(child, os.WUNTRACED)
    command = ["strace", "-q", "-o", str(log), "-p", str(child), "-e", f"trace={CALLS}", *(["-e", inject] if inject else [])]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 10
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text() and time.monotonic() < deadline:
        time.sleep(0.0005)
    os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, 0)
    tracer.communicate()
    return os.waitstatus_to_exitcode(status), log.read_text(errors="replace")


def run(make: Callable[[Path], Case], *, errors: tuple[str, ...] = ERRORS, every: int = 1) -> dict[str, Any]:
    """Every call of an operation failed once with every error (of all these pairs every so-many-th)."""
    failed, ended, wrong = Counter[str](), Counter[str](), []
    with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as name:
        case = make(Path(name) / "work")
        case.folder.mkdir()
        case.prepare()
        _, trace = traced(case, Path(name) / "log")
    calls = Counter(re.findall(r"^(\w+)\(", trace, re.MULTILINE))
    pairs = [(error, call, k) for call, n in sorted(calls.items()) for k in range(1, n + 1) for error in errors]
    for error, call, place in pairs[::every]:
        with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as name:
            case, log = make(Path(name) / "work"), Path(name) / "log"
            case.folder.mkdir()
            case.prepare()
            code, trace = traced(case, log, f"inject={call}:error={error}:when={place}")
            if "INJECTED" not in trace:
                continue
            failed[call] += 1
            ended[{ACKNOWLEDGED: "acknowledged", REFUSED: "refused"}.get(code, "crashed")] += 1
            try:
                trouble = case.look(acknowledged=code == ACKNOWLEDGED)
            except Exception as error_:  # noqa: BLE001 - that is what is counted
                trouble = f"{type(error_).__name__}: {error_}"
            if code not in (ACKNOWLEDGED, REFUSED):
                said = log.with_suffix(".said")
                trouble = trouble or f"an error of no type of ours: {said.read_text()[-600:] if said.exists() else code}"
            if code == ACKNOWLEDGED and call in SYNCS:
                trouble = trouble or "acknowledged without a sync"
            if trouble:
                wrong.append(f"{error} at {call} {place}: {trouble}")
    return {"runs": sum(failed.values()), "calls": dict(failed), "ended": dict(ended), "wrong": wrong}


def operations(folder: Path) -> dict[str, Callable[[Path], Case]]:
    """The three operations, with two memos made beforehand."""
    Save.pages = (
        decided(folder / "a", summary=summary_of(seed=7)).memo().html.encode(),
        decided(folder / "b", summary=summary_of(seed=8)).memo().html.encode(),
    )
    return {"append": Append, "freeze": Freeze, "memo save": Save}


def is_possible() -> bool:
    """Whether strace is here and may trace."""
    program = shutil.which("strace")
    done = program and subprocess.run([program, "-q", "-e", "trace=none", "true"], capture_output=True, check=False)
    return bool(done) and done.returncode == 0  # type: ignore[union-attr]


def main() -> int:
    if not is_possible():
        sys.stderr.write("strace is missing, or may not trace here\n")
        return 2
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, make in operations(Path(folder)).items():
            found[name] = run(make)
            sys.stderr.write(f"[{time.perf_counter() - started:4.0f} s] {name}: {found[name]['runs']} runs\n")

    result = {**found, "commit": commit(), "seconds": round(time.perf_counter() - started)}
    write("injection", result, command="python -m benchmarks.injection")
    return 1 if any(f["wrong"] for f in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
