"""A server's metrics as Prometheus reads them."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Sequence

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.running_server import RunningServer


async def families(server: RunningServer) -> Sequence[Metric]:
    """Everything of one scrape."""

    def fetch() -> str:
        with urllib.request.urlopen(f"{server.page_url}/metrics", timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            return str(answer.read().decode())

    return list(text_string_to_metric_families(await asyncio.to_thread(fetch)))


async def samples(server: RunningServer) -> dict[str, float]:
    """Sample name, with its labels' values, to value."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in await families(server)
        for sample in family.samples
    }
