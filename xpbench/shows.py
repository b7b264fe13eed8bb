"""How a result shows itself: HTML and text in one bundle, its rows as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from xpbench.outward import for_terminal
from xpbench.outward import html as escape


class Shows:
    """Base of every public result: `_repr_mimebundle_` from its own HTML and text, `to_frame` from its own rows."""

    __slots__ = ()
    rows_of_frame: ClassVar[str] = ""
    """Name of the list in `to_dict()` that is the result's table."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Whatever text a result makes of itself is fit for a terminal: names from data steer none."""
        super().__init_subclass__(**options)
        for name in ("__repr__", "__str__"):
            own = cls.__dict__.get(name)
            if own is not None and not hasattr(own, "__wrapped__"):
                setattr(cls, name, for_terminal(own))

    def to_dict(self) -> dict[str, Any]:
        """The result as a JSON value."""
        raise NotImplementedError

    def to_frame(self) -> Any:
        """The result's rows as a pandas DataFrame; one row of its plain fields where it is not a list."""
        import pandas as pd

        found = self.to_dict()
        if self.rows_of_frame:
            return pd.DataFrame(found[self.rows_of_frame])
        return pd.DataFrame([{k: v for k, v in found.items() if not isinstance(v, (list, dict))}])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        out = {"text/plain": repr(self)}
        own = getattr(self, "_repr_html_", None)
        if own is not None:
            out["text/html"] = own()
        return out


def plain_html(sentence: str, rows: Sequence[Mapping[str, Any]], *, most: int = 50) -> str:
    """A sentence and, where there are any, rows as a table, all of it escaped; `most` rows at most, the rest counted."""
    out = f'<div class="xp-static"><p>{escape(sentence)}</p>'
    if rows:
        names = list(rows[0])
        head = "".join(f'<th scope="col" style="text-align:start">{escape(n.replace("_", " "))}</th>' for n in names)
        cell = "<td dir=auto style=text-align:start>{}</td>"  # a notebook's own style puts cells to the right
        body = "".join(f"<tr>{''.join(cell.format(escape(str(r[n]))) for n in names)}</tr>" for r in rows[:most])
        out += f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        out += f"<p>… and {len(rows) - most:,} more</p>" if len(rows) > most else ""
    return out + "</div>"
