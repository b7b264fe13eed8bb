"""One theme for all charts: colours, sizes, and the one mapping by which a visual is restyled or switched off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from xpbench.errors import InputError, nearest, plain

Ground = Literal["light", "dark"]

TONES: Mapping[str, str] = {
    "control": "#8a939c",
    "treatment": "#3a8fd0",
    "better": "#1f9d78",
    "worse": "#d0632f",
    "warn": "#b98a1e",
    "same": "#2a9d9d",
    "sealed": "#8a70c0",
    "unclear": "#8a939c",
}
"""Chart tones: at least 3 : 1 on a white and on a near-black ground, so that one chart serves both themes."""

VARIANTS: tuple[str, ...] = ("#3a8fd0", "#2a9d9d", "#8a70c0", "#b98a1e")
"""Treatments in plan order; from the fifth on they are grey and told apart by label."""

VISUALS: Mapping[str, Mapping[str, Any]] = {
    "interval": {"strokeWidth": 2},
    "point": {"size": 50, "filled": True, "opacity": 1},
    "ghost": {"strokeWidth": 1.5, "opacity": 0.6},
    "zero": {"strokeWidth": 1, "opacity": 0.9},
    "min_lift": {"opacity": 0.16},
    "margin": {"opacity": 0.14},
    "horizon": {"strokeDash": [5, 4], "strokeWidth": 1.5},
    "forecast": {"strokeDash": [2, 3], "strokeWidth": 2},
    "band": {"opacity": 0.18},
    "line": {"strokeWidth": 2},
    "bar": {},
    "planned": {"thickness": 3},
    "numbers": {},
    "heading": {},
    "looks": {},
    "p_values": {"strokeWidth": 1.5},
    "title": {},
}
"""Parts of charts by name, with the mark's own properties."""

FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

_INK = {"light": ("#1b1f24", "#57606a", "#ffffff", "#d0d7de"), "dark": ("#e6edf3", "#9aa4af", "#111417", "#30363d")}


class Style:
    """The theme with a caller's changes.

    Args:
        changes: By name of a visual: `False` switches it off, a mapping changes its properties; by name of a tone: a colour.

    Raises:
        InputError: `XPB-I04`, a name that is neither.
    """

    def __init__(self, changes: Mapping[str, Any] | None = None) -> None:
        self._changes = dict(changes or {})
        for name in self._changes:
            if name not in VISUALS and name not in TONES:
                raise InputError(
                    "XPB-I04",
                    name="style",
                    value=name,
                    rule=plain("A style names visuals or tones of the theme"),
                    remedy=plain(nearest(name, [*VISUALS, *TONES])),
                )

    def tone(self, name: str) -> str:
        """Colour of a role."""
        found = self._changes.get(name)
        return found if isinstance(found, str) else TONES[name]

    def variant(self, index: int) -> str:
        """Colour of the treatment at a position in plan order."""
        if index == 0:
            return self.tone("treatment")
        return VARIANTS[index] if index < len(VARIANTS) else self.tone("control")

    def on(self, visual: str) -> bool:
        """Whether a visual is drawn."""
        return self._changes.get(visual) is not False

    def mark(self, visual: str, **more: Any) -> dict[str, Any]:
        """Properties of a visual's mark."""
        changed = self._changes.get(visual)
        return {**VISUALS[visual], **more, **(changed if isinstance(changed, Mapping) else {})}


def base_config() -> dict[str, Any]:
    """Configuration without colours: what a notebook's own theme may colour."""
    return {
        "font": FONT,
        "view": {"stroke": None, "continuousWidth": 420, "continuousHeight": 240},
        "title": {
            "anchor": "start",
            "fontSize": 15,
            "fontWeight": 600,
            "subtitleFontSize": 12,
            "offset": 12,
            "subtitlePadding": 4,
        },
        "axis": {
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 400,
            "domain": False,
            "ticks": False,
            "gridOpacity": 0.35,
            "labelPadding": 6,
        },
        "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 400},
        "header": {"labelFontSize": 12, "titleFontSize": 12},
        "text": {"fontSize": 12},
        "style": {"guide-label": {"fontSize": 12}},
    }


def themed_config(ground: Ground) -> dict[str, Any]:
    """Configuration with the colours of a ground, for pictures that no notebook colours."""
    ink, muted, back, line = _INK[ground]
    config = base_config()
    config["background"] = back
    config["title"] |= {"color": ink, "subtitleColor": muted}
    config["axis"] |= {"labelColor": muted, "titleColor": muted, "gridColor": line}
    config["legend"] |= {"labelColor": ink, "titleColor": muted}
    config["header"] |= {"labelColor": ink, "titleColor": muted}
    config["style"] = {"guide-label": {"fill": ink, "fontSize": 12}}
    return config
