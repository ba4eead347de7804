"""docs/monitoring.md, the dashboard and the alerts, held against a real server and Prometheus."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.front import free_port
from tests.support.running_server import RunningServer, run_server
from tests.support.scraping import families
from tests.support.speech import pcm16, utterances

DOCS = Path(__file__).resolve().parents[2] / "docs"
DASHBOARD = DOCS / "grafana" / "thai-asr.json"
RULES = DOCS / "prometheus_alerts.yml"
OURS = re.compile(r"\b(?:thai_asr|process|python)_[a-z0-9_]+")
HISTOGRAM_PARTS = ("_bucket", "_count", "_sum")
START_LIMIT_S = 60.0


async def exported(tmp_path: Path) -> set[str]:
    """The names that queries may use."""
    async with run_server(tmp_path) as server:
        names = set()
        for family in await families(server):
            if not family.name.endswith("_created"):
                names |= {family.name, *(s.name for s in family.samples)}
                names |= {f"{family.name}_total"} if family.type == "counter" else set()
                if family.type == "histogram":
                    names |= {family.name + part for part in HISTOGRAM_PARTS}
        return names


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return read


def expressions() -> Iterator[str]:
    """Every query of the dashboard and of the alerts."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


async def test_queries_ask_for_what_there_is(tmp_path: Path) -> None:
    names = await exported(tmp_path)
    asked = {name for expression in expressions() for name in OURS.findall(expression)}
    assert len(asked) > 30
    assert asked <= names, asked - names


async def test_the_table_has_every_metric_and_no_other(tmp_path: Path) -> None:
    text = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    told = {n for n in OURS.findall(text) if n.startswith("thai_asr_")}
    async with run_server(tmp_path) as server:
        there = {
            family.name + ("_total" if family.type == "counter" else "")
            for family in await families(server)
            if family.name.startswith("thai_asr_") and not family.name.endswith("_created")
        }
    there = {f"{n}_info" if n == "thai_asr_model" else n for n in there}
    assert told == there


def test_the_alerts_are_explained() -> None:
    text = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    assert re.findall(r"^\| `(ThaiAsr\w+)`", text, re.M) == [r["alert"] for r in group["rules"]]


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    """What Grafana's dashboard schema asks of a dashboard, its variables and its panels."""
    board = dashboard()
    assert board["schemaVersion"] >= 36
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", board["uid"])
    variables = {v["name"]: v["type"] for v in board["templating"]["list"]}
    assert variables == {"source": "datasource", "instance": "query"}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${source}"
            refs = [target["refId"] for target in panel["targets"]]
            assert refs
            assert len(set(refs)) == len(refs)


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (Debian, Ubuntu: apt install prometheus)")
    return found


@pytest.mark.parametrize("what", [("rules", RULES), ("config", DOCS / "prometheus.yml")])
def test_prometheus_takes_the_files(what: tuple[str, Path]) -> None:
    done = subprocess.run(
        [program("promtool"), "check", what[0], what[1]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def prometheus(tmp_path: Path, server: RunningServer) -> AsyncIterator[str]:
    """Debian's Prometheus with the shipped files, reading this server often; its address."""
    shipped = (DOCS / "prometheus.yml").read_text(encoding="utf-8")
    config = shipped.replace("localhost:8765", f"127.0.0.1:{server.app.ports.control}")
    (tmp_path / "prometheus.yml").write_text(config.replace("15s", "1s"), encoding="utf-8")
    shutil.copy(RULES, tmp_path)
    url = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        program("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={url}",
        "--log.level=error",
    )
    try:
        yield f"http://{url}"
    finally:
        process.terminate()
        await process.wait()


async def query(url: str, expression: str) -> list[float]:
    """The values of an expression now; none while Prometheus does not answer."""

    def fetch() -> Any:
        address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)

    try:
        answer = await asyncio.to_thread(fetch)
    except OSError:
        return []
    return [float(result["value"][1]) for result in answer["data"]["result"]]


async def until(url: str, expression: str, wanted: float) -> None:
    values: list[float] = []
    async with asyncio.timeout(START_LIMIT_S):
        while values != [wanted]:
            await asyncio.sleep(0.2)  # it is asked by HTTP, and tells nobody
            values = await query(url, expression)


async def test_prometheus_sees_what_is_said(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path) as server,
        prometheus(tmp_path, server) as url,
        server.audio() as audio,
    ):
        await until(url, 'up{job="thai_asr"}', 1.0)
        await audio.send(pcm16(utterances(1.0, 1.2)))
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        await until(url, "thai_asr_finals_total", 2.0)
        await until(url, "thai_asr_final_latency_seconds_count", 2.0)
        assert await query(url, "thai_asr_ready") == [1.0]
        for expression in expressions():
            asked = expression.replace("$__rate_interval", "1m").replace("$instance", ".*")
            await query(url, asked)  # raises where Prometheus does not understand it
        assert await query(url, 'ALERTS{alertstate="firing"}') == []
