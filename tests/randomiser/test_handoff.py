"""The same variants in Python, JavaScript and SQL; audience lists that are safe to open and small enough to upload."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tests.randomiser.plans import definition_of, plan_of
from xpbench.errors import AssignError
from xpbench.outward import cell
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.definitions import read_flag
from xpbench.randomiser.handoff.audience import write_audiences
from xpbench.randomiser.handoff.folder import handoff
from xpbench.randomiser.handoff.javascript import javascript
from xpbench.randomiser.handoff.presets import PRESETS, preset
from xpbench.randomiser.handoff.responsibilities import responsibility_sheet
from xpbench.randomiser.handoff.sql import ENGINES, EXECUTED, sql

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "assign.json").read_text(encoding="utf-8"))
ODD = sorted({v["id"] for v in VECTORS["native"]["vectors"]})
IDS = list(dict.fromkeys([*ODD, *(f"user-{i}" for i in range(5_000)), *(str(i * 7919) for i in range(5_000))]))

FULL = {
    "splits": (0.3333, 0.3333, 0.3334),
    "rollout": [
        {"key": "staff", "share": 1.0, "cohort": "staff", "variant": "gamma"},
        {"key": "a", "share": 0.3, "splits": {"control": 0.2, "beta": 0.5, "gamma": 0.3}},
        {"key": "größe", "share": 0.55},
    ],
    "overrides": {"user-1": "beta", "o'neil": "gamma", "日本語": "control"},
    "holdout": {"key": "h", "salt": "hold", "share": 0.1},
    "layer": {"key": "l", "salt": "lay'er", "start": 0.1, "end": 0.85},
}


def subjects() -> dict[str, Any]:
    salted = definition_of("checkout", hash_salt="ab" * 16, rollout=(0.3, 0.5))
    salted["ruleset"]["test"] = {"users": {"user-3": "BETA", "user-4": "nobody"}}
    odd = definition_of("größe😀", splits=(0.1,) * 10, rollout=(0.125, 0.9))
    odd["ruleset"]["rollout"][0]["variant_splits"] = {"control": 0.7, "beta": 0.7}
    odd["ruleset"]["rollout"][1]["variant_override"] = {"key": "Gamma"}
    return {
        "plain": plan_of(),
        "thirds": plan_of(splits=(0.3333, 0.3333, 0.3334), rollout=[{"key": "a", "share": 0.3}]),
        "full": plan_of(**{**FULL, "rollout": FULL["rollout"][1:]}),
        "quotes": plan_of(salt='it\'s \\ "quoted" </script> \n'),
        "flag": read_flag(salted),
        "odd flag": read_flag(odd),
        "mixpanel plan": plan_of(
            hash="mixpanel",
            hash_salt="ü",
            rollout=[{"key": "a", "share": 0.3}],
            overrides={"user-1": "beta"},
            holdout=FULL["holdout"],
        ),
    }


def in_node(source: str, ids: list[Any], folder: Path, options: str = "undefined") -> list[str | None]:
    (folder / "assign.js").write_text(source, encoding="utf-8")
    (folder / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
    program = (
        "const a = require('./assign.js'); const ids = JSON.parse(require('fs').readFileSync('ids.json', 'utf8'));"
        f"process.stdout.write(JSON.stringify(ids.map(i => a.variant(i, {options}))));"
    )
    done = subprocess.run(["node", "-e", program], cwd=folder, capture_output=True, timeout=120, check=True)
    found: list[str | None] = json.loads(done.stdout)
    return found


@pytest.fixture
def node() -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")


@pytest.mark.parametrize("name", subjects())
def test_javascript_equals_python_on_ten_thousand_ids(name: str, node: None, tmp_path: Path) -> None:
    subject = subjects()[name]
    assert len(IDS) >= 10_000
    assert in_node(javascript(subject), IDS, tmp_path) == assignments(subject, IDS).variants().tolist()


def test_javascript_of_other_types_of_ids(node: None, tmp_path: Path) -> None:
    numbers = [0, 1, -5, 12345, 2**53 - 1]
    for subject in (plan_of(), read_flag(definition_of())):
        assert in_node(javascript(subject), numbers, tmp_path) == assignments(subject, numbers).variants().tolist()
        assert in_node(javascript(subject), [None, 1.5, True, [], {}, "\ud800"], tmp_path) == [None] * 6


def test_javascript_takes_audiences_by_group(node: None, tmp_path: Path) -> None:
    plan = plan_of(**FULL)
    ids = IDS[:500]
    staff = assignments(plan, ids, cohorts={"staff": ids}).variants().tolist()
    others = assignments(plan, ids, cohorts={"staff": ["nobody"]}).variants().tolist()
    assert in_node(javascript(plan), ids, tmp_path, "{groups: {staff: true}}") == staff
    assert in_node(javascript(plan), ids, tmp_path) == others


def test_javascript_can_stand_in_a_page() -> None:
    source = javascript(plan_of(salt="</script><script>alert(1)</script>", key="a", overrides={"</SCRIPT>": "beta"}))
    assert "</script" not in source.lower()
    with pytest.raises(AssignError, match="identifier"):
        javascript(plan_of(), name="a b")


@pytest.mark.parametrize("name", subjects())
def test_duckdb_equals_python(name: str) -> None:
    subject = subjects()[name]
    units = pa.table({"distinct_id": [*IDS[:3000], None]})
    expression = sql(subject, "duckdb")
    found = duckdb.connect().execute(f"SELECT {expression} FROM units").fetchall()
    assert [row[0] for row in found] == assignments(subject, units["distinct_id"]).variants().tolist()


def test_duckdb_hashes_integers_as_python_does() -> None:
    units = pa.table({"id": pa.array([0, 1, -5, 12345, None])})
    for subject in (plan_of(), read_flag(definition_of())):
        expression = sql(subject, "duckdb", column="id")
        found = duckdb.connect().execute(f"SELECT {expression} FROM units").fetchall()
        assert [row[0] for row in found] == assignments(subject, units["id"]).variants().tolist()


def test_native_vectors_in_duckdb() -> None:
    from xpbench.randomiser.single import prefix

    vectors = VECTORS["native"]["vectors"]
    units = pa.table({"m": [prefix(v["purpose"], v["salt"], v["name"]) + v["id"] for v in vectors]})
    found = duckdb.connect().execute("SELECT CAST('0x' || substr(sha256(m), 1, 13) AS BIGINT) FROM units").fetchall()
    assert len(units) >= 1000
    assert [row[0] for row in found] == [v["first52"] for v in vectors]


def test_native_vectors_in_node(node: None, tmp_path: Path) -> None:
    from xpbench.randomiser.single import prefix

    vectors = VECTORS["native"]["vectors"]
    inner = javascript(plan_of()).replace("return { variant: variant }", "return { variant: first52 }")
    found = in_node(inner, [prefix(v["purpose"], v["salt"], v["name"]) + v["id"] for v in vectors], tmp_path)
    assert found == [v["first52"] for v in vectors]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Postgres server of our own on a socket in a temporary folder."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
    pytest.importorskip("psycopg")
    if not binaries:
        pytest.skip("Postgres is not installed")
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="xpb-pg-"))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("Postgres does not run as root and there is no account for it")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    data = folder / "data"
    subprocess.run(
        [str(binaries[-1] / "initdb"), "-D", str(data), "-U", "xpb", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True, capture_output=True, env=env, cwd=folder, **user,
    )  # fmt: skip
    server = subprocess.Popen(
        [str(binaries[-1] / "postgres"), "-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=folder, **user,
    )  # fmt: skip
    try:
        for _ in range(100):
            if (folder / ".s.PGSQL.5432").exists():
                break
            time.sleep(0.1)
        yield f"host={folder} user=xpb dbname=postgres"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", ["plain", "thirds", "full", "quotes"])
def test_postgres_equals_python(name: str, postgres: str) -> None:
    import psycopg

    subject = subjects()[name]
    ids = [*(i for i in IDS[:1500] if "\x00" not in i), None]
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TEMP TABLE units (place INT, distinct_id TEXT)")
        with connection.cursor().copy("COPY units FROM STDIN") as copy:
            for place, unit in enumerate(ids):
                copy.write_row((place, unit))
        found = connection.execute(f"SELECT {sql(subject, 'postgres')} FROM units ORDER BY place".replace("%", "%%")).fetchall()
    assert [row[0] for row in found] == assignments(subject, ids).variants().tolist()


@pytest.mark.parametrize("kind", ["DOUBLE PRECISION", "REAL", "NUMERIC(12,1)", "BOOLEAN"])
def test_postgres_refuses_ids_that_are_no_ids(kind: str, postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres) as connection:
        connection.execute(f"CREATE TEMP TABLE units (distinct_id {kind})")
        query = f"SELECT {sql(plan_of(), 'postgres')} FROM units".replace("%", "%%")
        assert connection.execute(query).fetchall() == [], "only a value that is there is refused"
        connection.execute("INSERT INTO units VALUES (NULL)")
        assert connection.execute(query).fetchall() == [(None,)]
        connection.execute("INSERT INTO units VALUES ('1')")
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match=r"12345\.0 is another id"):
            connection.execute(query)


@pytest.mark.parametrize("kind", ["BIGINT", "SMALLINT", "VARCHAR(20)", "CHAR(4)", "UUID"])
def test_postgres_takes_every_kind_of_id(kind: str, postgres: str) -> None:
    import uuid

    import psycopg

    ids: list[Any] = (
        [str(uuid.UUID(int=i)) for i in range(1000, 1400)] if kind == "UUID" else [str(i) for i in range(1000, 1400)]
    )
    with psycopg.connect(postgres) as connection:
        connection.execute(f"CREATE TEMP TABLE units (place INT, distinct_id {kind})")
        connection.cursor().executemany("INSERT INTO units VALUES (%s, %s)", list(enumerate(ids)))
        query = f"SELECT {sql(plan_of(), 'postgres')} FROM units ORDER BY place".replace("%", "%%")
        assert [r[0] for r in connection.execute(query).fetchall()] == assignments(plan_of(), ids).variants().tolist()


@pytest.mark.parametrize("kind", ["DOUBLE", "FLOAT", "DECIMAL(12,1)", "BOOLEAN", "TIMESTAMP"])
@pytest.mark.parametrize("hashed", ["native", "mixpanel"])
def test_duckdb_refuses_ids_that_are_no_ids(kind: str, hashed: str) -> None:
    """A frame with a hole makes floats of whole numbers: 12345.0 is not hashed in silence."""
    subject = plan_of() if hashed == "native" else read_flag(definition_of())
    connection = duckdb.connect()
    value = "TIMESTAMP '2026-01-01'" if kind == "TIMESTAMP" else f"CAST(1 AS {kind})"
    connection.execute(f"CREATE TABLE units AS SELECT {value} AS distinct_id")
    with pytest.raises(duckdb.InvalidInputException, match=r"12345\.0 is another id"):
        connection.execute(f"SELECT {sql(subject)} FROM units").fetchall()
    connection.execute("UPDATE units SET distinct_id = NULL")
    assert connection.execute(f"SELECT {sql(subject)} FROM units").fetchall() == [(None,)]


@pytest.mark.parametrize("kind", ["TINYINT", "UBIGINT", "HUGEINT", "UUID", "VARCHAR", "ENUM"])
def test_duckdb_takes_every_kind_of_id(kind: str) -> None:
    connection = duckdb.connect()
    if kind == "ENUM":
        connection.execute("CREATE TYPE names AS ENUM ('a', 'b', 'c')")
        connection.execute(
            "CREATE TABLE units AS SELECT CAST(x AS names) AS distinct_id FROM (VALUES ('a'), ('b'), ('c')) t(x)"
        )
    elif kind == "UUID":
        connection.execute("CREATE TABLE units AS SELECT uuid() AS distinct_id FROM range(200)")
    else:
        connection.execute(f"CREATE TABLE units AS SELECT CAST(range AS {kind}) AS distinct_id FROM range(1, 100)")
    rows = connection.execute(f"SELECT CAST(distinct_id AS VARCHAR), {sql(plan_of())} FROM units").fetchall()
    assert [v for _, v in rows] == assignments(plan_of(), [u for u, _ in rows]).variants().tolist()


@pytest.mark.spark
@pytest.mark.slow
def test_spark_equals_python(tmp_path: Path) -> None:
    pyspark = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    spark = (
        pyspark.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    try:
        ids = [*IDS[:1500], None]
        frame = spark.createDataFrame(list(enumerate(ids)), "place INT, distinct_id STRING")
        for name in ("plain", "thirds", "full", "quotes"):
            subject = subjects()[name]
            rows = frame.selectExpr("place", f"{sql(subject, 'spark')} AS variant").orderBy("place").collect()
            assert [r["variant"] for r in rows] == assignments(subject, ids).variants().tolist(), name
        dollars = plan_of(salt="price ${env:HOME} up ${x}")
        rows = frame.selectExpr("place", f"{sql(dollars, 'spark')} AS variant").orderBy("place").collect()
        assert [r["variant"] for r in rows] == assignments(dollars, ids).variants().tolist()
        floats = spark.createDataFrame([(1, 12345.0)], "place INT, distinct_id DOUBLE")
        with pytest.raises(Exception, match=r"12345\.0 is another id"):
            floats.selectExpr(f"{sql(plan_of(), 'spark')} AS variant").collect()
    finally:
        spark.stop()


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_the_native_hash_and_quotes_text(engine: Any) -> None:
    text = sql(plan_of(salt="it's", overrides={"o'neil": "beta"}), engine, column="a.id")
    assert text.startswith("CASE")
    assert text.endswith("END")
    assert "it's" not in text.replace("it''s", "").replace("it\\'s", "")
    assert set(EXECUTED) <= set(ENGINES)


@pytest.mark.parametrize("engine", [e for e in ENGINES if e != "duckdb"])
def test_engines_without_the_hash_are_refused(engine: Any) -> None:
    with pytest.raises(AssignError, match=r"no FNV-1a.*XPB-A18"):
        sql(read_flag(definition_of()), engine)


def test_groups_with_rules_need_a_condition() -> None:
    plan = plan_of(rollout=[{"key": "uk", "share": 1.0, "where": {"==": [{"var": "country"}, "uk"]}}])
    with pytest.raises(AssignError, match="XPB-A18"):
        sql(plan)
    units = pa.table({"distinct_id": ["a", "b"], "country": ["UK", "DE"]})
    expression = sql(plan, conditions={"uk": "lower(country) = 'uk'"})
    found = duckdb.connect().execute(f"SELECT {expression} FROM units").fetchall()
    assert [r[0] for r in found] == assignments(plan, units).variants().tolist()
    with pytest.raises(AssignError, match="Engines"):
        sql(plan, "oracle")  # type: ignore[arg-type]


def rows_of(paths: list[Path]) -> list[list[str]]:
    out: list[list[str]] = []
    for path in paths:
        text = path.read_bytes().decode()
        assert text.startswith("distinct_id,variant\r\n")
        assert text.endswith("\r\n")
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert rows[0] == ["distinct_id", "variant"]
        out += rows[1:]
    return out


def test_audiences_have_every_unit_once_and_respect_the_limits(tmp_path: Path) -> None:
    plan = plan_of(rollout=[{"key": "all", "share": 0.8}])
    ids = [*IDS[:2000], *IDS[:50], None]
    made = write_audiences(plan, ids, tmp_path, max_rows=300, max_bytes=20_000, formulas="keep")
    found = dict(map(tuple, rows_of([f.path for f in made.files])))
    expected = {u: v for u, v in zip(IDS[:2000], assignments(plan, IDS[:2000]).variants(), strict=True) if v is not None}
    assert found == expected
    assert made.units == len(expected)
    assert (made.nulls, made.duplicates, made.left_out) == (1, 50, 2000 - len(expected))
    for file in made.files:
        assert file.rows <= 300
        assert file.path.stat().st_size == file.size <= 20_000
        assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256
        assert sum(file.variants.values()) == file.rows


def test_one_set_per_variant(tmp_path: Path) -> None:
    made = write_audiences(plan_of(), IDS[200:400], tmp_path, per_variant=True)
    assert [f.path.name for f in made.files] == ["beta-homepage-control.csv", "beta-homepage-beta.csv"]
    assert [set(f.variants) for f in made.files] == [{"control"}, {"beta"}]


@pytest.mark.parametrize("risky", ["=1+1", "+1", "-1", "@a", "\ta", "\ra", "\na", "＝1"])
def test_no_cell_is_a_formula(risky: str, tmp_path: Path) -> None:
    assert cell(risky) == "'" + risky
    assert cell("a" + risky) == "a" + risky
    made = write_audiences(plan_of(), [risky, "a,b", 'say "x"', "line\r\nend"], tmp_path)
    assert made.escaped == 1
    assert sorted(r[0] for r in rows_of([f.path for f in made.files])) == sorted(["'" + risky, "a,b", 'say "x"', "line\r\nend"])
    with pytest.raises(AssignError, match="formula"):
        write_audiences(plan_of(), [risky], tmp_path, formulas="refuse")


def test_limits_below_a_row_are_refused(tmp_path: Path) -> None:
    for limits in ({"max_rows": 0}, {"max_bytes": 10}):
        with pytest.raises(AssignError, match="XPB-A20"):
            write_audiences(plan_of(), ["a"], tmp_path, **limits)  # type: ignore[arg-type]


def test_folder_with_everything(tmp_path: Path) -> None:
    made = handoff(plan_of(), tmp_path / "out", unit_ids=IDS[200:300])
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {
        "assign.js",
        *(f"assign.{e}.sql" for e in ENGINES),
        "responsibilities.md",
        "beta-homepage.csv",
        "handoff.json",
    }
    manifest = json.loads((tmp_path / "out" / "handoff.json").read_text())
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest
    assert made.to_dict() == manifest
    flagged = handoff(read_flag(definition_of()), tmp_path / "flag")
    assert set(flagged.left_out) == {f"assign.{e}.sql" for e in ENGINES if e != "duckdb"}
    assert "Who does what" in flagged._repr_html_()


def test_sheet_says_who_when_and_what_breaks() -> None:
    sheet = responsibility_sheet(plan_of(key="a", salt="s|alt"), cms="the <b>CMS</b>")
    text = sheet.to_markdown()
    for words in ("Who does what: a", "distinct\\_id", "s\\|alt", "$experiment\\_started", "Never", "audit fails", "&lt;b"):
        assert words in text
    assert "<b>" not in sheet._repr_html_()
    assert len(text.splitlines()) < 60
    assert {d["task"].split()[0] for d in sheet.to_dict()["duties"]} >= {"Assign:", "Render", "Send"}


LISTED = [f"user-{i}" for i in range(2_000)]


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_list_in_the_words_of_the_receiver(tmp_path: Path) -> None:
    made = write_audiences(
        plan_of(), LISTED, tmp_path, columns=("external_id", "test_group"), form="jsonl", spelling=lambda t: f"shop|{t.upper()}"
    )
    rows = [json.loads(line) for line in made.files[0].path.read_text().splitlines()]
    assert made.files[0].path.name == "beta-homepage.jsonl"
    expected = assignments(plan_of(), LISTED).variants().tolist()
    assert rows == [
        {"external_id": f"shop|{u.upper()}", "test_group": v} for u, v in zip(LISTED, expected, strict=True) if v is not None
    ]
    with pytest.raises(AssignError, match=r"Two units become one.*'a' and 'A'"):
        write_audiences(plan_of(), ["a", "A"], tmp_path, spelling=str.lower)
    risky = write_audiences(plan_of(), ["=1+1"], tmp_path, form="jsonl", formulas="refuse")
    assert risky.escaped == 0, "JSON is not a spreadsheet"


@pytest.mark.parametrize("name", ["native", "mixpanel", "flag"])
def test_buckets_say_the_variant_by_a_rule(name: str, tmp_path: Path) -> None:
    """Whoever targets by number gets the variant that the hash gives."""
    salt = "0123456789abcdef0123456789abcdef"
    subject: Any = {
        "native": plan_of(splits=(0.1234, 0.5, 0.3766), rollout=[{"key": "some", "share": 0.6}]),
        "mixpanel": plan_of(splits=(0.1, 0.2, 0.7), hash="mixpanel", hash_salt=salt),
        "flag": read_flag(definition_of(splits=(0.3, 0.7), hash_salt=salt)),
    }[name]
    made = write_audiences(subject, LISTED, tmp_path, buckets="split_number")
    assert made.rule is not None
    assert sorted(n for low, high in made.rule.values() for n in range(low, high + 1)) == list(range(10_000))
    rows = table_of(made.files[0].path)
    for row in rows:
        low, high = made.rule[row["variant"]]
        assert low <= int(row["split_number"]) <= high
    assert made.to_dict()["rule"] == {k: list(v) for k, v in made.rule.items()}
    for bad in (
        plan_of(splits=(1 / 3, 1 / 3, 1 / 3)),
        plan_of(overrides={"a": "beta"}),
        plan_of(rollout=[{"key": "a", "share": 0.5}, {"key": "b", "share": 1.0}]),
    ):
        with pytest.raises(AssignError, match="no single range"):
            write_audiences(bad, ["a"], tmp_path, buckets="n")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_only_what_has_changed_is_written(form: Any, tmp_path: Path) -> None:
    before = plan_of(rollout=[{"key": "all", "share": 0.3}])
    after = plan_of(rollout=[{"key": "all", "share": 0.6}])
    write_audiences(before, LISTED[:1_500], tmp_path / "one", form=form, max_rows=100, extras=True)
    made = write_audiences(after, LISTED[100:], tmp_path / "two", form=form, before=tmp_path / "one")
    assert {f.path.stem.rsplit("-", 1)[1] for f in made.files} == {"add", "remove"}

    def read(name: str) -> dict[str, str]:
        path = tmp_path / "two" / f"beta-homepage-{name}.{form}"
        rows = table_of(path) if form == "csv" else [json.loads(line) for line in path.read_text().splitlines()]
        return {r["distinct_id"]: r["variant"] for r in rows}

    old = {u: v for u, v in zip(LISTED[:1_500], assignments(before, LISTED[:1_500]).variants(), strict=True) if v is not None}
    new = {u: v for u, v in zip(LISTED[100:], assignments(after, LISTED[100:]).variants(), strict=True) if v is not None}
    assert read("add") == {u: v for u, v in new.items() if u not in old}
    assert read("remove") == {u: v for u, v in old.items() if u not in new}
    merged = {u: v for u, v in (old | read("add")).items() if u not in read("remove")}
    assert merged == new, "the old list and the difference are the new list"
    moved = write_audiences(plan_of(salt="other"), LISTED, tmp_path / "three", before=dict.fromkeys(LISTED, "beta"))
    assert [f.path.name for f in moved.files] == ["beta-homepage-change.csv"]
    with pytest.raises(AssignError, match="earlier hand-off"):
        write_audiences(after, LISTED, tmp_path / "four", before=tmp_path / "nothing")


def test_lists_for_the_days_around_the_experiment(tmp_path: Path) -> None:
    """Twenty ids to look up before launch, the units with a forced variant, and what takes the lists away at the end."""
    plan = plan_of(overrides={"ann": "beta", "=bob": "control"})
    made = handoff(plan, tmp_path, unit_ids=LISTED, extras=True)
    assert {"beta-homepage-look-up.csv", "beta-homepage-qa.csv", "beta-homepage-undo.csv"} <= set(made.files)
    look_up = table_of(tmp_path / "beta-homepage-look-up.csv")
    assert len(look_up) == 20
    assert {r["variant"] for r in look_up} == {"control", "beta"}
    assert [r["variant"] for r in look_up] == list(assignments(plan, [r["distinct_id"] for r in look_up]).variants())
    qa = {r["distinct_id"]: r["variant"] for r in table_of(tmp_path / "beta-homepage-qa.csv")}
    assert qa == {"ann": "beta", "'=bob": "control"}
    undo = table_of(tmp_path / "beta-homepage-undo.csv")
    assert [r["distinct_id"] for r in undo] == [r["distinct_id"] for r in table_of(tmp_path / "beta-homepage.csv")]
    assert {r["variant"] for r in undo} == {""}


def test_dialects_that_were_never_run_say_so(tmp_path: Path) -> None:
    handoff(plan_of(), tmp_path)
    for engine in ENGINES:
        text = (tmp_path / f"assign.{engine}.sql").read_text()
        assert text.startswith("-- ") == (engine not in EXECUTED)
        assert ("never run" in text) == (engine not in EXECUTED)


def test_clickhouse_equals_python() -> None:
    chdb = pytest.importorskip("chdb")
    ids = [*(f"user-{i}" for i in range(300)), "jürgen", "日本", "o'neil", "a\\b"]
    for plan in (
        plan_of(),
        plan_of(salt="it's \\ x"),
        plan_of(rollout=[{"key": "a", "share": 0.4}, {"key": "b", "share": 1.0}]),
    ):
        quoted = [u.replace("\\", "\\\\").replace("'", "\\'") for u in ids]
        values = ",".join(f"('{u}',{i})" for i, u in enumerate(quoted))
        table = f"VALUES('distinct_id String, place Int32', {values})"
        found = str(chdb.query(f"SELECT {sql(plan, 'clickhouse')} FROM {table} ORDER BY place", "TSV")).splitlines()
        assert [None if v == "\\N" else v for v in found] == assignments(plan, ids).variants().tolist()
    with pytest.raises(Exception, match=r"12345\.0 is another id"):
        chdb.query(f"SELECT {sql(plan_of(), 'clickhouse')} FROM VALUES('distinct_id Float64', (1.0))", "TSV")


def test_text_that_a_dialect_replaces_and_names_that_it_folds() -> None:
    plan = plan_of(salt="price ${env:HOME} up")
    text = sql(plan, "spark")
    assert "${" not in text
    assert "concat('" in text
    assert "${env:HOME}" in sql(plan, "duckdb")
    assert '"DISTINCT_ID"' in sql(plan_of(), "snowflake")
    assert '"a"."Id x"' in sql(plan_of(), "postgres", column="a.Id x")
    assert '"A"."Id x"' in sql(plan_of(), "snowflake", column="a.Id x")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_write_what_a_receiver_takes(name: str, tmp_path: Path) -> None:
    plan = plan_of()
    ids = [f"user-{i}" for i in range(2_000)] + ["=1+1", "@home"]
    made = handoff(plan, tmp_path, unit_ids=ids, engines=(), **preset(name).options(plan.key))
    assert made.audiences is not None
    assert made.audiences.escaped == 0
    rows = {f.path.name: f.path.read_bytes().decode().split("\r\n")[:-1] for f in made.audiences.files}
    wanted = dict(zip(ids, assignments(plan, ids).variants().tolist(), strict=True))
    if name == "optimizely":
        lists = {next(iter(f.variants)): rows[f.path.name] for f in made.audiences.files}
        assert lists == {v: [i for i in ids if wanted[i] == v] for v in ("control", "beta")}
        assert all(f.size < 5_000_000 for f in made.audiences.files)
    else:
        ((head, *lines),) = rows.values()
        assert head == f"{preset(name).id},{plan.key.replace('-', '_')}"
        assert dict(line.split(",") for line in lines) == wanted
    small = handoff(
        plan, tmp_path / "small", unit_ids=ids, engines=(), **{**preset(name).options(plan.key), "max_bytes": 5_000}
    )
    assert len(small.audiences.files) > 2  # type: ignore[union-attr]
    assert max(f.size for f in small.audiences.files) <= 5_000  # type: ignore[union-attr]


def test_lists_of_ids_alone_say_their_variant_by_their_name(tmp_path: Path) -> None:
    with pytest.raises(AssignError, match="one for each variant"):
        write_audiences(plan_of(), LISTED, tmp_path, bare=True)
    with pytest.raises(AssignError, match="braze"):
        preset("brace")


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Any]:
    """Asks a MariaDB server of our own, from the system's packages: SQL to lines, or to the error."""
    server, client = shutil.which("mariadbd") or shutil.which("/usr/sbin/mariadbd"), shutil.which("mariadb")
    install = shutil.which("mariadb-install-db")
    if server is None or client is None or install is None:
        if os.environ.get("CI"):
            pytest.fail("MariaDB is not installed, and CI installs it: mariadb-server-core mariadb-client-core")
        pytest.skip("MariaDB is not installed")
    base = Path(server).resolve().parents[1]
    with tempfile.TemporaryDirectory(prefix="xpb-maria-") as folder:
        common = ["--no-defaults", f"--basedir={base}", f"--datadir={folder}/data"]
        who = ["--user=root"] if os.getuid() == 0 else []
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        normal = "--auth-root-authentication-method=normal"
        subprocess.run([install, *common, *who, normal, "--skip-test-db"], check=True, **quiet)
        socket = f"{folder}/s"
        running = subprocess.Popen([server, *common, *who, f"--socket={socket}", "--skip-networking"], **quiet)

        def ask(text: str) -> tuple[list[str], str]:
            command = [client, "--no-defaults", "-S", socket, "-u", "root", "-N", "--batch", "--default-character-set=utf8mb4"]
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            return done.stdout.splitlines(), done.stderr

        try:
            end = time.monotonic() + 60
            while ask("SELECT 1")[0] != ["1"] and time.monotonic() < end:
                time.sleep(0.2)
            ask("CREATE DATABASE t CHARACTER SET utf8mb4")
            yield ask
        finally:
            running.terminate()
            running.wait(30)


def test_mariadb_equals_python(mariadb: Any) -> None:
    ids = [*(f"user-{i}" for i in range(200)), "jürgen", "日本", "o'neil", "a\\b", "User-7", "user-7 ", "\U0001f600"]

    def select(plan: Any, kind: str, values: list[str]) -> tuple[list[str | None], str]:
        rows = ",".join(f"({v},{i})" for i, v in enumerate(values))
        text = f"USE t; CREATE OR REPLACE TABLE u (distinct_id {kind}, place INT); INSERT INTO u VALUES {rows};"
        lines, error = mariadb(f"{text} SELECT {sql(plan, 'mariadb')} FROM u ORDER BY place;")
        return [None if v == "NULL" else v for v in lines], error

    quoted = ["'" + u.replace("\\", "\\\\").replace("'", "\\'") + "'" for u in ids]
    for plan in (
        plan_of(),
        plan_of(salt="it's \\ süß"),
        plan_of(rollout=[{"key": "a", "share": 0.4}, {"key": "b", "share": 1.0}]),
        plan_of(overrides={"user-7": "beta", "user-8": "control"}),
    ):
        wanted = assignments(plan, ids).variants().tolist()
        for kind in ("VARCHAR(255)", "VARCHAR(255) COLLATE utf8mb4_bin", "VARBINARY(900)"):
            assert select(plan, kind, quoted) == (wanted, "")
    whole = list(range(1_000, 1_200))
    for kind in ("BIGINT", "DOUBLE"):
        found, _ = select(plan_of(), kind, [str(i) for i in whole])
        assert found == assignments(plan_of(), whole).variants().tolist()
    for kind, value in (("DOUBLE", "12345.5"), ("DECIMAL(12,2)", "12345")):
        assert "ERROR 1242" in select(plan_of(), kind, [value])[1]
    texts = ["12345.0", "1e5", "1.50"]
    found, _ = select(plan_of(), "VARCHAR(20)", [f"'{t}'" for t in texts] + ["NULL"])
    assert found == [*assignments(plan_of(), texts).variants().tolist(), None]
