"""Tokens over real sockets, on both ports: every way in, roles, namespaces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.support.access import (
    access_file,
    authenticate,
    base64url,
    by_header,
    by_message,
    by_subprotocol,
    token_of,
)
from tests.support.audio_signals import pcm16, silence, synthetic_speech
from tests.support.running_server import EVENT_LIMIT_S, Client, RunningServer, run_server
from tests.support.speech import pieces

SAID = pcm16(synthetic_speech(1.4)) + pcm16(silence(1.0))
Way = Callable[..., AbstractAsyncContextManager[Client]]
WAYS: list[Way] = [by_header, by_subprotocol, by_message]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    path = access_file(tmp_path)
    async with run_server(tmp_path, access_file=str(path), authenticate_s=1.0) as running:
        yield running


def urls(server: RunningServer) -> tuple[str, str]:
    return server.control_url, server.audio_url


async def refusal(url: str, **how: Any) -> tuple[int, str]:
    """The status and text that a handshake is answered with."""
    with pytest.raises(InvalidStatus) as raised:
        async with connect(url, **how):
            pass
    response = raised.value.response
    return response.status_code, (response.body or b"").decode()


async def until_closed(client: Client) -> None:
    async with asyncio.timeout(EVENT_LIMIT_S):
        async for message in client.socket:  # ends with 1000 and 1001, raises otherwise
            client.events.append(json.loads(message))
    raise AssertionError("closed as if all were well")


async def until_refused(client: Client) -> tuple[int, str]:
    """The code and reason that a connection is closed with."""
    with pytest.raises(ConnectionClosed) as raised:
        await until_closed(client)
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code, raised.value.rcvd.reason


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "query", "role"),
    [
        ("boss", "", "admin"),
        ("boss", "&role=viewer", "viewer"),
        ("desk", "", "speaker"),
        ("desk", "&role=viewer", "viewer"),
        ("screen", "", "viewer"),
        ("screen", "&role=speaker", "viewer"),
    ],
)
async def test_every_way_in_on_both_ports(
    server: RunningServer, way: Way, name: str, query: str, role: str
) -> None:
    for url in urls(server):
        async with way(url, token_of(name), f"?events=all&session=room{query}") as client:
            connected = await client.until("connected")
            assert (connected["role"], connected["session_id"]) == (role, "room")
            assert "token" not in json.dumps(connected)


async def test_nobody_comes_in_without_a_token(server: RunningServer) -> None:
    for url in urls(server):
        status, text = await refusal(url)
        assert status == HTTPStatus.UNAUTHORIZED
        assert "Authorization: Bearer" in text
        wrong = {"Authorization": f"Bearer {token_of('desk')}x"}
        assert (await refusal(url, additional_headers=wrong))[0] == HTTPStatus.UNAUTHORIZED
        basic = {"Authorization": "Basic dXNlcjpwYXNz"}
        assert (await refusal(url, additional_headers=basic))[0] == HTTPStatus.UNAUTHORIZED


async def test_a_token_in_the_address_is_refused_and_not_repeated(server: RunningServer) -> None:
    for url in urls(server):
        status, text = await refusal(f"{url}/?token={token_of('desk')}")
        assert status == HTTPStatus.BAD_REQUEST
        assert "does not belong in the address" in text
        assert token_of("desk") not in text


async def test_the_server_never_answers_the_token(server: RunningServer) -> None:
    offered = f"token.{base64url(token_of('desk'))}"
    for url in urls(server):
        async with by_subprotocol(url, token_of("desk")) as client:
            assert client.socket.subprotocol == "thai-asr"
        async with connect(url, subprotocols=[Subprotocol(offered)]) as socket:
            assert socket.subprotocol is None
            assert socket.response is not None
            assert offered not in str(socket.response.headers)


async def test_a_wrong_first_message_is_answered_and_closed(server: RunningServer) -> None:
    for first in (
        authenticate("guessed-token-0123456789", request_id="a1"),
        '{"type": "ping", "request_id": "a1"}',
    ):
        for url in urls(server):
            async with connect(f"{url}/?auth=message") as socket:
                await socket.send(first)
                client = Client(socket)
                assert await until_refused(client) == (4401, "unauthorised")
                [error] = client.events
                assert (error["code"], error["fatal"]) == ("unauthorised", True)
                assert error["request_id"] == "a1"


async def test_audio_as_first_message_is_no_token(server: RunningServer) -> None:
    async with connect(f"{server.audio_url}/?auth=message") as socket:
        await socket.send(b"\0" * 3_200)
        assert (await until_refused(Client(socket)))[0] == 4401


async def test_who_says_nothing_is_closed_in_time_and_hears_nothing(server: RunningServer) -> None:
    async with (
        connect(f"{server.audio_url}/?auth=message&events=all&session=room") as stranger,
        by_header(server.audio_url, token_of("desk"), "?session=room") as desk,
    ):
        for piece in pieces(SAID, 3_200):
            await desk.send(piece)
        assert (await desk.until("final_transcription"))["text"]
        client = Client(stranger)
        code, reason = await until_refused(client)
    assert (code, reason) == (4401, "no token came within 1 s")
    assert client.events == []


async def test_few_strangers_may_wait_at_once(server: RunningServer) -> None:
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(connect(f"{server.control_url}/?auth=message"))
            for _ in range(12)
        ]
        closed = await asyncio.gather(*(until_refused(Client(s)) for s in sockets))
    assert sorted(code for code, _ in closed) == [1013] * 4 + [4401] * 8


async def test_a_stranger_may_not_send_much(server: RunningServer) -> None:
    async with connect(f"{server.audio_url}/?auth=message") as socket:
        await socket.send(b"\0" * 65_537)
        assert (await until_refused(Client(socket)))[0] == 1009
    async with by_message(server.audio_url, token_of("desk"), "?events=all") as client:
        await client.until("connected")
        await client.send(b"\0" * 200_000)  # known, it may
        await client.send({"type": "audio_end", "request_id": "e"})
        await client.until("audio_end_ack")


async def test_guessing_is_slowed_down_also_for_who_then_knows(server: RunningServer) -> None:
    wrong = {"Authorization": "Bearer guessed-token-0123456789"}
    right = {"Authorization": f"Bearer {token_of('desk')}"}
    statuses = [(await refusal(server.audio_url, additional_headers=wrong))[0] for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert (await refusal(server.control_url, additional_headers=right))[0] == 429
    assert (await refusal(f"{server.control_url}/?auth=message"))[0] == 429


async def test_what_each_role_may_ask(server: RunningServer) -> None:
    changes: list[dict[str, Any]] = [
        {"type": "load_model", "model_id": "second"},
        {"type": "cancel_load", "model_id": "far"},
        {"type": "end_shadow", "model_id": "second", "keep": False},
        {"type": "update_config", "settings": {"speech_threshold": 0.4}},
    ]
    recording: list[dict[str, Any]] = [{"type": "start_recording"}, {"type": "stop_recording"}]
    for name, refused in (("screen", changes + recording), ("desk", changes)):
        async with by_header(server.control_url, token_of(name)) as client:
            for request in refused:
                error = await client.ask(request, "error")
                assert error["code"] == "forbidden"
                needed = "admin" if request in changes else "speaker"
                assert f"needs the role {needed}" in error["message"]
            for kind in ("get_status", "get_config", "get_models", "get_statistics", "ping"):
                await client.send({"type": kind, "request_id": kind})
            await client.until("pong")
    async with by_header(server.control_url, token_of("desk")) as client:
        assert (await client.ask(recording[0], "recording_state"))["state"] == "recording"
    async with by_header(server.control_url, token_of("boss")) as client:
        await client.ask(changes[3], "config_updated")
        assert (await client.ask(changes[0], "model_loaded"))["status"] == "success"


async def test_who_only_listens_sends_no_audio(server: RunningServer) -> None:
    async with by_header(server.audio_url, token_of("screen")) as client:
        await client.send(b"\0\0" * 1_000)
        assert (await client.until("error"))["code"] == "forbidden"


async def test_a_name_is_a_session_within_its_namespace(server: RunningServer) -> None:
    async with (
        by_header(server.control_url, token_of("screen"), "?session=a") as screen,
        by_message(server.control_url, token_of("court"), "?session=a") as court,
        by_subprotocol(server.audio_url, token_of("desk"), "?session=a") as desk,
    ):
        for client in (screen, court):
            assert (await client.until("connected"))["session_id"] == "a"
        for piece in pieces(SAID, 3_200):
            await desk.send(piece)
        final = await screen.until("final_transcription")
        assert final["text"] == (await desk.until("final_transcription"))["text"]
        assert final["session_id"] == "a"
        status = await court.ask({"type": "get_status"}, "server_status")
        assert (status["sessions"], status["recording_state"]) == (2, "idle")
        assert not [e for e in court.events if "transcription" in e["type"]]


async def test_models_are_news_for_every_namespace(server: RunningServer) -> None:
    async with (
        by_header(server.control_url, token_of("boss")) as boss,
        by_header(server.control_url, token_of("court")) as court,
    ):
        await boss.ask({"type": "load_model", "model_id": "second"}, "model_loaded")
        assert (await court.until("model_loaded"))["model_id"] == "second"


async def test_a_place_is_for_the_token_that_had_it(server: RunningServer) -> None:
    async with by_header(server.audio_url, token_of("desk"), "?resume=new&session=a") as client:
        connected = await client.until("connected")
        client.socket.transport.abort()
    resume = {"type": "resume", "resume_token": connected["resume_token"], "last_event_id": 0}
    for name, resumed in (("court", False), ("boss", False), ("desk", True)):
        async with by_message(server.audio_url, token_of(name), "?resume=back&session=a") as client:
            await client.send(resume)
            assert (await client.until("connected"))["resumed"] is resumed


async def test_no_token_and_no_network_is_among_the_settings(
    server: RunningServer, tmp_path: Path
) -> None:
    async with by_header(server.control_url, token_of("boss")) as client:
        config = await client.ask({"type": "get_config"}, "config")
    assert "drain_s" in config["settings"]
    assert not {"access_file", "tls_cert", "tls_key", "trusted_proxies"} & set(config["settings"])
    text = json.dumps(config)
    assert str(tmp_path) not in text
    assert not [name for name in ("boss", "desk") if token_of(name) in text]


async def test_without_tokens_every_way_in_leads_in(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        for way in WAYS:
            async with way(server.control_url, "any-token-0123456789") as client:
                assert (await client.until("connected"))["role"] == "speaker"
                request = {"type": "load_model", "model_id": "second"}
                await client.ask(request | {"request_id": "m"}, "model_loaded")
                await client.ask(request | {"model_id": "scripted"}, "model_loaded")
