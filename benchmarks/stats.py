# ruff: noqa: E501 - queries and rows of a table read better on one line
"""From a table with one row per unit to effects with intervals: xpbench beside other ways, in one run on one file.

    python -m benchmarks.stats --rows 1_000_000 10_000_000 --metrics 5 50 --runs 3 --write stats

Every case is a process of its own, so that start-up, imports and peak memory count. All answer the same question (Welch's
interval for every metric, with and without one covariate each) and must agree on the effects. spotify-confidence is run where it
is installed (`--confidence PYTHON` names an interpreter that has it), tea-tasting on DuckDB likewise (`--tea PYTHON`: Ibis 12 does not
know DuckDB 2 yet).
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.builders import claim, plan_document

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = ("control", "beta")


def generate(path: Path, *, rows: int, metrics: int) -> None:
    """Units with a variant, skewed metrics y0 … and a covariate x0 … for each; beta lies 1 % higher."""
    import duckdb

    columns = []
    for j in range(metrics):
        # a skewed pre-period value, and a metric that follows it: whole cents, as money is stored
        base = f"(-ln((hash(i, {j}) % 1000003 + 1) / 1000004.0))"
        noise = f"(-ln((hash(i, {j}, 7) % 1000003 + 1) / 1000004.0))"
        columns.append(
            f"round(10 * {base}, 2) AS x{j}, round((CASE WHEN v = 1 THEN 10.1 ELSE 10 END) * (0.7 * {base} + 0.6 * {noise}), 2) AS y{j}"
        )
    connection = duckdb.connect()
    connection.execute(f"""
        COPY (SELECT i AS unit, CASE WHEN v = 1 THEN 'beta' ELSE 'control' END AS variant, {", ".join(columns)}
              FROM (SELECT i, hash(i, 'v') % 2 AS v FROM range({rows}) t(i))) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
    """).fetchall()


def welch(n: Any, mean: Any, variance: Any) -> list[float]:
    """Effect and interval by scipy."""
    from scipy import stats

    found = stats.ttest_ind_from_stats(mean[1], variance[1] ** 0.5, n[1], mean[0], variance[0] ** 0.5, n[0], equal_var=False)
    se = (variance[0] / n[0] + variance[1] / n[1]) ** 0.5
    q = stats.t.isf(0.025, min(n) - 1)
    effect = mean[1] - mean[0]
    return [effect, effect - q * se, effect + q * se, float(found.pvalue)]


def pooled(n: Any, y: Any, x: Any, vy: Any, vx: Any, c: Any) -> list[float]:
    """CUPED with the slope over both variants, then Welch."""
    theta = sum(n[i] * c[i] for i in (0, 1)) / sum(n[i] * vx[i] for i in (0, 1))
    return welch(n, [y[i] - theta * x[i] for i in (0, 1)], [vy[i] - 2 * theta * c[i] + theta**2 * vx[i] for i in (0, 1)])


def hand_sql(path: str, metrics: int, cuped: bool) -> list[float]:
    """One query for the moments, scipy for the rest."""
    import duckdb

    per = (
        "avg(y{0}), var_samp(y{0}), avg(x{0}), var_samp(x{0}), covar_samp(x{0}, y{0})" if cuped else "avg(y{0}), var_samp(y{0})"
    )
    wanted = ", ".join(per.format(j) for j in range(metrics))
    query = f"SELECT variant, count(*), {wanted} FROM read_parquet('{path}') GROUP BY variant ORDER BY variant DESC"
    control, beta = duckdb.connect().execute(query).fetchall()
    n, k = (control[1], beta[1]), 5 if cuped else 2
    out = []
    for j in range(metrics):
        both = [row[2 + k * j : 2 + k * (j + 1)] for row in (control, beta)]
        y, vy = [b[0] for b in both], [b[1] for b in both]
        out.append(
            pooled(n, y, *([b[i] for b in both] for i in (2,)), vy, *([b[i] for b in both] for i in (3, 4)))[0]
            if cuped
            else welch(n, y, vy)[0]
        )
    return out


def plan_of(metrics: int, cuped: bool) -> dict[str, Any]:
    """The plan of our case."""
    spec = [
        {"key": f"y{j}", "kind": "column", "column": f"y{j}", "role": "secondary", "direction": "increase"}
        | ({"cuped": True, "covariates": [f"x{j}"]} if cuped else {})
        for j in range(metrics)
    ]
    return plan_document(
        spec, key="bench", title="Benchmark", owner="bench", hypothesis=claim([]), unit="unit", model=None, horizon=None
    )


def xpbench(path: str, metrics: int, cuped: bool) -> list[float]:
    """The source of per-unit tables with all its checks, then statistics on its moments."""
    import xpbench as xp
    from xpbench.stats.cuped import adjust
    from xpbench.stats.inference import absolute, p_fixed, relative
    from xpbench.stats.moments import Moments
    from xpbench.stats.multipliers import q_fixed
    from xpbench.stats.pairs import mean_pair

    told: list[tuple[str, float]] = []
    source = xp.units(path, unit="unit", variant="variant")
    summary = source.summarize(
        xp.Plan(**plan_of(metrics, cuped)), progress=lambda s: told.append((s.name, round(s.seconds, 2)))
    )
    print(told, file=sys.stderr)
    out = []
    for j in range(metrics):
        c, t = (Moments.of(cell.n, cell.mean, cell.cov) for v in VARIANTS if (cell := summary.cell(f"y{j}", v)) is not None)
        pair = adjust(c, t, y=0, xs=[1]) if cuped else mean_pair(c, t)
        q = q_fixed(0.05, pair.df)
        out.append(absolute(pair, q).effect)
        relative(pair, q)
        p_fixed(pair)
    return out


def statistics_alone(path: str, metrics: int, cuped: bool) -> list[float]:
    """The same hand-written query, then our statistics instead of scipy: what statistics alone cost."""
    import duckdb

    from xpbench.stats.cuped import adjust
    from xpbench.stats.inference import absolute, p_fixed, relative
    from xpbench.stats.moments import Moments
    from xpbench.stats.multipliers import q_fixed
    from xpbench.stats.pairs import mean_pair

    per = (
        "avg(y{0}), var_samp(y{0}), avg(x{0}), var_samp(x{0}), covar_samp(x{0}, y{0})" if cuped else "avg(y{0}), var_samp(y{0})"
    )
    wanted = ", ".join(per.format(j) for j in range(metrics))
    query = f"SELECT variant, count(*), {wanted} FROM read_parquet('{path}') GROUP BY variant ORDER BY variant DESC"
    rows = duckdb.connect().execute(query).fetchall()
    k, out = 5 if cuped else 2, []
    for j in range(metrics):
        cells = []
        for row in rows:
            v = row[2 + k * j : 2 + k * (j + 1)]
            cells.append(
                Moments.of(row[1], [v[0], v[2]], [[v[1], v[4]], [v[4], v[3]]])
                if cuped
                else Moments.of(row[1], [v[0]], [[v[1]]])
            )
        pair = adjust(*cells, y=0, xs=[1]) if cuped else mean_pair(*cells)
        q = q_fixed(0.05, pair.df)
        out.append(absolute(pair, q).effect)
        relative(pair, q)
        p_fixed(pair)
    return out


def _tea(table: Any, metrics: int, cuped: bool) -> list[float]:
    import tea_tasting as tt

    experiment = tt.Experiment(
        {f"y{j}": tt.Mean(f"y{j}", f"x{j}" if cuped else None) for j in range(metrics)}, variant="variant"
    )
    result = experiment.analyze(table, control="control")
    return [float(result[f"y{j}"].effect_size) for j in range(metrics)]


def tea_duckdb(path: str, metrics: int, cuped: bool) -> list[float]:
    """tea-tasting on DuckDB through Ibis."""
    import ibis

    return _tea(ibis.duckdb.connect().read_parquet(path), metrics, cuped)


def tea_polars(path: str, metrics: int, cuped: bool) -> list[float]:
    """tea-tasting on a lazy Polars frame."""
    import polars as pl

    return _tea(pl.scan_parquet(path), metrics, cuped)


def tea_pandas(path: str, metrics: int, cuped: bool) -> list[float]:
    """tea-tasting on pandas."""
    import pandas as pd

    return _tea(pd.read_parquet(path), metrics, cuped)


def pandas_scipy(path: str, metrics: int, cuped: bool) -> list[float]:
    """What an analyst writes: groups of a frame, scipy's t test."""
    import pandas as pd
    from scipy import stats

    columns = ["variant", *(f"{c}{j}" for j in range(metrics) for c in (("y", "x") if cuped else ("y",)))]
    frame = pd.read_parquet(path, columns=columns)
    out = []
    mine = frame["variant"] == "beta"
    for j in range(metrics):
        y = frame[f"y{j}"]
        if cuped:
            x = frame[f"x{j}"]
            y = y - x.cov(y) / x.var() * (x - x.mean())
        stats.ttest_ind(y[mine], y[~mine], equal_var=False)
        out.append(float(y[mine].mean() - y[~mine].mean()))
    return out


def spotify_confidence(path: str, metrics: int, cuped: bool) -> list[float]:
    """spotify-confidence on sums and sums of squares from pandas."""
    import pandas as pd
    import spotify_confidence as confidence

    columns = ["variant", *(f"{c}{j}" for j in range(metrics) for c in (("y", "x") if cuped else ("y",)))]
    frame = pd.read_parquet(path, columns=columns)
    out = []
    for j in range(metrics):
        squares = {"y": frame[f"y{j}"], "y2": frame[f"y{j}"] ** 2, "variant": frame["variant"]}
        if cuped:
            squares |= {"x": frame[f"x{j}"], "x2": frame[f"x{j}"] ** 2, "xy": frame[f"x{j}"] * frame[f"y{j}"]}
        wide = pd.DataFrame(squares).groupby("variant")
        sums = wide.sum().assign(n=wide.size()).reset_index()
        options = {
            "numerator_column": "y",
            "numerator_sum_squares_column": "y2",
            "denominator_column": "n",
            "categorical_group_columns": "variant",
        }
        if cuped:
            options |= {
                "feature_column": "x",
                "feature_sum_squares_column": "x2",
                "feature_cross_sum_column": "xy",
                "method_column": "method",
            }
            sums["method"] = "z-test-linreg"
            test = (
                confidence.Experiment(sums, **options, interval_size=0.95)
                if hasattr(confidence, "Experiment")
                else confidence.ZTestLinreg(sums, **options)
            )
        else:
            test = confidence.ZTest(sums, **options, interval_size=0.95)
        found = test.difference(level_1="control", level_2="beta")
        out.append(float(found["difference"].iloc[0]))
    return out


CASES: dict[str, Callable[[str, int, bool], list[float]]] = {
    "hand SQL + scipy": hand_sql,
    "hand SQL + xpbench.stats": statistics_alone,
    "xpbench": xpbench,
    "tea-tasting, DuckDB": tea_duckdb,
    "tea-tasting, Polars": tea_polars,
    "tea-tasting, pandas": tea_pandas,
    "pandas + scipy": pandas_scipy,
    "spotify-confidence": spotify_confidence,
}


def one(case: str, path: str, metrics: int, cuped: bool) -> None:
    """Run a case in this process and print what it took."""
    begun = time.perf_counter()
    answer = CASES[case](path, metrics, cuped)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": round(time.perf_counter() - begun, 3),
                "cpu": round(used.ru_utime + used.ru_stime, 2),
                "rss_gb": round(used.ru_maxrss / 2**20, 2),
                "answer": answer,
            }
        )
    )


def main() -> None:
    """Generate, run all cases, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--metrics", type=int, nargs="*", default=[5])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=[c for c in CASES if c != "spotify-confidence"])
    parser.add_argument("--tea", help="interpreter that has tea-tasting with a DuckDB that Ibis knows")
    parser.add_argument("--confidence", help="interpreter that has spotify-confidence")
    parser.add_argument(
        "--skip-large", type=int, default=200_000_000, help="cells above which cases that hold all rows are left out"
    )
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "xpbench-stats")
    parser.add_argument("--write", metavar="NAME", help="write benchmarks/results/NAME.json")
    parser.add_argument("--one")
    parser.add_argument("--cuped", action="store_true")
    options = parser.parse_args()
    if options.one:
        one(options.one, str(options.data), options.metrics[0], options.cuped)
        return
    options.data.mkdir(exist_ok=True, parents=True)
    cases = [*options.cases, *(["spotify-confidence"] if options.confidence else [])]
    found: list[dict[str, Any]] = []
    for rows in options.rows:
        for metrics in options.metrics:
            path = options.data / f"units-{rows}-{metrics}.parquet"
            if not path.exists():
                generate(path.with_suffix(".part"), rows=rows, metrics=metrics)
                path.with_suffix(".part").rename(path)
            for cuped in (False, True):
                found += measure(options, cases, path, rows, metrics, cuped)
    text = table(found)
    print(text)
    if options.write:
        write(options, found, text)


def measure(
    options: argparse.Namespace, cases: list[str], path: Path, rows: int, metrics: int, cuped: bool
) -> list[dict[str, Any]]:
    """The best wall time of each case, cases taking turns."""
    from benchmarks import installed  # not in the processes that are measured

    best: dict[str, dict[str, Any]] = {}
    environment = installed.environment()
    whole = ("tea-tasting, pandas", "pandas + scipy", "spotify-confidence", "tea-tasting, Polars")
    for _ in range(options.runs):
        for case in cases:
            if case in whole and rows * metrics * (2 if cuped else 1) > options.skip_large:
                continue
            python = {"spotify-confidence": options.confidence, "tea-tasting, DuckDB": options.tea}.get(case) or sys.executable
            command = [python, "-m", "benchmarks.stats", "--one", case, "--metrics", str(metrics), "--data", str(path)]
            begun = time.perf_counter()
            done = subprocess.run(
                command + (["--cuped"] if cuped else []),
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
                env=environment,
            )
            wall = time.perf_counter() - begun
            if done.returncode:
                print(case, "failed:", done.stderr.strip().splitlines()[-1:], flush=True)
                continue
            result = json.loads(done.stdout.strip().splitlines()[-1]) | {"wall": round(wall, 2)}
            print(
                f"{rows:>11,} × {metrics:<3} {'CUPED' if cuped else 'plain':6} {case:26} {wall:7.2f} s {result['cpu']:7.2f} s cpu {result['rss_gb']:.2f} GB",
                done.stderr.strip()[-300:],
                flush=True,
            )
            if case not in best or result["wall"] < best[case]["wall"]:
                best[case] = result
    base = best.get("hand SQL + scipy")
    reference = base["answer"] if base else None
    out = []
    for case, result in best.items():
        answer = result.pop("answer")
        if (
            reference
        ):  # slopes differ between the tools by what CUPED is free to choose: far less than a thousandth of the effect's noise
            worst = max(abs(a - b) for a, b in zip(answer, reference, strict=True))
            assert worst < (1e-3 if cuped else 1e-8), (case, worst)
        row = {"rows": rows, "metrics": metrics, "cuped": cuped, "case": case, **result}
        if base:
            row["of_hand_sql"] = round(result["wall"] / base["wall"], 2)
            row["cpu_of_hand_sql"] = round(result["cpu"] / base["cpu"], 2)
        out.append(row)
    return out


def table(found: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| rows × metrics | | case | wall s | of hand SQL | cpu s | peak GB |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {r['rows']:,} × {r['metrics']} | {'CUPED' if r['cuped'] else 'plain'} | {r['case']} | {r['wall']:.2f} | {r.get('of_hand_sql', '')} | {r['cpu']:.2f} | {r['rss_gb']:.2f} |"
        for r in found
    ]
    return "\n".join(lines)


def write(options: argparse.Namespace, found: list[dict[str, Any]], text: str) -> None:
    """Results as JSON, and the table for the docs."""
    from benchmarks.report import header

    command = "python -m benchmarks.stats " + " ".join(
        {options.tea: "PYTHON", options.confidence: "PYTHON", str(options.data): "DIR"}.get(a, shlex.quote(a))
        for a in sys.argv[1:]
    )
    out = ROOT / f"benchmarks/results/{options.write}.json"
    out.write_text(
        json.dumps({**header(command, ("tea-tasting", "polars", "ibis-framework")), "results": found}, indent=1) + "\n"
    )
    print("written", out.name, len(text))


if __name__ == "__main__":
    main()
