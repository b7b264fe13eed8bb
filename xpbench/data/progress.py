"""A progress bar for terminal and notebook over the stages of a source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from xpbench.data.engines.embedded import Progress, ReadingStage
from xpbench.errors import number_of


@contextmanager
def progress_bar(*, file: Any = None) -> Iterator[Progress]:
    """A bar to pass as `progress=`: one step for each stage, with the name, rows and time of the last; closed at the end.

    In a notebook it is a widget, elsewhere a line on stderr.

    Args:
        file: Where to write in a terminal; None = stderr.
    """
    from tqdm.auto import tqdm

    bar = tqdm(total=1, file=file, unit="stage", bar_format="{desc} {bar} {n_fmt}/{total_fmt} {elapsed}")

    def step(stage: ReadingStage) -> None:
        bar.total = max(stage.of, stage.done)
        rows = "" if stage.rows is None else f", {number_of(stage.rows, 'row')}"
        bar.set_description_str(f"{stage.name}{rows}, {stage.seconds:.1f} s", refresh=False)
        bar.update(stage.done - bar.n)
        bar.refresh()

    try:
        yield step
    finally:
        bar.close()
