"""What every view is: a takeaway, a chart, alt text, and the same numbers as a table; shown by our own MIME bundle.

JupyterLab 4.6 draws Vega-Lite 5.6 without the network when it gets `application/vnd.vegalite.v5+json`, and nothing newer.
So a chart is built with Altair from features that 5.6 has, labelled as version 5, and comes with a PNG and plain text for
everything that draws no Vega: GitHub, untrusted notebooks, logs, diffs.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from xpbench.errors import InputError, plain
from xpbench.files import write_atomic
from xpbench.outward import for_terminal
from xpbench.outward import html as escape
from xpbench.views.png import shrunk
from xpbench.views.table import Table
from xpbench.views.theme import Ground, base_config, themed_config

VEGALITE = "application/vnd.vegalite.v5+json"
SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


@dataclass(frozen=True)
class View:
    """A chart with its takeaway and its table.

    Attributes:
        name: Which view.
        title: One sentence: what is to be seen.
        alt: What the picture shows, for those who can't see it.
        table: The numbers of the picture.
        subtitle: What is drawn: quantity, interval, population.
        chart: Altair chart without title and theme, or None where the view is a table.
        html: Static HTML that stands for the chart where there is none.
    """

    name: str
    title: str
    alt: str
    table: Table
    subtitle: str = ""
    chart: Any = field(default=None, repr=False)
    html: str = field(default="", repr=False)

    @cached_property
    def spec(self) -> dict[str, Any] | None:
        """The Vega-Lite specification without colours of the ground; None where the view is a table."""
        if self.chart is None:
            return None
        spec: dict[str, Any] = _with_shared_data(self.chart.to_dict(validate=False))
        spec["$schema"] = SCHEMA
        spec["description"] = self.alt
        spec["title"] = {"text": _lines(self.title, 92), **({"subtitle": _lines(self.subtitle, 120)} if self.subtitle else {})}
        spec["config"] = base_config()
        spec["padding"] = 8
        return spec

    def themed(self, ground: Ground) -> dict[str, Any]:
        """The specification with the colours of a ground.

        Raises:
            ValueError: the view is a table.
        """
        if self.spec is None:
            raise ValueError(f"{self.name} is a table, not a chart")
        return {**copy.deepcopy(self.spec), "config": themed_config(ground)}

    def to_svg(self, *, ground: Ground = "light") -> str:
        """The chart as SVG."""
        import vl_convert

        return str(vl_convert.vegalite_to_svg(json.dumps(self.themed(ground)), vl_version="5.8"))

    def to_png(self, *, ground: Ground = "light", scale: float = 1.0) -> bytes:
        """The chart as PNG."""
        import vl_convert

        return shrunk(bytes(vl_convert.vegalite_to_png(json.dumps(self.themed(ground)), vl_version="5.8", scale=scale)))

    def save(self, path: str | Path, *, ground: Ground = "light", scale: float = 2.0) -> Path:
        """Write the view to a file; an existing one is replaced whole.

        Args:
            path: The ending says what is written: `.png` or `.svg` the picture (of a view without a chart, its table drawn),
                `.html` picture and table, `.csv` the numbers, `.json` the Vega-Lite specification, `.txt` text.
            ground: `light` or `dark`, for pictures.
            scale: Pixels per point of a PNG.

        Returns:
            The path.

        Raises:
            InputError: `XPB-I04`, another ending; `XPB-I06`, the file can't be written.
        """
        from xpbench.views.table_picture import drawn_table  # brings Altair, which a table on the screen needs not

        target = Path(path)
        drawn = self if self.chart is not None else replace(self, chart=drawn_table(self.table))
        match target.suffix.lower():
            case ".png":
                data = drawn.to_png(ground=ground, scale=scale)
            case ".svg":
                data = drawn.to_svg(ground=ground).encode()
            case ".html":
                head = f"<!doctype html><meta charset=utf-8><title>{escape(self.title)}</title>"
                data = f"{head}{self.to_html()}\n".encode("utf-8", "replace")
            case ".csv":
                data = self.table.to_csv().encode("utf-8", "replace")
            case ".json":
                data = (json.dumps(drawn.themed(ground), ensure_ascii=False) + "\n").encode("utf-8", "replace")
            case ".txt":
                data = f"{self.to_text()}\n".encode("utf-8", "replace")
            case ending:
                rule = plain("A view is saved as .png, .svg, .html, .csv, .json or .txt")
                value = ending or "missing"
                raise InputError(
                    "XPB-I04", name=plain("The ending of the file"), value=value, rule=rule, remedy=plain("Name it view.png")
                )
        write_atomic(target, data)
        return target

    def to_frame(self) -> Any:
        """The numbers as a pandas DataFrame."""
        return self.table.to_frame()

    def to_dict(self) -> dict[str, Any]:
        """Name, takeaway, alt text and numbers."""
        return {
            "name": self.name,
            "title": self.title,
            "subtitle": self.subtitle,
            "alt": self.alt,
            "table": self.table.to_dict(),
        }

    @for_terminal
    def to_text(self) -> str:
        """Takeaway and numbers as plain text."""
        return "\n".join(filter(None, [self.title, self.subtitle, "", self.table.to_text()]))

    def to_html(self) -> str:
        """Takeaway, picture (SVG) and table as static, escaped HTML."""
        picture = self.html
        if self.chart is not None:
            picture = f"<div role='img' aria-label='{escape(self.alt, quote=True)}'>{self.to_svg()}</div>"
        table = f"<details><summary>Data table</summary>{self.table.to_html()}</details>" if picture else self.table.to_html()
        heading = "" if self.chart is not None else f"<p><b>{escape(self.title)}</b></p>"
        return f"<section class='xp-static'>{heading}{picture}{table}</section>"

    def table_html(self) -> str:
        """The folded table under the chart in a notebook."""
        return f"<details><summary>Data table: {escape(self.title)}</summary>{self.table.to_html()}</details>"

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if self.spec is None:
            return {"text/html": self.to_html(), "text/plain": self.to_text()}
        bundle: dict[str, Any] = {VEGALITE: self.spec, "text/plain": self.to_text()}
        with contextlib.suppress(ImportError):  # there is no native code in the browser's Python
            bundle["image/png"] = base64.b64encode(self.to_png()).decode()
        return bundle

    def outputs(self) -> list[dict[str, Any]]:
        """Notebook outputs: the chart, and under it the folded table."""
        out = [{"output_type": "display_data", "data": self._repr_mimebundle_(), "metadata": {}}]
        if self.spec is not None:
            data = {"text/html": self.table_html(), "text/plain": ""}
            out.append({"output_type": "display_data", "data": data, "metadata": {}})
        return out

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for output in self.outputs():
            display(output["data"], raw=True)


def _with_shared_data(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification with each list of inline data once, under `datasets`, however many layers draw it."""
    names: dict[str, str] = {}
    datasets: dict[str, Any] = dict(spec.get("datasets", {}))

    def hoisted(value: Any) -> Any:
        if isinstance(value, list):
            return [hoisted(v) for v in value]
        if not isinstance(value, dict):
            return value
        out = {}
        for key, inner in value.items():
            if key == "datasets":
                continue
            if key == "data" and isinstance(inner, dict) and "values" in inner:
                text = json.dumps(inner["values"], sort_keys=True)
                if text not in names:
                    names[text] = f"data-{len(names)}"
                    datasets[names[text]] = inner["values"]
                out[key] = {"name": names[text]}
            else:
                out[key] = hoisted(inner)
        return out

    return {**hoisted(spec), "datasets": datasets}


def _lines(text: str, most: int) -> list[str]:
    """Text in lines that fit a chart's title."""
    import textwrap

    return textwrap.wrap(" ".join(text.split()), most, max_lines=3, placeholder=" …") or [""]


def plain_rows(source: Any) -> list[dict[str, Any]]:
    """Rows of a readout as dictionaries: from a readout, a DataFrame, or a list of rows or dictionaries."""
    rows = getattr(source, "rows", source)
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        rows = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return [dict(r) if isinstance(r, Mapping) else r.to_dict() for r in rows]
