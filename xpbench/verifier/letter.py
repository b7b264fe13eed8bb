"""Letters and overviews: pages of headings, sentences and tables, made of blocks that the payload carries."""

from __future__ import annotations

from collections.abc import Callable

from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical, sha256

WATCH_LETTER = "xpbench watch letter"
PROGRAMME = "xpbench programme"

LetterPage = Callable[[J], J]
"""Makes the page of a payload: its edition, its title and its blocks."""

LETTER_STYLE = (
    ":root{--ink:#1b1f24;--muted:#57606a;--ground:#fff;--line:#d5dae0;--raised:#f6f8fa}"
    "@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9aa4af;--ground:#111417;--line:#343b44;--raised:#1c2127}}"
    "html{background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}"
    "body{margin:0 auto;padding:32px 24px 64px;max-width:988px;overflow-wrap:anywhere}"
    "h1{font-size:26px;margin:0 0 8px}h2{font-size:19px;margin:32px 0 8px;padding-top:12px;border-top:1px solid var(--line)}"
    ".lead{background:var(--raised);padding:16px 20px;font-size:17px}.small{font-size:13px;color:var(--muted)}"
    "p{max-width:72ch}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px}"
    "caption{text-align:left;color:var(--muted);padding-bottom:6px}"
    "th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);"
    "font-variant-numeric:tabular-nums}"
)


def _letter_text(text: J) -> str:
    """A text as a page shows it: nothing of it is markup, and nothing steers the direction of its surroundings."""
    out = str(text)
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        out = out.replace(sign, name)
    return out


def _letter_block(block: J) -> str:
    kind, *rest = block
    if kind in ("h1", "h2"):
        return f"<{kind} dir=auto>{_letter_text(rest[0])}</{kind}>"
    if kind in ("p", "lead", "small"):
        name = "" if kind == "p" else f' class="{kind}"'
        return f"<p{name} dir=auto>{_letter_text(rest[0])}</p>"
    if kind == "list":
        return f"<ul>{''.join(f'<li dir=auto>{_letter_text(item)}</li>' for item in rest[0])}</ul>"
    if kind == "table":
        caption, heads, rows = rest
        head = "".join(f'<th scope="col">{_letter_text(h)}</th>' for h in heads)
        body = "".join("<tr>" + "".join(f"<td dir=auto>{_letter_text(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
        return (
            f'<div class="wide"><table><caption>{_letter_text(caption)}</caption>'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
        )
    raise ValueError(f"a block of an unknown kind: {kind}")


def letter_main(page: J) -> tuple[str, str]:
    """Title and main element of a page, from its blocks."""
    return _letter_text(page["title"]), "<main>\n" + "".join(_letter_block(b) + "\n" for b in page["blocks"]) + "</main>\n"


def letter_document(page: J, first: str) -> str:
    """The page up to its evidence.

    Args:
        page: Title and blocks.
        first: How every page begins.
    """
    title, main = letter_main(page)
    return (
        f'{first}<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n<style>{LETTER_STYLE}</style>\n</head>\n<body>\n{main}"
    )


def check_letter_page(
    notes: Notes, payload: J, document: str | None, first: str, evidence: str, made: LetterPage | None
) -> None:
    """The page shows its blocks and nothing else, and the blocks are what the payload's numbers say.

    Args:
        notes: Where to note what is found.
        payload: The payload.
        document: The file's text; None where there is no page.
        first: How every page begins.
        evidence: How its evidence begins.
        made: Makes the page of a payload; without it the words are not compared with the numbers.
    """
    before = len(notes.differences)
    page = payload["page"]
    if document is not None:
        shown = document[: document.find(evidence)]
        wanted = letter_document(page, first)
        if sha256(shown) != sha256(wanted):
            notes.differs("page", "the blocks that the payload carries", "another text or other marks")
    if made is None:
        notes.left.append("the words of the page, which need the package (xpbench verify)")
    else:
        own = made(payload)
        if own["edition"] != page["edition"]:
            notes.left.append(f"the words of the page, which another release has written (edition {page['edition']})")
        elif canonical(own) != canonical(page):
            where = next((i for i, (a, b) in enumerate(zip(own["blocks"], page["blocks"], strict=False)) if a != b), -1)
            a, b = (p["blocks"][where] if 0 <= where < len(p["blocks"]) else p["title"] for p in (own, page))
            notes.differs("page, words", a, b)
    if len(notes.differences) == before:
        notes.has_cells = made is not None
        notes.checked.append("the page shows what its payload says" if made is not None else "the page shows its blocks")
        if document is not None:
            notes.depth = "in full"
