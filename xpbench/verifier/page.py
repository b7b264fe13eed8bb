"""The page as a reader sees it, against the payload, by other code than the one that made it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from xpbench.verifier.file import END, SEAL
from xpbench.verifier.report import J, Notes, shortened
from xpbench.verifier.template import filled
from xpbench.verifier.text import canonical, loads, sha256


@dataclass(frozen=True)
class Renderer:
    """How a payload becomes a page; handed in, because the verifier needs nothing of the package that makes memos.

    Attributes:
        version: Of the package that it belongs to.
        made: Cells, sentences and pictures of a payload.
        wordings: Every wording that a sentence has had, by its id.
        templates: Fixed wording and markup around the cells, by SHA-256: the one in use and those of earlier releases.
    """

    version: str
    made: Callable[[J], tuple[J, J, J]]
    wordings: Callable[[str], Sequence[str]]
    templates: Mapping[str, str]


class Page(HTMLParser):
    """Texts of marked elements, and the visible text as a whole."""

    VOID = frozenset(("meta", "br", "link", "img", "hr", "input"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.marked: dict[str, str] = {}
        self.text: list[str] = []
        self._open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what is open."""
        if tag not in self.VOID:
            mark = dict(attrs).get("data-x")
            self._open.append((tag, mark))
            if mark is not None:
                self.marked.setdefault(mark, "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing is inside."""

    def handle_endtag(self, tag: str) -> None:
        """Close it, with whatever was left open inside."""
        if any(t == tag for t, _ in self._open):
            while self._open and self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Text belongs to every marked element that is open."""
        tags = [t for t, _ in self._open]
        if "script" in tags or "style" in tags:
            return
        if data.strip():
            self.text.append(" ".join(data.split()))
        if "title" not in tags:
            for _, mark in self._open:
                if mark is not None:
                    self.marked[mark] += data


def parsed_page(document: str) -> Page:
    """The page read as HTML."""
    page = Page()
    page.feed(document)
    page.close()
    return page


def _decimals(width: float | None) -> int:
    if width is None or not math.isfinite(width) or width <= 0:
        return 2
    return max(0, min(8, 1 - math.floor(math.log10(width))))


def _fixed(value: float, decimals: int, signed: bool = False) -> str:
    text = f"{abs(value):,.{decimals}f}"
    if not any(c in "123456789" for c in text):
        return text
    return ("\u2212" if value < 0 else "+" if signed else "") + text


def _p_text(p: float | None) -> str:
    if p is None:
        return "–"
    if p < 0.0001:
        return "< 0.0001"
    return "> 0.9999" if p > 0.9999 else _fixed(p, max(2, min(4, 1 - math.floor(math.log10(p)))))


def row_texts(row: J) -> dict[str, str]:
    """How a page shows the numbers of a row."""
    share = row["is_proportion"]
    has_lift, has_ends = row["lift"] is not None, row["lift_low"] is not None and row["lift_high"] is not None
    width = row["lift_high"] - row["lift_low"] if has_ends else None
    places = min(6, _decimals(None if width is None else 100 * width))
    span = None if row["ci_low"] is None or row["ci_high"] is None else row["ci_high"] - row["ci_low"]
    if span is None and row["effect"]:
        span = abs(row["effect"])
    unit = 100 if share else 1
    decimals = _decimals(None if span is None else unit * span)
    effect = "–" if row["effect"] is None else _fixed(unit * row["effect"], decimals, True) + ("\u202fpp" if share else "")
    ends = ("ci_low", "ci_high")
    effect_interval = " … ".join("–" if row[k] is None else _fixed(unit * row[k], decimals, True) for k in ends)
    effect_interval = "–" if None in (row["ci_low"], row["ci_high"]) else effect_interval
    lift = (
        _fixed(100 * row["lift"], places, True) + "\u202f%" if has_lift else "not enough data" if row["effect"] is None else "–"
    )
    if has_ends:
        lift_interval = " … ".join(_fixed(100 * row[k], places, True) for k in ("lift_low", "lift_high"))
    else:
        lift_interval = "unbounded" if has_lift else "–"
    means = [
        "–" if m is None else _fixed(unit * m, decimals) + ("\u202f%" if share else "")
        for m in (row["mean_control"], row["mean"])
    ]
    if has_lift and has_ends:
        shown = f"{lift}  ({lift_interval})"
    elif row["effect"] is not None and row["ci_low"] is not None:
        shown = f"effect {effect} ({effect_interval})"
    elif row["effect"] is not None and row.get("guardrail") in ("ok", "bad"):
        shown = f"effect {effect}"
    else:
        shown = "not enough data"
    chance = row.get("chance")
    return {
        "n": f"{row['n_control']:,} / {row['n']:,}",
        "control": means[0],
        "treatment": means[1],
        "effect": effect,
        "effect_interval": effect_interval,
        "lift": lift,
        "lift_interval": lift_interval,
        "p": _p_text(row["p_value"]),
        "p_adjusted": _p_text(row["p_adjusted"]),
        "chance": "" if chance is None else f"{_fixed(100 * chance, 1)}\u202f%",
        "shown": shown,
        "means": f"{means[0]} → {means[1]}",
    }


def on_page(text: str) -> str:
    """A text of the payload as a page holds it: one kind of line end, no control characters, nothing that turns directions."""
    kept = []
    for c in text.replace("\r\n", "\n").replace("\r", "\n"):
        code = ord(c)
        steers = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
        if c in "\t\n" or not (code < 32 or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF) or steers):
            kept.append(c)
    return "".join(kept)


def check_marks(notes: Notes, payload: J, page: Page) -> None:
    """The numbers on the page are those of the payload, formatted here by other code."""
    readout, before, count = payload["readout"], len(notes.differences), 0
    decision = payload["decision"] or readout["recommendation"]
    wanted = {}
    if "page" not in payload:  # made when names were shown as they are; later pages are compared cell by cell
        labels = {v["key"]: v.get("name") or v["key"] for v in readout["plan"]["variants"]}
        heads = {
            "ship none": "Ship none",
            "iterate": "Iterate",
            "invalid": "Do not read the effects",
            "defer": "Decision deferred",
        }
        variant = on_page(labels.get(decision["variant"], decision["variant"]))
        wanted["headline"] = heads.get(decision["outcome"], f"Ship {variant}")
    else:
        cells = payload["page"]["cells"]
        wanted |= {"headline": cells["decision"]["headline"], "impact.0": cells["impact"][0], "impact.1": cells["impact"][1]}
    for i, row in enumerate(readout["rows"]):
        texts = row_texts(row)
        hidden = ("shown", "means", "p", "p_adjusted") if texts["chance"] else ("shown", "means", "chance")
        wanted |= {f"rows.{i}.{k}": v for k, v in texts.items() if k not in hidden}
        if "INVALID" not in readout["stamps"]:
            wanted |= {f"forest.{i}.{k}": texts[k] for k in ("shown", "means")}
    if "INVALID" not in readout["stamps"] and any(
        r["role"] == "primary" and None not in (r["effect"], r["ci_low"]) for r in readout["rows"]
    ):
        _check_impact(notes, readout, page.marked.get("impact.0", ""))
    for mark, text in wanted.items():
        found = page.marked.get(mark)
        count += 1
        if found is None or " ".join(found.split()) != " ".join(text.split()):
            notes.differs(f"page text, {mark.replace('.', ' ')}", text, found if found is not None else "nothing")
    if len(notes.differences) == before:
        notes.checked.append(f"{count} numbers and words of the page")


def _check_impact(notes: Notes, readout: J, sentence: str) -> None:
    """The first impact sentence shows the interval of one of the primary metrics."""
    for row in readout["rows"]:
        if row["role"] != "primary" or None in (row["effect"], row["ci_low"], row["ci_high"]):
            continue
        texts = row_texts(row)
        key = "lift_interval" if row["lift_low"] is not None else "effect_interval"
        if all(end in sentence for end in texts[key].split(" … ")) and on_page(row["label"]) in sentence:
            return
    notes.differs("page text, impact", "the interval of a primary metric", sentence)


def check_page(notes: Notes, payload: J, document: str | None, renderer: Renderer | None) -> None:
    """Every cell follows from the payload, and the page is those cells in their template, byte by byte.

    Args:
        notes: Where to note what is found.
        payload: Of any schema that this program reads.
        document: The page; None for a payload alone, whose cells are checked all the same.
        renderer: What makes cells and page.
    """
    if renderer is None:
        notes.not_checked.append("the page was not made again: nothing here can draw it")
        return
    cells, messages, pictures = renderer.made({name: part for name, part in payload.items() if name != "page"})
    page = payload.get("page")
    if page is None:
        known = list(renderer.templates.values())[1:]  # those before the newest: no page of today lacks its cells
    else:
        if re.fullmatch("[0-9a-f]{64}", str(page["template"])) is None:  # no version ever wrote that
            notes.differs("page, template", "a SHA-256 digest", str(page["template"]))
            return
        if page["template"] not in renderer.templates:
            notes.not_checked.append("the page was not made again: its template is not one that this version knows")
            return
        cells = _accounted(notes, payload, renderer, cells, messages)
        known = [] if document is None else [renderer.templates[page["template"]]]
    notes.has_cells = cells is not None
    if cells is None or document is None:
        return
    at = document.rfind(SEAL) + len(SEAL)
    unsealed = document[:at] + document[document.find(END, at) :]
    for template in known:
        expected = _filled(template, payload, cells, pictures)
        if expected == unsealed:
            notes.depth = "in full"
            count = sum(1 for _ in _leaves(cells))
            notes.checked.append(
                f"the page made again from {count:,} cells, each of them checked, and its charts: the same bytes"
            )
            return
    if page is None:
        notes.not_checked.append("the page was not made again: it was made before pages kept their cells")
        return
    ours, theirs = parsed_page(expected), parsed_page(unsealed)
    if ours.text != theirs.text:
        notes.differs("page text", *_first_difference(ours.text, theirs.text))
        return
    charts = [re.findall(r"<svg.*?</svg>", text, re.DOTALL) for text in (expected, unsealed)]
    part = "chart" if charts[0] != charts[1] else "page markup"
    left, right = charts if part == "chart" else ([expected], [unsealed])
    notes.differs(part, *_first_difference(left, right))


def _filled(template: str, payload: J, cells: J, pictures: J) -> str:
    data = canonical(payload)
    text = data
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    context = {
        "c": {**cells, **pictures},
        "ink": pictures["ink"],
        "versions": payload["readout"]["versions"],
        "payload_sha256": sha256(data),
        "payload_text": text,
        "seal_text": "",
    }
    return filled(template, context).strip() + "\n"


def _accounted(notes: Notes, payload: J, renderer: Renderer, cells: J, messages: J) -> J | None:
    """The cells of the payload, where each is what the payload's numbers say; None where that can't be said here."""
    page, before = payload["page"], len(notes.differences)
    ours, theirs = (dict(_leaves(loads(canonical(x)))) for x in (cells, page["cells"]))
    said = loads(canonical(messages))
    found: list[tuple[str, object, object]] = []
    for place in sorted({*ours, *theirs}):
        a, b = ours.get(place, "nothing"), theirs.get(place, "nothing")
        if type(a) is type(b) and a == b:
            continue
        message = page["messages"].get(place)
        wordings = renderer.wordings(message["id"]) if message is not None and message == said.get(place) else ()
        if any(_says(wording, message["values"], b) for wording in wordings):
            continue
        found.append((f"page cell, {place}", a, b))
    if page["messages"] != said:
        place = next(p for p in sorted({*said, *page["messages"]}) if said.get(p) != page["messages"].get(p))
        found.append((f"sentence, {place}", said.get(place, "nothing"), page["messages"].get(place, "nothing")))
    made_by = payload["readout"]["versions"].get("xpbench")
    if found and made_by != renderer.version:
        notes.not_checked.append(
            f"the page was not compared: version {shortened(made_by)} made it, and this is {renderer.version}, which shows "
            f"{len(found)} of its cells in another way"
        )
        return None
    for part, a, b in found:
        notes.differs(part, a, b)
    return page["cells"] if len(notes.differences) == before else None


def _says(wording: str, values: J, text: object) -> bool:
    try:
        return wording.format(**values) == text
    except (KeyError, IndexError, ValueError, AttributeError):
        return False


def _leaves(value: J, place: str = "") -> Iterator[tuple[str, J]]:
    """Cells by their place; an empty object or list is a cell."""
    if isinstance(value, (dict, list)) and value:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, f"{place}.{name}" if place else str(name))
    else:
        yield place, value


def _first_difference(a: Sequence[str], b: Sequence[str]) -> tuple[str, str]:
    for x, y in zip(a, b, strict=False):
        if x != y:
            i = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
            return x[max(0, i - 40) : i + 60], y[max(0, i - 40) : i + 60]
    return f"{len(a)} pieces", f"{len(b)} pieces"
