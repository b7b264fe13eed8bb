"""Real Spark sessions of every kind: in one process, one process each, a standalone cluster, a Connect server.

    python -m tests.data.spark_sessions URL LOG

runs the golden plan on a session of that kind and prints what it found as JSON; without LOG it reads a slow log, stops with
Ctrl-C and prints how that went. A session of its own process is needed:
one process can't hold a classic session and a Connect session.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

LOCAL = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",  # compiling costs more than these few rows
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.session.timeZone": "America/New_York",  # results must not depend on it
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}


def session(url: str, **settings: str) -> Any:
    """A session on a master (`local[*]`, `local-cluster[…]`, `spark://…`) or a Connect server (`sc://…`)."""
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    if url.startswith("sc://"):
        connected = builder.remote(url).getOrCreate()
        for key in ("spark.sql.session.timeZone", "spark.sql.shuffle.partitions"):
            connected.conf.set(key, LOCAL[key])
        return connected
    builder = builder.master(url)
    for key, value in {**LOCAL, **settings}.items():
        builder = builder.config(key, value)
    classic = builder.getOrCreate()
    classic.sparkContext.setLogLevel("OFF")
    return classic


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def environment() -> dict[str, str]:
    import pyspark

    home = str(Path(pyspark.__file__).parent)
    more = {"SPARK_HOME": home, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    return {**{k: v for k, v in os.environ.items() if k not in ("SPARK_REMOTE", "MASTER")}, **more}


@contextmanager
def daemon(folder: Path, name: str, arguments: list[str], ready: str) -> Iterator[None]:
    """A Java program of the pip package, until its log says that it is ready; stopped at the end."""
    command = [str(Path(environment()["SPARK_HOME"]) / "bin" / "spark-class"), *arguments]
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment(), cwd=folder)
    try:
        for _ in range(4000):
            if ready in log.read_text(errors="replace"):
                break
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)
        else:
            raise TimeoutError(log.read_text(errors="replace")[-2000:])
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """A master and a worker with two cores on this machine; their URL."""
    port = free_port()
    url = f"spark://127.0.0.1:{port}"
    deploy = "org.apache.spark.deploy"
    master = [f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    worker = [f"{deploy}.worker.Worker", "--host", "127.0.0.1", "--cores", "2", "--memory", "1g", "--webui-port", "0"]
    worker += ["--work-dir", str(folder / "work"), url]
    with ExitStack() as stack:
        stack.enter_context(daemon(folder, "master", master, "I have been elected leader"))
        stack.enter_context(daemon(folder, "worker", worker, "Successfully registered with master"))
        yield url


@contextmanager
def connect(folder: Path) -> Iterator[str]:
    """A Connect server on this machine; its URL."""
    port = free_port()
    settings = {**LOCAL, "spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": str(port)}
    options = [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    server = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]", *options]
    with daemon(folder, "connect", ["org.apache.spark.deploy.SparkSubmit", *server, "spark-internal"], "server started"):
        yield f"sc://127.0.0.1:{port}"


def golden(url: str, path: Path) -> dict[str, Any]:
    """What a session makes of the golden log: whole numbers by variant and metric, and the summary."""
    import xpbench as xp
    from tests.data.logs import golden_plan
    from tests.data.test_oracle import NAMES, PLAN, sums

    spark = session(url)
    try:
        table = spark.read.parquet(str(path))
        stages: list[list[Any]] = []
        source = xp.events(table, until="2026-01-12", slices=("segment", "day", "age"))
        summary = source.summarize(golden_plan(), progress=lambda s: stages.append([s.name, s.rows, s.seconds]))
        units = xp.events(table, slices=()).unit_table(PLAN).to_pylist()
        return {
            "integers": sums(units, NAMES),
            "summary": summary.to_dict(),
            "stages": stages,
            "session": f"{type(spark).__module__} {spark.version}",
        }
    finally:
        spark.stop()


def slow_log(spark: Any) -> Any:
    """A log whose 2,000 rows take 50 ms each."""
    return spark.range(2000).selectExpr(
        "CASE WHEN id % 3 = 0 THEN '$experiment_started' ELSE 'buy' END AS event",
        "concat('u', id % 100) AS distinct_id",
        "id + 1767225600 + length(coalesce(reflect('java.lang.Thread', 'sleep', 50L), '')) AS time",
        "'t' AS `Experiment name`",
        "CASE WHEN id % 2 = 0 THEN 'a' ELSE 'b' END AS `Variant name`",
    )


def interrupted(url: str) -> dict[str, Any]:
    """Ctrl-C while a job runs: what it raises, after how long, and how long the next query takes on the same session."""
    import xpbench as xp
    from tests.data.logs import METRICS, plan_of

    spark = session(url)
    sent: list[float] = []

    def press() -> None:
        time.sleep(3)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    raised = ""
    try:
        spark.range(10).count()  # started, connected and warm
        threading.Thread(target=press, daemon=True).start()
        try:
            xp.events(slow_log(spark), slices=()).summarize(plan_of(METRICS[:1]))
        except BaseException as error:  # noqa: BLE001 - what it is, is the question
            raised = type(error).__name__
        over = time.perf_counter()
        spark.range(10, numPartitions=2).count()
        return {
            "raised": raised,
            "seconds": over - sent[0],
            "next": time.perf_counter() - over,
            "tags": sorted(spark.getTags()),
        }
    finally:
        spark.stop()


def apart(url: str, *path: Path) -> dict[str, Any]:
    """`golden`, or `interrupted` without a log, in a process of its own."""
    command = [sys.executable, "-m", "tests.data.spark_sessions", url, *map(str, path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), cwd=ROOT, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    print(json.dumps(golden(sys.argv[1], Path(sys.argv[2])) if sys.argv[2:] else interrupted(sys.argv[1])))  # noqa: T201
