"""Static charts as SVG text: no dependency, no script, the same bytes for the same numbers.

Colours come from the classes of the page (`INK` below), so that one chart serves light, dark and print. Every text is
escaped and shortened here; direction-changing characters are isolated by the style.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xpbench import outward
from xpbench.wording.numbers import fixed, percent, share_text, significant_trim, whole

INK = """
.fig text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink);
font-variant-numeric:tabular-nums;unicode-bidi:plaintext}
.fig .muted{fill:var(--muted)}.fig .strong{font-weight:600}.fig .small{font-size:11px}
.fig .role{font-weight:600;fill:var(--muted);letter-spacing:.06em;font-size:11px}
.fig .end{text-anchor:end}.fig .mid{text-anchor:middle}
.fig .better{fill:var(--better)}.fig .worse{fill:var(--worse)}.fig .warn{fill:var(--warn)}.fig .same{fill:var(--same)}
.fig .zero{stroke:var(--ink);stroke-width:1}.fig .grid,.fig .hair{stroke:var(--line);stroke-width:1}
.fig .zone{fill:var(--zone)}.fig .edge{stroke:#d0632f;stroke-width:1.5;stroke-dasharray:4 3}
.fig .forbidden{stroke:#d0632f;stroke-width:1;opacity:.45}
.fig .t0{stroke:#3a8fd0;fill:#3a8fd0}.fig .t1{stroke:#2a9d9d;fill:#2a9d9d}.fig .t2{stroke:#8a70c0;fill:#8a70c0}
.fig .t3{stroke:#b98a1e;fill:#b98a1e}.fig .tg{stroke:#8a939c;fill:#8a939c}
.fig .whisker{stroke-width:2}.fig .ghost{stroke-width:1;opacity:.6}.fig .bar{stroke:none}
.fig .line{fill:none;stroke-width:2}.fig .area{stroke:none;opacity:.16}
.fig .plan{stroke:var(--ink);stroke-width:2}.fig .due{stroke:var(--muted);stroke-width:1.5;stroke-dasharray:4 3}
"""
"""Style of the classes used here; the page holds it once."""


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One line of a forest plot.

    Attributes:
        label: Name of the metric.
        role: Heading it stands under.
        lift: Point, None where it can't be computed.
        low: Lower end; None = unbounded.
        high: Upper end; None = unbounded.
        shown: Text right of the chart, such as `+7.4 % (+3.1 … +11.8)`.
        means: Text such as `12.1 % → 13.0 %`.
        mark: `▲ ▼ ─ ≈ ✓ ▽ ✕ ?` with its tone.
        tone: What the mark means.
        note: Second line under the label.
        plain_low: Unadjusted lower end, drawn as a ghost where it differs.
        plain_high: Unadjusted upper end.
        min_lift: Smallest lift that matters, signed towards better; None = none.
        margin: Worst lift accepted, signed towards worse; None = none.
        variant: Index of the treatment, for its tone.
        status: `ok`, or a word why there is nothing to draw.
        of: Name of the variant where there are several; it leads the second line.
        index: Place of the row in the readout; -1 for its place in the picture.
        level: Level of the interval where it is not the heading's, such as `90 % interval`.
    """

    label: str
    role: str
    lift: float | None
    low: float | None
    high: float | None
    shown: str
    means: str
    mark: str = ""
    tone: Literal["better", "worse", "warn", "same", "muted"] = "muted"
    note: str = ""
    plain_low: float | None = None
    plain_high: float | None = None
    min_lift: float | None = None
    margin: float | None = None
    variant: int = 0
    status: str = "ok"
    of: str = ""
    index: int = -1
    level: str = ""


@dataclass(frozen=True, slots=True)
class MemoSplitRow:
    """One variant in the exposure split: its units and the share planned."""

    label: str
    units: int
    planned: float
    control: bool = False


ROLES: Mapping[str, str] = {"primary": "PRIMARY", "secondary": "SECONDARY", "guardrail": "GUARDRAILS"}
WIDTH = 940
_LEFT, _RIGHT = 280, 604
_ROW, _HEAD, _TOP = 46, 26, 34


def text_width(text: str) -> int:
    """Cells that a text takes: wide characters count two, combining ones none."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf", "Cc") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def shorten(text: str, cells: int) -> str:
    """The text on one line, cut with an ellipsis so that it takes at most that many cells."""
    kinds = ((c, unicodedata.category(c)) for c in text[: 4 * cells + 1])
    clean = "".join(" " if kind in ("Cc", "Zl", "Zp") else c for c, kind in kinds if kind != "Cs")
    if text_width(clean) <= cells and len(clean) <= 4 * cells:
        return clean
    out, used = [], 0
    for c in clean[: 4 * cells]:
        used += text_width(c)
        if used > cells - 1:
            break
        out.append(c)
    return "".join(out).rstrip() + "…"


_STEERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of what follows: with one in a name, the number behind it reads backwards."""


def legal(text: str) -> str:
    """The text as a page can hold it: line ends as LF, without characters that no XML document may hold, without steering."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        c
        for c in text
        if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff" and c not in _STEERING)
    )


def _e(text: str) -> str:
    return outward.html(legal(text))


def _n(value: float) -> str:
    """A coordinate: two decimals, no trailing zeros, no negative zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _text(x: float, y: float, text: str, classes: str = "", *, cells: int = 0, mark: str = "") -> str:
    shown = shorten(text, cells) if cells else text
    title = f"<title>{_e(text[:400])}</title>" if shown != text else ""
    hook = f' data-x="{_e(mark)}"' if mark else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{classes}"{hook}>{title}{_e(shown)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, classes: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{classes}"/>'


def _svg(width: float, height: float, title: str, description: str, parts: Sequence[str], *, name: str, part: str = "") -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="fig {name}" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}" role="img" aria-labelledby="{name}{part}-t {name}{part}-d">'
        f'<title id="{name}{part}-t">{_e(title)}</title>'
        f'<desc id="{name}{part}-d">{_e(description)}</desc>{"".join(parts)}</svg>'
    )


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round numbers that part the range into about `count` steps; 0 is one of them where it lies inside."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [0.0]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def lift_range(rows: Sequence[ForestRow]) -> tuple[float, float]:
    """Range of the lift axis: all points, ends, margins and zones, unless one row would squash the others."""
    widths = sorted(r.high - r.low for r in rows if r.low is not None and r.high is not None and r.status == "ok")
    limit = 6 * widths[len(widths) // 2] if widths else 0.2
    reach = [0.0]
    for row in rows:
        if row.status != "ok":
            continue
        reach += [v for v in (row.lift, row.min_lift, row.margin) if v is not None and abs(v) <= max(limit, 1e-12)]
        reach += [max(-limit, min(limit, v)) for v in (row.low, row.high) if v is not None]
    low, high = min(reach), max(reach)
    if high - low < 1e-12:
        low, high = -0.05, 0.05
    pad = 0.07 * (high - low)
    return low - pad, high + pad


def forest(
    rows: Sequence[ForestRow],
    *,
    heading: str,
    means_heading: str,
    title: str = "Lift of each metric against control",
    scale: Sequence[ForestRow] = (),
    part: str = "",
    marks: str = "forest",
) -> str:
    """Forest plot of lifts in plan order: label left, interval, numbers right.

    Args:
        rows: Lines; those of one role stand together under its heading, in the order given.
        heading: What the interval is, such as `lift, 95 % interval`.
        means_heading: Such as `control → beta`.
        title: Name for readers that hear the page.
        scale: Rows whose lifts fix the axis, so that several pictures share one; these rows where it is empty.
        part: Added to the names inside, where a page has several such pictures.
        marks: What the hooks of its numbers begin with: `forest` where they are rows of the readout.
    """
    low, high = lift_range(scale or rows)
    span = high - low

    def x(value: float) -> float:
        return _LEFT + (value - low) / span * (_RIGHT - _LEFT)

    parts: list[str] = []
    front: list[str] = []
    y = float(_TOP)
    described: list[str] = []
    for role, name in ROLES.items():
        mine = [(i, r) for i, r in enumerate(rows) if r.role == role]
        if not mine:
            continue
        front.append(_text(0, y + 17, name, "role"))
        parts.append(_line(0, y, WIDTH, y, "hair"))
        y += _HEAD
        for index, row in mine:
            front += _forest_row(row.index if row.index >= 0 else index, row, y, x, low, high, part, marks)
            described.append(f"{row.label}{f' · {row.of}' if row.of else ''}: {row.shown}")
            y += _ROW
    bottom = y
    axis = []
    for tick in ticks(low, high):
        if tick:
            parts.append(_line(x(tick), _TOP, x(tick), bottom, "grid"))
        axis.append(_text(x(tick), bottom + 16, percent(tick, _tick_decimals(low, high), signed=True), "muted small mid"))
    parts.append(_line(x(0), _TOP, x(0), bottom + 2, "zero"))
    is_long = len(heading) > 46  # it would run into the next heading; to the left there is room
    head = [
        _text(_RIGHT, 18, heading, "muted end") if is_long else _text((_LEFT + _RIGHT) / 2, 18, heading, "muted mid"),
        _text(_RIGHT + 14, 18, "lift and interval", "muted"),
        _text(WIDTH, 18, means_heading, "muted end", cells=30),
    ]
    hatch = _hatch(rows, part)
    return _svg(
        WIDTH, bottom + 24, title, "; ".join(described)[:4000], [hatch, *head, *parts, *front, *axis], name="forest", part=part
    )


def _tick_decimals(low: float, high: float) -> int:
    steps = ticks(low, high)
    step = abs(steps[1] - steps[0]) if len(steps) > 1 else high - low
    if not 1e-300 < step < 1e300:  # steps that a picture can't tell apart
        return 0
    return max(0, min(6, -math.floor(math.log10(100 * step) + 1e-9) + (1 if f"{100 * step:.1e}".startswith("2.5") else 0)))


def _hatch(rows: Sequence[ForestRow], part: str) -> str:
    if not any(r.margin is not None for r in rows):
        return ""
    return (
        f'<defs><pattern id="hatch{part}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line x1="0" y1="0" x2="0" y2="6" class="forbidden"/></pattern></defs>'
    )


def _forest_row(
    index: int, row: ForestRow, y: float, x: Callable[[float], float], low: float, high: float, part: str, marks: str
) -> list[str]:
    mid = y + 17
    note = " · ".join(filter(None, (row.of, row.note)))
    out = [
        _text(0, y + 16, row.label, "strong" if row.role == "primary" else "", cells=30),
        _text(0, y + 32, note, "muted small", cells=48) if note else "",
        _text(_LEFT - 18, y + 16, row.mark, f"mid strong {row.tone}") if row.mark else "",
        _text(_RIGHT + 14, y + 21, row.shown, "strong", mark=f"{marks}.{index}.shown"),
        _text(_RIGHT + 14, y + 35, row.level, "muted small") if row.level else "",
        _text(WIDTH, y + 21, row.means, "muted end", mark=f"{marks}.{index}.means"),
    ]
    top, height = y + 3, _ROW - 10
    if row.min_lift is not None:
        a, b = sorted((x(0), x(_clip(row.min_lift, low, high))))
        out.append(f'<rect x="{_n(a)}" y="{_n(top)}" width="{_n(b - a)}" height="{_n(height)}" class="zone"/>')
    if row.margin is not None and low <= row.margin <= high:
        edge = x(row.margin)
        a, b = (edge, float(_RIGHT)) if row.margin > 0 else (float(_LEFT), edge)
        out.append(f'<rect x="{_n(a)}" y="{_n(top)}" width="{_n(b - a)}" height="{_n(height)}" fill="url(#hatch{part})"/>')
        out.append(_line(edge, top, edge, top + height, "edge"))
    if row.status != "ok" or row.lift is None:
        out.append(_text(x(0) + 8, mid + 4, row.status if row.status != "ok" else "unbounded", "muted small"))
        return out
    tone = _tone(row.variant)
    if row.plain_low is not None and row.plain_high is not None and (row.plain_low, row.plain_high) != (row.low, row.high):
        left, right = (x(_clip(v, low, high)) for v in (row.plain_low, row.plain_high))
        out.append(_line(left, mid + 9, right, mid + 9, f"ghost {tone}"))
    out += _whisker(row, mid, x, low, high, tone)
    if low <= row.lift <= high:
        out.append(f'<circle cx="{_n(x(row.lift))}" cy="{_n(mid)}" r="4.5" class="{tone}"/>')
    return out


def _whisker(row: ForestRow, mid: float, x: Callable[[float], float], low: float, high: float, tone: str) -> list[str]:
    ends = []
    a = row.low if row.low is not None else -math.inf
    b = row.high if row.high is not None else math.inf
    left, right = x(_clip(a, low, high)), x(_clip(b, low, high))
    ends.append(_line(left, mid, right, mid, f"whisker {tone}"))
    for value, place, sign in ((a, left, -1), (b, right, 1)):
        if low <= value <= high:
            ends.append(_line(place, mid - 5, place, mid + 5, f"whisker {tone}"))
        else:
            tip = place + sign * 2
            ends.append(f'<path d="M{_n(tip)} {_n(mid)}l{_n(-sign * 9)} -5v10z" class="{tone}"/>')
            if math.isinf(value):
                ends.append(_text(tip - sign * 12, mid - 8, "unbounded", f"muted small {'end' if sign > 0 else ''}"))
    return ends


def _tone(variant: int) -> str:
    return f"t{variant}" if variant < 4 else "tg"


def _clip(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))


def split(rows: Sequence[MemoSplitRow], *, title: str = "Exposed units against the planned split") -> str:
    """Bars of the observed shares with a tick where the plan put them."""
    total = sum(r.units for r in rows)
    width, left, right = 460, 120, 276
    parts: list[str] = []
    described = []
    treatments = 0
    widest = max([r.units / total if total else 0 for r in rows] + [r.planned for r in rows] + [1e-9])
    for i, row in enumerate(rows):
        y = 8 + 34 * i
        share = row.units / total if total else 0.0
        tone = "tg" if row.control else _tone(treatments)
        treatments += not row.control
        parts.append(_text(0, y + 17, row.label, cells=15))
        parts.append(
            f'<rect x="{left}" y="{y + 4}" width="{_n((right - left) * share / widest)}" height="18" class="bar {tone}"/>'
        )
        tick = left + (right - left) * row.planned / widest
        parts.append(_line(tick, y, tick, y + 26, "plan"))
        shown = f"{whole(row.units)} · {percent(share, 2)}"
        parts.append(_text(width, y + 17, shown, "end", mark=f"split.{i}"))
        described.append(f"{row.label}: {shown}, planned {share_text(row.planned)}")
    parts.append(_text(left, 8 + 34 * len(rows) + 14, "│ planned share", "muted small"))
    return _svg(width, 8 + 34 * len(rows) + 22, title, "; ".join(described)[:4000], parts, name="split")


def accrual(
    days: Sequence[str],
    units: Sequence[int],
    *,
    horizon: int | None = None,
    looks: Sequence[str] = (),
    title: str = "Exposed units over time",
) -> str:
    """Cumulative units by day with the horizon as a dashed line.

    Args:
        days: ISO dates in order.
        units: New units of each day.
        horizon: Units at which results are due.
        looks: Days on which someone looked, marked under the axis.
        title: Name for readers that hear the page.
    """
    width, height, left, right, top, bottom = 460, 170, 56, 452, 14, 138
    total = 0
    points = []
    cumulative = []
    for n in units:
        total += n
        cumulative.append(total)
    most = max([total, horizon or 0, 1]) * 1.05
    count = len(days)

    def x(i: float) -> float:
        return left + (right - left) * (i / max(1, count - 1) if count > 1 else 0.5)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / most

    parts: list[str] = []
    for tick in ticks(0, most, count=4):
        parts.append(_line(left, y(tick), right, y(tick), "grid"))
        parts.append(_text(left - 6, y(tick) + 4, significant_trim(tick), "muted small end"))
    points = [f"{_n(x(i))} {_n(y(v))}" for i, v in enumerate(cumulative)]
    if points:
        path = "L".join(points)
        parts.append(f'<path d="M{_n(x(0))} {bottom}L{path}L{_n(x(count - 1))} {bottom}z" class="area t0"/>')
        if count > 1:
            parts.append(f'<path d="M{path}" class="line t0"/>')
            parts.append(_text(right, bottom + 16, days[-1], "muted small end"))
        else:
            parts.append(f'<circle cx="{_n(x(0))}" cy="{_n(y(total))}" r="4.5" class="t0"/>')
        parts.append(_text(x(0), bottom + 16, days[0], "muted small" if count > 1 else "muted small mid"))
    if horizon:
        parts.append(_line(left, y(horizon), right, y(horizon), "due"))
        parts.append(_text(left + 4, y(horizon) - 5, f"horizon {whole(horizon)}", "muted small"))
    places = {d: i for i, d in enumerate(days)}
    for look in looks:
        if look in places:
            parts.append(f'<path d="M{_n(x(places[look]))} {bottom + 3}l-4 7h8z" class="t2"/>')
    if any(look in places for look in looks):
        parts.append(_text((left + right) / 2, bottom + 30, "▲ look", "muted small mid"))
    last = days[-1] if days else ""
    description = f"{fixed(total, 0)} units by {last}" + (f"; the horizon is {fixed(horizon, 0)} units" if horizon else "")
    return _svg(width, height, title, description, parts, name="accrual")


def effect_by_day(
    points: Sequence[tuple[str, float, float]],
    *,
    overall: float | None,
    unit: str = "",
    title: str = "Effect by day of exposure",
    part: str = "",
    heading: str = "",
) -> str:
    """Small picture of an effect by day of exposure: a point and its 95 % interval a day, the overall effect as a line.

    Args:
        points: Day, effect and standard error, in the unit that is shown; in order.
        overall: Effect of all units; None = no line.
        unit: Behind the numbers of the axis, such as ` pp`.
        title: Name for readers that hear the page.
        part: Added to the names inside, where a page has several such pictures.
        heading: Words above the points.
    """
    width, height, left, right, top, bottom = 460, 170, 56, 452, 14, 138
    reach = 1.959964
    widths = sorted(se for _, _, se in points)
    limit = 6 * reach * widths[len(widths) // 2]
    ends = [max(-limit, min(limit, v + k * reach * se)) for _, v, se in points for k in (-1, 1)] + [0.0, overall or 0.0]
    low, high = min(ends), max(ends)
    if high - low < 1e-12:
        low, high = low - 1.0, high + 1.0
    count = len(points)

    def x(i: float) -> float:
        return left + 8 + (right - left - 16) * (i / max(1, count - 1))

    def y(value: float) -> float:
        return bottom - (bottom - top) * (_clip(value, low, high) - low) / (high - low)

    parts: list[str] = []
    for tick in ticks(low, high, count=4):
        parts.append(_line(left, y(tick), right, y(tick), "zero" if tick == 0 else "grid"))
        sign = "+" if tick > 0 else ""
        parts.append(_text(left - 6, y(tick) + 4, f"{sign}{significant_trim(tick)}{unit}", "muted small end"))
    if overall is not None:
        parts.append(_line(left, y(overall), right, y(overall), "due"))
    for i, (_, value, se) in enumerate(points):
        parts.append(_line(x(i), y(value - reach * se), x(i), y(value + reach * se), "whisker t0"))
        parts.append(f'<circle cx="{_n(x(i))}" cy="{_n(y(value))}" r="3" class="t0"/>')
    parts += [_text(left, 10, heading, "muted small", cells=56)] if heading else []
    parts.append(_text(left, bottom + 16, points[0][0], "muted small"))
    parts.append(_text(right, bottom + 16, points[-1][0], "muted small end"))
    described = f"{count} days; " + ("" if overall is None else f"overall {fixed(overall, 2, signed=True)}{unit}")
    return _svg(width, height, title, described, parts, name="effect", part=part)
