"""The events of a piece of a log, written to Parquet; the strict reader finds what is not an event, and it is judged."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from xpbench.data.engines.embedded import unread
from xpbench.data.jsonl.file_pieces import Piece
from xpbench.data.jsonl.rejected_lines import Judge, RejectedLines
from xpbench.data.jsonl.strict_json_reader import REFUSALS, Strict
from xpbench.errors import DataError, plain


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a piece.

    Attributes:
        rows: Events written.
        lines: Lines that are not blank.
        bad: Reason by number of line, of those that are no events.
        wary: Steps of judging that should come before the strict reader tries the next piece; 0 while pieces are good.
    """

    rows: int = 0
    lines: int = 0
    bad: dict[int, str] | None = None
    wary: int = 0


class PieceReader:
    """Reads one piece after the other on a connection of its own."""

    def __init__(self, run: Any, strict: Strict) -> None:
        """Make a reader.

        Args:
            run: Connection to the engine, which nobody else uses meanwhile.
            strict: What is read.
        """
        self.run = run
        self.strict = strict
        self.judge = Judge(run, strict)
        self._tries = itertools.count(1)
        run.execute("SET enable_external_file_cache = false")  # pieces may bear the same name
        run.execute("SET preserve_insertion_order = false")  # an event means the same wherever it stands

    def take(self, piece: Piece, made: Path, name: str, wary: int) -> Taken:
        """Write the events of a piece.

        Args:
            piece: Lines, over which may be written.
            made: The Parquet file.
            name: Of the log, for messages.
            wary: As the piece before said.
        """
        if not piece.lines:
            return Taken(wary=wary)
        assert piece.lent is not None  # noqa: S101 - for the types: there are lines
        rows = None if wary or piece.doubt else self.copy(piece.lent.name, made)
        if rows == piece.lines:
            return Taken(rows, rows, wary=wary)
        sheet = RejectedLines(piece)
        if rows == sheet.filled or not sheet.filled:
            return Taken(sheet.filled, sheet.filled, wary=wary)
        tried, refused, deepest = not (wary or piece.doubt), rows is None, 0
        bad: dict[int, str] = {}
        steps: tuple[Callable[[RejectedLines], Iterable[int]], ...]
        steps = (RejectedLines.ragged, self.judge.doubtful, self.judge.refused, RejectedLines.all)
        for number, doubtful in enumerate(steps, 1):
            more = self.judge.judge(sheet, (i for i in doubtful(sheet) if i not in bad))
            bad |= more
            deepest = number if more else deepest
            last = number == len(steps)
            if rows is None or last:
                sheet.blank_out(bad)
                if last or (number >= wary and (more or not tried)):
                    piece.lent.show(piece.size)
                    rows, tried = self.copy(piece.lent.name, made, longest=sheet.longest), True
            if rows is not None and rows + len(bad) == sheet.filled:
                break
        else:  # pragma: no cover - lines were judged by the same reader
            raise DataError("XPB-D01", what=plain(f"{name} could not be read"), reason="lines were lost")
        reasons = {sheet.number(i): reason for i, reason in bad.items()}
        return Taken(rows, sheet.filled, reasons, deepest if refused else 0)

    def copy(self, name: str, target: Path, *, longest: int = 0) -> int | None:
        """Events of a file, written to a Parquet file; None where the strict reader refuses a line.

        Args:
            name: Of the file.
            target: The Parquet file.
            longest: Length of the longest line, where it is known to be longer than usual.
        """
        # A name of its own each time: the engine may remove what a refused try wrote a little after it has said so.
        made = target.with_name(f"{target.stem}.{next(self._tries)}.tmp")
        try:
            ((rows,),) = self.run.execute(self.strict.copy(name, str(made), longest=longest)).fetchall()
        except REFUSALS:
            return None
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.Error as error:  # a full disk, too little memory: not the fault of a line
            raise unread("The log could not be read", error) from error
        if rows:
            made.replace(target)
        else:
            made.unlink(missing_ok=True)
        return int(rows)
