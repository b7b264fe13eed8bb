"""The table next to every chart: the same numbers, to read, to copy, to save as CSV."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xpbench.lazy import earlier
from xpbench.outward import csv_text, for_terminal
from xpbench.outward import html as escape

NARROW = (
    "<style>@media (max-width:600px){.xp-table,.xp-table tbody,.xp-table tr,.xp-table td,.xp-table caption{display:block}"
    ".xp-table thead{display:none}.xp-table tr{border-bottom:1px solid;padding:6px 0}"
    ".xp-table td{display:flex;justify-content:space-between;gap:16px;text-align:right!important;white-space:normal!important;"
    "padding:2px 0}.xp-table td::before{content:attr(data-label);opacity:.75;text-align:left}}</style>"
)
"""Below 600 px each row is a block of its own, one value under the other with its name: no table to scroll sideways."""
SHOWN_ROWS = 200
"""Rows that the HTML table shows; the CSV has all."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column.

    Attributes:
        key: Name in the data.
        heading: Name for people.
        show: How a value is written.
        is_number: Aligned to the right.
    """

    key: str
    heading: str
    show: Callable[[Any], str] = str
    is_number: bool = False


def _shown(value: Any, column: TableColumn) -> str:
    return "–" if value is None else column.show(value)


@dataclass(frozen=True)
class Table:
    """Rows with named columns.

    Attributes:
        caption: What the table shows.
        columns: In order.
        rows: Values by key of the column; None where there is none.
        groups: Key whose change starts a new block, "" for none.
    """

    caption: str
    columns: Sequence[TableColumn]
    rows: Sequence[Mapping[str, Any]]
    groups: str = ""
    notes: Sequence[str] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Caption, columns and rows."""
        keys = [c.key for c in self.columns]
        return {"caption": self.caption, "columns": keys, "rows": [{k: r.get(k) for k in keys} for r in self.rows]}

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        keys = [c.key for c in self.columns]
        return pd.DataFrame([{k: r.get(k) for k in keys} for r in self.rows], columns=keys)

    def to_csv(self) -> str:
        """The rows as CSV with a heading line; numbers in full, text guarded against spreadsheets."""
        return csv_text([c.key for c in self.columns], [[r.get(c.key) for c in self.columns] for r in self.rows])

    @for_terminal
    def to_text(self) -> str:
        """The rows as aligned text."""
        lines = [[c.heading for c in self.columns]]
        lines += [[" ".join(_shown(r.get(c.key), c).split()) for c in self.columns] for r in self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join(
            "  ".join(
                cell.rjust(w) if c.is_number else cell.ljust(w) for cell, w, c in zip(line, widths, self.columns, strict=True)
            ).rstrip()
            for line in lines
        )

    def to_html(self, *, with_csv: bool = True) -> str:
        """The rows as a static, escaped HTML table, with the CSV to copy or to save below it."""
        if not self.rows:
            return f"<p>{escape(self.caption)}: nothing to show yet.</p>"
        head = "".join(f"<th scope='col'{_align(c)}>{escape(c.heading)}</th>" for c in self.columns)
        body, last = [], None
        for row in self.rows[:SHOWN_ROWS]:
            if self.groups and row.get(self.groups) != last:
                last = row.get(self.groups)
                heading = escape(str(last).capitalize())
                body.append(
                    f"<tr><th colspan='{len(self.columns)}' scope='rowgroup' style='text-align:left'>{heading}</th></tr>"
                )
            cells = "".join(
                f"<td{_align(c)} dir='auto' data-label='{escape(c.heading, quote=True)}'>"
                f"{escape(_shown(row.get(c.key), c))}</td>"
                for c in self.columns
            )
            body.append(f"<tr>{cells}</tr>")
        more = f"<p>Showing {SHOWN_ROWS} of {len(self.rows):,}; the CSV has all.</p>" if len(self.rows) > SHOWN_ROWS else ""
        notes = "".join(f"<p>{escape(n)}</p>" for n in self.notes)
        return (
            NARROW + "<div style='overflow-x:auto'><table class='xp-table' cellpadding='5' style='border-collapse:collapse;"
            "font-variant-numeric:tabular-nums;font-size:13px'>"
            f"<caption style='text-align:left;padding:4px 0'>{escape(self.caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{more}{notes}"
            + (self._csv_html() if with_csv else "")
        )

    def _csv_html(self) -> str:
        text = self.to_csv()
        data = base64.b64encode(text.encode("utf-8", "replace")).decode()
        return (
            f"<details><summary>CSV ({len(self.rows)} rows)</summary><textarea readonly rows='6' cols='90' style='width:100%' "
            f"aria-label='CSV of {escape(self.caption, quote=True)}'>{escape(text)}</textarea>"
            "<button type='button' onclick=\"this.previousElementSibling.select();"
            'navigator.clipboard.writeText(this.previousElementSibling.value)">Copy</button> '
            f"<a download='xpbench.csv' href='data:text/csv;charset=utf-8;base64,{data}'>Save as file</a></details>"
        )

    @for_terminal
    def __repr__(self) -> str:
        return f"{self.caption}\n{self.to_text()}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": repr(self)}


def _align(column: TableColumn) -> str:
    return f" style='text-align:{'right;white-space:nowrap' if column.is_number else 'left'}'"


__getattr__ = earlier(__name__, {"Column": "TableColumn"})
