"""The one folder that a server may read and write, and paths in it: no link, no way up, no pattern leads out of it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from xpbench.errors import InputError, LedgerError, plain

MOST_FILES = 2_000
_FORBIDDEN = re.compile(r"[*?\[\]{}<>|\x00-\x1f\x7f\\]")


class Root:
    """A folder, and the folder of experiments in it.

    Args:
        folder: What may be read and written; must exist.
        experiments: Folder of all experiments, relative to it.

    Raises:
        InputError: `XPB-I01`, there is no such folder; `XPB-G01`, the experiments lie outside.
    """

    def __init__(self, folder: str | Path, experiments: str = "experiments") -> None:
        self.folder = Path(folder).resolve()
        if not self.folder.is_dir():
            raise InputError("XPB-I01", path=str(folder))
        self._experiments = experiments
        self.path(experiments)

    @property
    def experiments(self) -> Path:
        """The folder of all experiments; looked at each time, because a link may have been put there since."""
        return self.path(self._experiments)

    def path(self, given: str) -> Path:
        """A path under the folder, which need not exist.

        Raises:
            InputError: `XPB-G01`, it is absolute, goes up, is hidden, has a sign of a pattern, or passes a link.
        """
        return self.folder.joinpath(*self._parts(given))

    def file(self, given: str) -> Path:
        """An ordinary file under the folder.

        Raises:
            InputError: `XPB-G01`, as for `path`; `XPB-I01`, there is none.
        """
        path = self.path(given)
        if not path.is_file():
            raise InputError("XPB-I01", path=given)
        return path

    def data(self, given: str | Sequence[str]) -> str | list[str]:
        """Data under the folder: one file, several, or the files of a folder.

        Raises:
            InputError: `XPB-G01`, as for `path`, a link among the files, a file named twice, or a folder that also holds
                experiments; `XPB-I01`, there is none.
        """
        names = [given] if isinstance(given, str) else list(given)
        if not names or len(names) > MOST_FILES:
            raise _refused(str(len(names)), f"Between 1 and {MOST_FILES:,} files are read at once")
        paths = [self.path(name) for name in names]
        if len({os.path.realpath(p) for p in paths}) < len(paths):
            raise _refused(names[0], "Each file is named once")
        for name, path in zip(names, paths, strict=True):
            if path.is_dir() and len(paths) == 1:
                return self._files_in(name, path)
            if not path.is_file():
                raise InputError("XPB-I01", path=name)
        return str(paths[0]) if len(paths) == 1 else [str(p) for p in paths]

    def experiment(self, key: str) -> Path:
        """The folder of all experiments, once nothing in the folder of this one is a link.

        Raises:
            LedgerError: `XPB-L08`, a link stands there.
            InputError: `XPB-G01`, a link stands where the experiments should be.
            PlanError: `XPB-P05`, the key names no folder.
        """
        from xpbench.ledger.folder import folder_of

        root = self.experiments
        folder = folder_of(root, key)
        for top, folders, files in os.walk(folder):
            for name in (*folders, *files):
                path = Path(top) / name
                if path.is_symlink():
                    raise LedgerError("XPB-L08", path=str(path))
        return root

    def named(self, path: str | Path) -> str:
        """A path as a client may be shown it: relative to the folder."""
        try:
            return Path(path).relative_to(self.folder).as_posix()
        except ValueError:
            return Path(path).name

    def _parts(self, given: str) -> list[str]:
        if not isinstance(given, str) or not given.strip() or len(given) > 1_000:
            raise _refused(str(given)[:80], "A path is a text")
        if _FORBIDDEN.search(given):
            raise _refused(given, "A path names one file or folder, without signs of a pattern")
        parts = given.split("/")
        if given.startswith(("/", "~")) or re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:", given):
            raise _refused(given, "A path is relative to the folder of the server")
        parts = [p for p in parts if p not in ("", ".")]
        if any(p.startswith(".") for p in parts):
            raise _refused(given, "A path does not go up, and names nothing hidden")
        here = self.folder
        for part in parts:
            here /= part
            try:
                mode = os.lstat(here).st_mode
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError):
                raise _refused(given, "The system does not take it") from None
            if stat.S_ISLNK(mode):
                raise _refused(given, "No part of a path is a symbolic link")
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise _refused(given, "A path names a file or a folder, no device and no pipe")
        return parts

    def _files_in(self, given: str, folder: Path) -> list[str]:
        from xpbench.experiment.sources import files_in

        if folder == self.folder or folder == self.experiments or folder in self.experiments.parents:
            raise _refused(given, "A folder of data holds data only")
        for path in folder.iterdir():
            if path.is_symlink():
                raise _refused(f"{given}/{path.name}", "No file of a folder is a symbolic link")
        return files_in(folder)


def _refused(given: str, rule: str) -> InputError:
    return InputError("XPB-G01", path=given, rule=plain(rule))
