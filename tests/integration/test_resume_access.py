"""Places that are kept, and the tokens of those who come back to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.access import access_file, by_header, reload, token_of
from tests.support.audio_signals import pcm16, synthetic_speech
from tests.support.running_server import Client, RunningServer, run_server

SAID = pcm16(synthetic_speech(1.4))


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    async with run_server(tmp_path, access_file=str(access_file(tmp_path))) as running:
        yield running


async def cut_place(url: str, token: str, query: str) -> dict[str, Any]:
    """The greeting of a connection that was lost; its place is kept."""
    async with by_header(url, token, query) as client:
        connected = await client.until("connected")
        client.socket.transport.abort()
    return connected


async def reclaim(client: Client, connected: dict[str, Any]) -> dict[str, Any]:
    token = connected["resume_token"]
    resume = {"type": "resume", "resume_token": token, "last_event_id": 0}
    return await client.ask(resume, "connected")


@pytest.mark.parametrize("port", ["control", "audio"])
async def test_a_place_does_not_keep_the_role_of_a_token_that_was_replaced(
    server: RunningServer, tmp_path: Path, port: str
) -> None:
    url = server.control_url if port == "control" else server.audio_url
    connected = await cut_place(url, token_of("boss"), "?resume=new&session=a")
    assert connected["role"] == "admin"
    path = tmp_path / "access.toml"
    text = path.read_text().replace(token_of("boss"), "another-token-0123456789")
    path.write_text(text.replace('"admin"', '"viewer"'))
    await reload(server)
    query = "?resume=back&session=a"
    async with by_header(url, "another-token-0123456789", query) as client:
        again = await reclaim(client, connected)
        assert (again["resumed"], again["role"]) == (False, "viewer")


@pytest.mark.parametrize("change", [('"speaker"', '"viewer"'), ('"clinic"', '"court"')])
async def test_a_token_that_stands_for_something_else_gives_up_its_places(
    server: RunningServer, tmp_path: Path, change: tuple[str, str]
) -> None:
    """What was said is finished, as if its speaker did not come back."""
    path = tmp_path / "access.toml"
    async with by_header(server.control_url, token_of("boss"), "?session=a") as boss:
        async with by_header(server.audio_url, token_of("desk"), "?resume=new&session=a") as desk:
            connected = await desk.until("connected")
            await desk.send(SAID)
            await boss.until("speech_started")
            desk.socket.transport.abort()
        await boss.until("notice", lambda n: n["code"] == "speaker_away")
        before, _, desks = path.read_text().partition("[desk]")
        path.write_text(f"{before}[desk]{desks.replace(*change, 1)}")
        await reload(server)
        assert (await boss.until("final_transcription"))["text"]
        async with by_header(server.audio_url, token_of("desk"), "?resume=back&session=a") as desk:
            assert (await reclaim(desk, connected))["resumed"] is False


async def test_a_reload_leaves_the_places_of_the_others(
    server: RunningServer, tmp_path: Path
) -> None:
    connected = await cut_place(server.audio_url, token_of("desk"), "?resume=new&session=a")
    path = tmp_path / "access.toml"
    path.write_text(path.read_text().replace("court-token", "other-token"))
    await reload(server)
    async with by_header(server.audio_url, token_of("desk"), "?resume=back") as desk:
        assert (await reclaim(desk, connected))["resumed"] is True


async def test_a_client_whose_token_goes_and_that_ignores_the_close_keeps_no_place(
    server: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "access.toml"
    text = path.read_text()
    async with by_header(server.audio_url, token_of("desk"), "?resume=new&session=a") as desk:
        connected = await desk.until("connected")
        desk.socket.transport.pause_reading()
        path.write_text(text.replace("desk-token", "other-token"))
        await reload(server)
        desk.socket.transport.abort()
    path.write_text(text)
    await reload(server)
    async with by_header(server.audio_url, token_of("desk"), "?resume=back&session=a") as desk:
        assert (await reclaim(desk, connected))["resumed"] is False


async def test_who_comes_back_as_a_viewer_only_listens(server: RunningServer) -> None:
    query = "?resume=new&session=a"
    connected = await cut_place(server.control_url, token_of("boss"), query)
    back = "?resume=back&role=viewer"
    async with by_header(server.control_url, token_of("boss"), back) as boss:
        again = await reclaim(boss, connected)
        assert (again["resumed"], again["role"]) == (True, "viewer")
        error = await boss.ask({"type": "stop_recording"}, "error")
        assert error["code"] == "forbidden"
    async with by_header(server.audio_url, token_of("desk"), query) as desk:
        connected = await desk.until("connected")
        await desk.send(SAID)
        await desk.until("speech_started")
        desk.socket.transport.abort()
    async with by_header(server.audio_url, token_of("desk"), back) as desk:
        again = await reclaim(desk, connected)
        assert (again["resumed"], again["role"]) == (True, "viewer")
        assert (await desk.until("final_transcription"))["text"], "what it said is finished"
        await desk.send(SAID)
        assert (await desk.until("error"))["code"] == "forbidden"


async def test_a_viewers_place_never_becomes_a_speakers(server: RunningServer) -> None:
    query = "?resume=new&session=a&role=viewer"
    connected = await cut_place(server.audio_url, token_of("desk"), query)
    async with by_header(server.audio_url, token_of("desk"), "?resume=back") as desk:
        again = await reclaim(desk, connected)
        assert (again["resumed"], again["role"]) == (True, "viewer")
