"""What watches a server: its rules and its dashboard, and a real Prometheus for a while."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from tests.support.front import free_port, installed

DOCS = Path(__file__).resolve().parents[2] / "docs"
DASHBOARD = DOCS / "grafana" / "thai-asr.json"
CONFIG = DOCS / "prometheus" / "prometheus.yml"
ALERTS = DOCS / "prometheus" / "alerts.yml"
START_LIMIT_S = 30.0
POLL_S = 0.1
"""Prometheus tells nobody that it has scraped."""

NAME = re.compile(r"\b(?:thai_asr|process)_[a-z0-9_]+")
OF_HISTOGRAMS = re.compile(r"_(?:bucket|sum|count)$")


def dashboard() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return parsed


def dashboard_queries() -> list[str]:
    """Every expression, with Grafana's variables filled in."""
    return [
        target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]


def alerts() -> dict[str, str]:
    """Name to expression."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def metrics_in(queries: Iterator[str] | list[str]) -> set[str]:
    """Names of metrics; of a histogram the name without the ending of its series."""
    found = {name for query in queries for name in NAME.findall(query)}
    return {OF_HISTOGRAMS.sub("", name) for name in found} - {"thai_asr"}


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    url: str

    async def ask(self, path: str, **query: str) -> Any:
        """The `data` of an answer of its API.

        Raises AssertionError for one that is an error, OSError while Prometheus starts.
        """
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"

        def fetch() -> Any:
            try:
                with urllib.request.urlopen(url, timeout=20) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code == HTTPStatus.SERVICE_UNAVAILABLE:  # it is starting
                    raise
                return json.load(error)

        answered = await asyncio.to_thread(fetch)
        assert answered["status"] == "success", (query, answered)
        return answered["data"]

    async def values(self, query: str) -> dict[str, float]:
        """What a query gives now, by the values of the labels that are not Prometheus's own."""
        data = await self.ask("query", query=query)
        return {
            " ".join(
                value
                for label, value in sorted(each["metric"].items())
                if label not in ("__name__", "instance", "job")
            ): float(each["value"][1])
            for each in data["result"]
        }


@asynccontextmanager
async def prometheus(folder: Path, scraped_port: int) -> AsyncIterator[Prometheus]:
    """Prometheus with our configuration, asking that port every fifth of a second."""
    program = installed("prometheus", "prometheus")
    text = CONFIG.read_text(encoding="utf-8").replace("localhost:8765", f"127.0.0.1:{scraped_port}")
    config = folder / "prometheus.yml"
    config.write_text(text.replace("15s", "200ms"), encoding="utf-8")
    (folder / "alerts.yml").write_bytes(ALERTS.read_bytes())
    address = f"127.0.0.1:{free_port()}"
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        running = Prometheus(f"http://{address}")
        async with asyncio.timeout(START_LIMIT_S):
            while not await _up(running):
                assert process.returncode is None, (folder / "prometheus.log").read_text()
                await asyncio.sleep(POLL_S)
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _up(running: Prometheus) -> bool:
    """Whether it has scraped with success."""
    try:
        return await running.values("up") == {"": 1.0}
    except OSError:
        return False
