"""Generated twins of the three real experiments, for a checkout that has no `../shared/data` beside it.

Real experiments are public files that the project may not ship. Their twins have the same columns, the same numbers of units
and of successes in every arm, and the same defects (an absurd outlier, two empty amounts, codes for missing values). So every
number that follows from counts is the published one, and every other number is compared with pandas and scipy on the twin
itself. What only the real file can show, its tests ask for with `is_real`; the end of a run says so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MARK = "generated.txt"
"""A file of this name says that a folder holds twins."""

PLAYERS = {"gate_30": (44_700, 20_034, 8_502), "gate_40": (45_489, 20_119, 8_279)}
"""Players, back after one day, back after seven."""
VISITORS = {"control": (3_332, 932), "experiment": (2_996, 928)}
"""Visitors and those who clicked."""
LETTERS = {"control": (16_687, 298), "1:1": (11_133, 231), "2:1": (11_134, 252), "3:1": (11_129, 253)}
"""Letters and those that were answered with a gift."""


def is_real(folder: Path) -> bool:
    """Whether the folder holds the real experiments, whose published numbers hold to every digit."""
    return not (folder / MARK).exists()


def write_twins(folder: Path) -> Path:
    """All three files under the names of the real ones."""
    rng = np.random.default_rng(20_071)
    _players(rng).to_csv(folder / "cookie_cats.csv.gz", index=False)
    _visitors(rng).to_csv(folder / "homepage_actions.csv.gz", index=False)
    _letters(rng).to_csv(folder / "charitable_giving.csv.gz", index=False)
    (folder / MARK).write_text("Twins made by tests/twins.py\n", "utf-8")
    return folder


def _successes(rng: np.random.Generator, n: int, k: int) -> NDArray[np.int64]:
    """Zeros and exactly k ones, in any order."""
    return rng.permutation(np.repeat([1, 0], [k, n - k]))


def _players(rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for version, (n, one, seven) in PLAYERS.items():
        # most players play little and a few very much; 4 % never start
        rounds = np.minimum(np.round(rng.lognormal(2.75, 1.45, n)), 2_000).astype(int) * (rng.random(n) > 0.04)
        parts.append(
            pd.DataFrame(
                {
                    "version": version,
                    "sum_gamerounds": rounds,
                    "retention_1": _successes(rng, n, one) == 1,
                    "retention_7": _successes(rng, n, seven) == 1,
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[0, "sum_gamerounds"] = 49_854  # the absurd one
    frame = frame.sample(frac=1, random_state=rng.integers(2**31)).reset_index(drop=True)
    frame.insert(0, "userid", 100 + 37 * np.arange(len(frame)))
    for back in ("retention_1", "retention_7"):
        frame[back] = np.where(frame[back], "TRUE", "FALSE")  # as the publisher spells it
    return frame


def _visitors(rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    first = pd.Timestamp("2016-09-24 17:42:27.839496")
    seconds = (pd.Timestamp("2017-01-18 10:00:00") - first).total_seconds()
    ids = rng.permutation(np.arange(182_988, 182_988 + 937_000, 148))
    start = 0
    for group, (n, clicks) in VISITORS.items():
        seen = first + pd.to_timedelta(np.round(rng.random(n) * seconds, 6), unit="s")
        own = ids[start : start + n]
        start += n
        views = pd.DataFrame({"timestamp": seen, "id": own, "group": group, "action": "view"})
        clicked = views[_successes(rng, n, clicks) == 1].assign(action="click")
        clicked["timestamp"] += pd.to_timedelta(np.round(rng.uniform(1, 100, clicks), 6), unit="s")
        parts += [views, clicked]
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[0, "timestamp"] = first
    frame.loc[frame.id == frame.id[0], "timestamp"] = first + pd.to_timedelta(
        np.arange(int((frame.id == frame.id[0]).sum())), unit="s"
    )
    frame = frame.sort_values("timestamp", kind="stable")
    frame["timestamp"] = frame["timestamp"].dt.strftime("%Y-%m-%d %H:%M:%S.%f")
    return frame


def _letters(rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for ratio, (n, gifts) in LETTERS.items():
        gave = _successes(rng, n, gifts)
        usual = 45.5 if ratio == "control" else 43.8
        amounts = rng.choice(
            [10.0, 20.0, 25.0, 35.0, 50.0, 100.0, 200.0, 400.0], n, p=[0.1, 0.15, 0.25, 0.15, 0.2, 0.1, 0.04, 0.01]
        )
        given = gave == 1
        amount = np.where(given, np.round(amounts * usual / amounts[given].mean(), 2), 0.0)
        previous = rng.choice([15.0, 25.0, 35.0, 50.0, 100.0], n)
        parts.append(
            pd.DataFrame(
                {
                    "treatment": int(ratio != "control"),
                    "treat_ratio2": int(ratio == "2:1"),
                    "treat_ratio3": int(ratio == "3:1"),
                    "out_amountgive": amount,
                    "out_gavedum": gave,
                    "out_changeamtgive": amount - previous,
                    "hpa": previous,
                    # earlier gifts foretell the next one a little
                    "freq": rng.negative_binomial(1, 0.12, n) + np.where(given, rng.poisson(9, n), 0),
                    "years": np.where(rng.random(n) < 0.01, -999, rng.integers(0, 20, n)),
                    "mrm2": np.where(rng.random(n) < 0.01, -999, rng.integers(1, 120, n)),
                    "dormant": rng.integers(0, 2, n),
                    "female": np.where(rng.random(n) < 0.02, -999, rng.integers(0, 2, n)),
                    "couple": np.where(rng.random(n) < 0.02, -999, rng.integers(0, 2, n)),
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    donors = frame.index[(frame.treatment == 1) & (frame.out_gavedum == 1)]
    frame.loc[donors[:2], "out_amountgive"] = np.nan  # two empty amounts, both of donors with a match
    return frame.sample(frac=1, random_state=rng.integers(2**31)).reset_index(drop=True)
