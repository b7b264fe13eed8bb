"""Page one of the memo in nine situations, on a desktop, on a phone and on paper: `python -m benchmarks.page_one --out DIR`.

Every memo is made by the real flow from made-up units and verified in full; with Chromium each is drawn three times, and what
does not fit (a page wider than the phone, a first sheet that is too long) is said.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import xpbench as xp
from tests.builders import column, plan_document
from xpbench.experiment import Experiment, register
from xpbench.ledger import fixed_clock
from xpbench.memo.memo import Memo
from xpbench.memo.pdf import browser, pdf
from xpbench.plan import Plan


def plan_of(*, treatments: int = 1, horizon: int = 24_000, **changes: Any) -> Plan:
    """A homepage test with one primary metric, two further ones and two guardrails."""
    share = round(1.0 / (treatments + 1), 6)
    variants: list[dict[str, Any]] = [{"key": "control", "split": round(1 - share * treatments, 6), "control": True}]
    names = ["beta", *(f"beta-{i}" for i in range(2, treatments + 1))]
    variants += [{"key": k, "name": f"Beta page {i}" if i else "Beta page", "split": share} for i, k in enumerate(names)]
    base: dict[str, Any] = plan_document(
        [
            column("quotes", name="Quotes started", min_lift=0.05, currency="EUR", worth=40),
            column("applications", "secondary", name="Applications"),
            column("transfers", "secondary", name="Transfers in", currency="EUR"),
            column("transfer_out", "guardrail", "decrease", name="Transfers out", column="out", margin_rel=0.15),
            column("load", "guardrail", "decrease", name="Load time", margin_rel=0.05),
        ],
        key="beta-homepage",
        title="Beta homepage for the retirement platform",
        owner="growth-analytics",
        lift=0.1,
        change="visitors see one retirement-quote entry point",
        because="today three competing entry points hide the quote journey",
        variants=variants,
        unit="visitor",
        audience="visitors of the homepage in Germany, signed out",
        links=[{"title": "Ticket GROW-142", "url": "https://example.com/GROW-142"}],
        horizon={"units": horizon},
        planning={"baselines": {"quotes": 0.2, "out": 0.2, "load": 1.8}, "sds": {"load": 0.5}},
        watch={"weeks": 4, "metrics": ["transfer_out"], "owner": "platform-team"},
    )
    base["planning"]["baselines"] = {"quotes": 0.2, "transfer_out": 0.2, "load": 1.8}
    return Plan(**{**base, **changes})


def table_of(
    plan: Plan, n: int, *, lift: float = 0.0, load: float = 0.0, shares: list[float] | None = None, seed: int = 5
) -> pd.DataFrame:
    """Units with the effects that were asked for."""
    rng = np.random.default_rng(seed)
    keys = [v.key for v in plan.variants]
    which = rng.choice(len(keys), n, p=shares or [v.split for v in plan.variants])
    treated = (which > 0) * (1.0 + 0.1 * which)
    quotes = rng.random(n) < 0.2 * (1 + lift * treated)
    applications = quotes & (rng.random(n) < 0.4)
    days = pd.Timestamp("2026-09-07") + pd.to_timedelta(rng.integers(0, 21, n), unit="D")
    return pd.DataFrame(
        {
            "visitor": [f"u{i}" for i in range(n)],
            "variant": np.array(keys)[which],
            "day": days,
            "quotes": quotes.astype(int),
            "applications": applications.astype(int),
            "transfers": applications * rng.lognormal(6.0, 1.0, n).round(2),
            "out": (rng.random(n) < 0.2).astype(int),
            "load": np.abs(rng.normal(1.8 * (1 + load * (which > 0)), 0.5, n)).round(3),
        }
    )


def decided(
    folder: Path,
    plan: Plan,
    table: pd.DataFrame,
    *,
    outcome: str = "",
    because: str = "It follows the rule.",
    registered: str = "2026-09-01T09:00:00",
    more: dict[str, Any] | None = None,
) -> Experiment:
    """An experiment from registration to decision."""
    clock = fixed_clock(registered, step_seconds=86_400 * 9)
    experiment = register(plan, folder, by="Ana", clock=clock)
    for _ in range(4):
        clock()
    source = xp.units(table, unit="visitor", variant="variant", day="day")
    readout = experiment.readout(source, by="Ana", **(more or {}))
    assert not readout.is_sealed, readout
    advice = readout.recommendation
    pick = outcome or (advice.outcome if advice.outcome != "invalid" else "iterate")
    variant = (advice.variant or plan.treatments[0].key) if pick == "ship" else None
    experiment.decide(readout, pick, variant=variant, because=because, by="Ana")
    return experiment


def _exploratory(folder: Path) -> Experiment:
    plan = plan_of()
    table = table_of(plan, 24_000, lift=0.14)
    table["platform"] = np.where(np.arange(len(table)) % 3 == 0, "web", "app")
    return decided(folder, plan, table, more={"segments": ["platform"]})


def _ship(folder: Path, **world: Any) -> Experiment:
    plan = plan_of()
    return decided(folder, plan, table_of(plan, 24_000, **world))


def _nine(folder: Path) -> Experiment:
    plan = plan_of(treatments=9, horizon=60_000)
    return decided(folder, plan, table_of(plan, 60_000, lift=0.12))


def _equivalent(folder: Path) -> Experiment:
    plan = plan_of(horizon=90_000)
    return decided(folder, plan, table_of(plan, 90_000, seed=11))


def _invalid(folder: Path) -> Experiment:
    plan = plan_of()
    return decided(folder, plan, table_of(plan, 24_000, lift=0.14, shares=[0.54, 0.46]))


def _after(folder: Path) -> Experiment:
    plan = plan_of()
    return decided(folder, plan, table_of(plan, 24_000, lift=0.14), registered="2026-10-20T09:00:00")


def _overridden(folder: Path) -> Experiment:
    plan = plan_of()
    return decided(
        folder, plan, table_of(plan, 24_000, seed=6), outcome="ship", because="The old page can't be kept: its server ends."
    )


SITUATIONS: dict[str, Callable[[Path], Experiment]] = {
    "ship": lambda folder: _ship(folder, lift=0.14),
    "none": lambda folder: _ship(folder, seed=6),
    "equivalent": _equivalent,
    "worse guardrail": lambda folder: _ship(folder, lift=0.14, load=0.024),
    "invalid": _invalid,
    "exploratory": _exploratory,
    "planned after": _after,
    "overridden": _overridden,
    "9 treatments": _nine,
}
"""The nine situations of page one."""


def memos(names: list[str] | None = None) -> Iterator[tuple[str, Memo]]:
    """A memo for each situation."""
    for name, make in SITUATIONS.items():
        if not names or name in names:
            with tempfile.TemporaryDirectory() as folder:
                yield name, make(Path(folder)).memo()


def draw(memo: Memo, name: str, out: Path, chromium: Any) -> list[str]:
    """Page one on desktop, phone and paper; what does not fit, in words."""
    page = out / f"{name.replace(' ', '-')}.html"
    memo.save(page)
    said = []
    for kind, (width, height) in {"desktop": (1280, 900), "phone": (390, 844)}.items():
        tab = chromium.new_page(viewport={"width": width, "height": height})
        tab.goto(page.as_uri())
        tab.emulate_media(media="screen", color_scheme="light")
        wide = tab.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            said.append(f"{name}, {kind}: {wide} pixels wide, the window has {width}")
        tab.locator("main > section").first.screenshot(path=str(out / f"{name.replace(' ', '-')}-{kind}.png"))
        tab.close()
    return said + printed(page)


def printed(page: Path) -> list[str]:
    """The first sheet of the PDF as a picture; what is said where page one takes more than one sheet."""
    sheets = page.with_suffix(".pdf")
    sheets.write_bytes(pdf(page.read_text("utf-8")))
    out = page.with_name(f"{page.stem}-paper")
    subprocess.run(["pdftoppm", "-r", "90", "-png", "-singlefile", "-f", "1", "-l", "1", sheets, out], check=True)
    second = subprocess.run(["pdftotext", "-f", "2", "-l", "2", sheets, "-"], check=True, capture_output=True, text=True).stdout
    return [] if second.lstrip().startswith("All metrics") else [f"{page.stem}, paper: page one takes more than one sheet"]


def main() -> None:
    """Make, verify and draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("page-one"))
    parser.add_argument("names", nargs="*", help="situations; all if missing")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        for name, memo in memos(args.names):
            said = draw(memo, name, args.out, chromium)
            report = xp.verify(args.out / f"{name.replace(' ', '-')}.html")
            memo.save(args.out / f"{name.replace(' ', '-')}.png")
            fits = "; ".join(said) or "fits"
            print(f"{name:<16} {memo.payload['page']['cells']['decision']['headline']:<50} {report.verdict}; {fits}")
        chromium.close()


if __name__ == "__main__":
    main()
