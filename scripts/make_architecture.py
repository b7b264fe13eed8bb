"""The picture of docs/architecture.md: `python scripts/make_architecture.py` → docs/architecture.svg.

A test compares the committed picture with this script and with the rooms that there are.
"""

from __future__ import annotations

from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "docs" / "architecture.svg"
WIDTH, HEIGHT = 1240, 668
INK, SOFT, LINE, BLUE, PALE, WARM = "#1d2733", "#5b6875", "#9aa7b4", "#2a6fb0", "#eaf2fa", "#f6f3ea"
FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"

PEOPLE = (
    ("cli · commands/", "the command line"),
    ("forms/", "widgets in a notebook"),
    ("lab/", "the panel in JupyterLab"),
    ("agents/", "tools for assistants"),
    ("demo/", "the running example"),
)
WAY = (
    ("plan/", "what was", "fixed before"),
    ("randomiser/", "who gets", "which variant"),
    ("expose/", "one event,", "exactly once"),
    ("data/", "rows → values", "→ moments"),
    ("health/", "can the data", "be trusted?"),
    ("decide/", "seal · rows", "· rule"),
    ("memo/", "proves", "itself"),
    ("watch/", "weeks after", "shipping"),
)
BESIDE = (
    ("ledger/", "append-only, hash-chained:", "every plan, look, decision"),
    ("forecast/", "before launch: power,", "baselines, rehearsal"),
    ("mixpanel/", "REST client, and a sandbox", "that replaces it in tests"),
    ("views/", "charts, tables and cards", "of plain results"),
    ("stats/", "moments → pair of means", "→ multiplier → result"),
    ("verifier/", "a memo checked by a", "second implementation"),
)
GROUND = (
    ("errors/", "messages, by code"),
    ("canonical", "one text, one digest"),
    ("files", "old or new, not half"),
    ("meaning/", "what values mean"),
    ("sheets/", "CSV as it is found"),
    ("formula", "formulas of metrics"),
    ("wording/", "numbers in words"),
    ("shows", "how results show"),
)
STEP, WAY_WIDTH, WAY_TOP, BESIDE_TOP = 148, 130, 286, 430
LEFT = [36 + STEP * i for i in range(len(WAY))]
"""Left edge of each room on the way."""


def text(x: float, y: float, words: str, *, size: float = 12.5, fill: str = SOFT, weight: int = 400, at: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{fill}" font-weight="{weight}" text-anchor="{at}">{words}</text>'


def box(x: float, y: float, width: float, height: float, name: str, *words: str, stroke: str = LINE) -> list[str]:
    middle = x + width / 2
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="#ffffff" stroke="{stroke}"/>',
        text(middle, y + 24, name, size=15, fill=INK, weight=700),
        *(text(middle, y + 44 + 17 * i, line) for i, line in enumerate(words)),
    ]


def band(y: float, height: float, title: str, fill: str) -> list[str]:
    return [
        f'<rect x="16" y="{y}" width="{WIDTH - 32}" height="{height}" rx="10" fill="{fill}"/>',
        text(32, y + 20, title, weight=600, at="start"),
    ]


def arrow(*points: tuple[float, float], blue: bool = False) -> str:
    path = " L".join(f"{x},{y}" for x, y in points)
    colour, width, head = (BLUE, 2, "blue") if blue else (LINE, 1.6, "grey")
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}" marker-end="url(#{head})"/>'


def step(x: float, y: float, number: int) -> str:
    return f'<circle cx="{x}" cy="{y}" r="11" fill="{BLUE}"/>' + text(x, y + 4.5, str(number), fill="#ffffff", weight=700)


def head(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L10,5 L0,10 z" fill="{colour}"/></marker>'
    )


def picture() -> str:
    out = band(16, 96, "Where people work", WARM) + band(128, 96, "One experiment", WARM)
    out += band(240, 300, "The way of one exposure, from event to memo", PALE) + band(556, 96, "What all stand on", WARM)
    for i, (name, words) in enumerate(PEOPLE):
        out += box(150 + 194 * i, 40, 174, 58, name, words)
        out.append(arrow((237 + 194 * i, 98), (237 + 194 * i, 148)))
    steps = "register · amend · gather · check · reveal · decide · publish: every step is in the ledger before it is shown"
    out += box(150, 150, 950, 60, "experiment/", steps, stroke=BLUE)
    for x, (name, *words) in zip(LEFT, WAY, strict=True):
        out += box(x, WAY_TOP, WAY_WIDTH, 88, name, *words, stroke=LINE if name in ("plan/", "watch/") else BLUE)
    for i, x in enumerate(LEFT[:-1]):
        out.append(arrow((x + WAY_WIDTH, WAY_TOP + 44), (x + STEP - 2, WAY_TOP + 44), blue=0 < i < len(LEFT) - 2))
    for i, (name, *words) in enumerate(BESIDE):
        out += box(LEFT[0] + 197 * i, BESIDE_TOP, 181, 88, name, *words, stroke=BLUE if name == "ledger/" else LINE)
    for x in (LEFT[3] + 65, LEFT[5] + 91):
        out.append(arrow((x, BESIDE_TOP), (x, WAY_TOP + 90)))
    out.append(arrow((150, 180), (22, 180), (22, BESIDE_TOP + 44), (LEFT[0] - 1, BESIDE_TOP + 44), blue=True))
    line = LEFT[3] + WAY_WIDTH + 9
    out.append(f'<path d="M{line},{WAY_TOP + 64} V{WAY_TOP + 106}" stroke="{BLUE}" stroke-width="1.4" stroke-dasharray="4 3"/>')
    out.append(text(line, WAY_TOP + 118, "from here on moments, no rows", fill=BLUE, weight=600, at="start"))
    top, side = WAY_TOP - 2, WAY_TOP + 24
    expose, data, health, decide, memo = LEFT[2:7]
    places = (
        (expose + 65, top),
        (data - 9, side),
        (data + 34, top),
        (data + 96, top),
        (health + 65, top),
        (decide + 34, top),
        (decide + 96, top),
        (memo - 9, side),
        (memo + 65, top),
    )
    out += [step(x, y, i + 1) for i, (x, y) in enumerate(places)]
    for i, (name, words) in enumerate(GROUND):
        out += box(36 + 147 * i, 582, 139, 58, name, words)
    title = "The rooms of xpbench in their layers, and the way of one exposure through them in nine steps"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'font-family="{FONT}" role="img" aria-labelledby="title">',
            f'<title id="title">{title}</title>',
            f"<defs>{head('grey', LINE)}{head('blue', BLUE)}</defs>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *out,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    TARGET.write_text(picture(), "utf-8")
