"""Who is not known yet, left at once, or is away: none of them keeps others out, over sockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from asr.engine import TrialTime
from asr.scripted_engine import ScriptedEngine
from tests.support.access import access_file, authenticate, by_header, by_message, token_of
from tests.support.resuming import ResumingClient
from tests.support.running_server import Client, RunningServer, ScriptedModels, run_server
from tests.support.server_status import open_when_free, status_of, until_status

LIMIT_S = 10.0
STRANGER = "?auth=message"


def costly_models() -> ScriptedModels:
    """Two workers, of which five seconds of speech take one: eight who may speak are enough."""
    return ScriptedModels(
        lambda spec: ScriptedEngine(
            spec.id, workers=2, max_batch=4, trial=lambda _: TrialTime(wall_s=1.0, cpu_s=1.0)
        )
    )


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_of(name)}"}


async def closed_with(client: Client) -> tuple[int, str]:
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(ConnectionClosed) as closed:
            await client.until("nothing")
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def come_from(stack: AsyncExitStack, url: str, remote: str) -> ClientConnection:
    """A connection through a proxy."""
    headers = {"X-Forwarded-For": remote}
    return await stack.enter_async_context(connect(url, additional_headers=headers))


async def cut_ones(server: RunningServer, count: int) -> list[ResumingClient]:
    """Speakers whose connections were lost, one after the other, and who may come back."""
    async with server.control("?role=viewer") as control:
        clients = []
        for number in range(count):
            client = ResumingClient(server.audio_url, f"&session=cut{number}")
            await client.connect()
            client.cut()
            await until_status(control, lambda status: bool(status["clients"] == 1))
            clients.append(client)
        return clients


async def test_strangers_and_those_who_left_take_no_room_from_speakers(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            run_server(tmp_path, costly_models(), access_file=str(access_file(tmp_path)))
        )
        for number in range(30):
            socket = await stack.enter_async_context(connect(f"{server.audio_url}/{STRANGER}"))
            if number % 2:
                socket.transport.abort()
        async with by_header(server.audio_url, token_of("desk")) as speaker:
            await speaker.until("connected")
        for _ in range(30):  # flaky, and known
            socket = await open_when_free(server.audio_url, additional_headers=bearer("desk"))
            socket.transport.abort()
        control = await stack.enter_async_context(by_header(server.control_url, token_of("boss")))
        assert (await status_of(control))["admission"] == "admitting"


async def test_strangers_are_no_streams(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            run_server(tmp_path, access_file=str(access_file(tmp_path)), max_streams=2)
        )
        control = await stack.enter_async_context(by_header(server.control_url, token_of("boss")))
        for _ in range(20):  # more than may wait to say who they are
            await stack.enter_async_context(connect(f"{server.audio_url}/{STRANGER}"))
        assert (await status_of(control))["limits_reached"] == []
        async with by_header(server.audio_url, token_of("desk")) as speaker:
            await speaker.until("connected")


async def test_whose_token_was_a_message_counts_at_once_and_is_told_what_is_full(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            run_server(tmp_path, access_file=str(access_file(tmp_path)), max_streams=1)
        )
        control = await stack.enter_async_context(by_header(server.control_url, token_of("boss")))
        waiting = await stack.enter_async_context(connect(f"{server.audio_url}/{STRANGER}"))
        first = await stack.enter_async_context(by_message(server.audio_url, token_of("desk")))
        await first.until("connected")
        assert (await status_of(control))["limits_reached"] == ["too_many_streams"]
        with pytest.raises(InvalidStatus):
            await connect(
                server.audio_url,
                additional_headers=bearer("desk"),
            )
        await waiting.send(authenticate(token_of("desk")))
        assert await closed_with(Client(waiting)) == (1013, "too_many_streams; try again later")
        async with by_message(server.audio_url, token_of("screen")) as viewer:
            await viewer.until("connected")  # it only listens
        await first.socket.close()
        await until_status(control, lambda status: status["limits_reached"] == [])
        async with by_message(server.audio_url, token_of("court")) as again:
            await again.until("connected")


async def test_whose_token_was_a_message_is_told_that_there_is_no_room(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            run_server(tmp_path, costly_models(), access_file=str(access_file(tmp_path)))
        )
        speakers = 0
        while (told := await said_first(stack, server)) == "connected":
            speakers += 1
        assert told == "1013 overloaded; try again later"
        assert 2 <= speakers <= 10


async def said_first(stack: AsyncExitStack, server: RunningServer) -> str:
    """What one more speaker hears first, or how its connection is closed."""
    speaker = await stack.enter_async_context(by_message(server.audio_url, token_of("desk")))
    try:
        return str((await speaker.until("connected"))["type"])
    except ConnectionClosed:
        return f"{speaker.socket.close_code} {speaker.socket.close_reason}"


async def test_an_admin_who_may_speak_is_a_stream(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"access_file": str(access_file(tmp_path)), "max_streams": 1}
    async with (
        run_server(tmp_path, **changes) as server,
        by_header(server.audio_url, token_of("boss")),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.audio_url, additional_headers=bearer("boss"))
        assert refused.value.response.status_code == 503


async def test_who_comes_back_counts_in_the_session_of_its_place(tmp_path: Path) -> None:
    """Through a network each has a session of its own, whose name it need not know."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            run_server(tmp_path, trusted_proxies="127.0.0.1", max_sessions=3)
        )
        first = await come_from(stack, f"{server.audio_url}/?resume=new", "203.0.113.5")
        greeting = json.loads(await first.recv())
        first.transport.abort()
        back = await come_from(stack, f"{server.audio_url}/?resume=back", "203.0.113.5")
        await back.send(json.dumps({"type": "resume", "resume_token": greeting["resume_token"]}))
        again = json.loads(await back.recv())
        assert (again["resumed"], again["session_id"]) == (True, greeting["session_id"])
        for name in ("a", "b"):
            await come_from(stack, f"{server.control_url}/?session={name}", "203.0.113.5")
        with pytest.raises(InvalidStatus):
            await come_from(stack, f"{server.control_url}/?session=c", "203.0.113.5")


async def test_a_network_of_ipv6_is_one_address(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            run_server(tmp_path, trusted_proxies="127.0.0.1", max_connections_per_address=3)
        )
        for number in range(3):
            await come_from(stack, server.control_url, f"2001:db8::{number}")
        with pytest.raises(InvalidStatus) as refused:
            await come_from(stack, server.control_url, "2001:db8::ffff")
        assert refused.value.response.status_code == 429
        await come_from(stack, server.control_url, "2001:db8:0:1::1")


async def test_a_network_of_ipv6_does_not_fill_the_lobby(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            run_server(
                tmp_path, trusted_proxies="127.0.0.1", access_file=str(access_file(tmp_path))
            )
        )
        url = f"{server.control_url}/{STRANGER}"
        for number in range(64):
            await come_from(stack, url, f"2001:db8::{number // 8}")
        other = await come_from(stack, url, "2001:db8:0:1::1")
        await other.send(authenticate(token_of("desk")))
        await Client(other).until("connected")


async def test_a_kept_place_counts_for_its_address_until_its_client_is_back(
    tmp_path: Path,
) -> None:
    async with run_server(tmp_path, max_connections_per_address=3) as server:
        clients = await cut_ones(server, 2)
        async with server.control() as control:
            assert (await status_of(control))["limits_reached"] == ["too_many_from_address"]
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.audio_url)
            assert refused.value.response.status_code == 429
            for client in clients:
                await client.connect()
                assert client.resumed
                await client.socket.close()
            await until_status(control, lambda status: status["limits_reached"] == [])


async def test_kept_streams_beyond_the_share_of_their_address_give_way(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(run_server(tmp_path, max_streams=2))
        longest, last = await cut_ones(server, 2)
        newcomer = await stack.enter_async_context(server.audio())
        await newcomer.until("connected")
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.audio_url)  # one kept stream is within the share
        assert refused.value.response.status_code == 503
        await last.connect()
        assert last.resumed
        with pytest.raises(ConnectionClosed) as closed:
            await longest.connect()  # its place is gone, and there is no other
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.reason == "too_many_streams; try again later"
        await last.socket.close()
