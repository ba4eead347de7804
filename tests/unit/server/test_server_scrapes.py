"""Who gets the metrics, and where: over real sockets."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from server.listener import ListenError
from server.networks import parse_networks
from server.scrapes import may_scrape
from tests.support.access import access_file, token_of
from tests.support.front import free_port
from tests.support.running_server import run_server


@pytest.mark.parametrize(
    ("whom", "remote", "headers", "may"),
    [
        ("local", "127.0.0.1", {}, True),
        ("local", "::1", {}, True),
        ("local", "10.1.2.3", {}, False),
        ("local", "", {}, False),
        ("local", "127.0.0.1", {"x-forwarded-for": "10.1.2.3"}, False),
        ("local", "127.0.0.1", {"forwarded": "for=10.1.2.3"}, False),
        ("local", "127.0.0.1", {"via": "1.1 proxy"}, False),
        ("local", "::ffff:127.0.0.1", {}, True),
        ("all", "10.1.2.3", {"x-forwarded-for": "10.1.2.4"}, True),
        ("off", "127.0.0.1", {}, False),
    ],
)
def test_who_may_scrape(whom: str, remote: str, headers: dict[str, str], may: bool) -> None:
    assert may_scrape(whom, remote, headers) is may


def test_a_trusted_proxy_at_this_machine_is_nobody_at_this_machine() -> None:
    """Whether it says for whom it asks or not; there may be others that are no proxies."""
    proxies = parse_networks("trusted_proxies", "127.0.0.1")
    assert not may_scrape("local", "127.0.0.1", {}, proxies)
    assert may_scrape("local", "::1", {}, proxies)
    assert may_scrape("all", "127.0.0.1", {}, proxies)


async def status_of(url: str, **headers: str) -> int:
    """With headers whose names have underscores for hyphens."""
    asked = urllib.request.Request(
        url, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )

    def ask() -> int:
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            return error.code

    return await asyncio.to_thread(ask)


@pytest.mark.asyncio
async def test_from_elsewhere_only_an_admin_reads_them(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "access_file": str(access_file(tmp_path)),
        "trusted_proxies": "127.0.0.1",
    }
    async with run_server(tmp_path, **changes) as server:
        url = f"{server.page_url}/metrics"
        assert await status_of(url) == 403  # it may be the proxy that asks
        boss = f"Bearer {token_of('boss')}"
        assert await status_of(url, Authorization=boss) == 200
        elsewhere = "10.1.2.3"
        for name, status in (("boss", 200), ("desk", 403), ("screen", 403)):
            bearer = f"Bearer {token_of(name)}"
            found = await status_of(url, X_Forwarded_For=elsewhere, Authorization=bearer)
            assert found == status, name
        assert await status_of(url, X_Forwarded_For=elsewhere) == 403
        for _ in range(10):
            await status_of(url, X_Forwarded_For=elsewhere, Authorization="Bearer guess")
        right = f"Bearer {token_of('boss')}"
        assert await status_of(url, X_Forwarded_For=elsewhere, Authorization=right) == 403, (
            "who guesses must wait"
        )


@pytest.mark.asyncio
async def test_they_can_be_turned_off(tmp_path: Path) -> None:
    async with run_server(tmp_path, metrics="off") as server:
        assert await status_of(f"{server.page_url}/metrics") == 403


@pytest.mark.asyncio
async def test_a_port_of_their_own_has_them_and_nothing_else(tmp_path: Path) -> None:
    number = free_port()
    changes: dict[str, Any] = {"metrics_port": number, "trusted_proxies": "127.0.0.1"}
    async with run_server(tmp_path, **changes) as server:
        own = f"http://127.0.0.1:{number}"
        assert await status_of(f"{own}/metrics") == 200
        for path in ("/", "/readyz", "/ws/control"):
            assert await status_of(f"{own}{path}") == 404
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        assert await status_of(f"{own}/ws/control", **upgrade) == 404
        assert await status_of(f"{server.page_url}/metrics") == 404
        with pytest.raises(ListenError, match=f"cannot open metrics port {number}"):
            async with run_server(tmp_path, metrics_port=number):
                pass
