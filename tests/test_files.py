"""The old file or the new one, never half of one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from xpbench.errors import InputError
from xpbench.files import write_atomic


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "plan.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod", "write"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
def test_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(b"old")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    if call == "write":
        real = os.fdopen

        def broken(*a: Any, **k: Any) -> Any:
            file = real(*a, **k)

            class Full:
                def __enter__(self) -> Any:
                    return self

                def __exit__(self, *e: Any) -> None:
                    file.close()

                write = staticmethod(fail)

            return Full()

        monkeypatch.setattr(os, "fdopen", broken)
    else:
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(InputError, match="XPB-I06"):
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["plan.json"]
