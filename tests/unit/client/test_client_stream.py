from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable, Iterator

import pytest
import pytest_asyncio
from msgspec import UNSET
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError

from client import (
    AsrConnection,
    ClientError,
    ConnectionLostError,
    RequestFailedError,
    connect,
    stream,
)
from client.addresses import Addresses
from server import protocol
from server.flow_messages import Gap
from server.messages import ErrorEvent, Event, FinalTranscription, Notice
from server.peer import Port
from tests.support.fake_server import STREAM_ID, FakeServer, final, partial


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


def both(server: FakeServer) -> Addresses:
    return Addresses(server.control_url, server.audio_url)


async def rest_of(connection: AsrConnection) -> list[Event]:
    await connection.close()
    return [event async for event in connection]


def as_said(events: Iterable[Event]) -> list[Event]:
    """Without the numbers that the server gave them."""
    return [replace(e, event_id=UNSET) if hasattr(e, "event_id") else e for e in events]


async def test_audio_arrives_and_end_returns_after_every_final(server: FakeServer) -> None:
    server.before_ack = [partial("สวัส", "ส"), final("สวัสดีครับ")]
    async with connect(both(server)) as connection:
        await connection.send(b"\1\2")
        await connection.send(b"\3\4")
        await connection.end()
        events = await rest_of(connection)
    assert server.frames == [b"\1\2", b"\3\4"]
    assert as_said(events) == server.before_ack


async def test_what_both_ports_say_comes_once(server: FakeServer) -> None:
    ours = Notice(level="warning", code="no_speech", message="?", stream_id=STREAM_ID)
    lost = ErrorEvent(code="decode_failed", message="?", stream_id=STREAM_ID, utterance_id=2)
    gap = Gap(session_id="default", stream_id=STREAM_ID, start_ms=9, reason="?", message="?")
    server.before_ack = [final("หนึ่ง"), ours, lost, gap]
    async with connect(both(server)) as connection:
        await connection.end()
        await connection.status()  # the control port has said everything, too
        assert as_said(await rest_of(connection)) == server.before_ack


async def test_what_only_the_control_port_says_comes_too(server: FakeServer) -> None:
    async with connect(both(server)) as connection:
        notice = Notice(level="info", code="model", message="a better model is ready")
        server.say_on(Port.CONTROL, notice)
        assert await anext(connection) == notice


async def test_a_warning_of_both_connections_comes_once(server: FakeServer) -> None:
    """The server tells each port of its own end; the figures need not be equal."""
    ending = Notice(level="warning", code="session_ending", message="in 60 s", left_s=60.0)
    async with connect(both(server)) as connection:
        server.say_on(Port.CONTROL, replace(ending, message="in 59.9 s", left_s=59.9))
        server.say_on(Port.AUDIO, ending)
        await connection.end()
        await connection.status()
        assert await rest_of(connection) == [ending]


@pytest.mark.parametrize("port", list(Port))
async def test_a_warning_of_idleness_is_answered_and_not_shown(
    server: FakeServer, port: Port
) -> None:
    async with connect(both(server), role="viewer") as connection:
        server.say_on(port, Notice(level="warning", code="idle", message="?", left_s=60.0))
        await server.until(lambda: len(server.requests_of(protocol.Ping)) == 1)
        await connection.status()
        assert await rest_of(connection) == []


@pytest.mark.parametrize("code", [1001, 1012, 4032, 4401])
async def test_finals_that_come_behind_the_control_port_s_end_are_heard(
    server: FakeServer, code: int
) -> None:
    async with connect(both(server)) as connection:
        await server.hang_up(Port.CONTROL, code)
        server.say_on(Port.AUDIO, final("คำท้าย"))
        last = await anext(connection)
        assert isinstance(last, FinalTranscription)
        assert last.text == "คำท้าย"
        await server.hang_up(Port.AUDIO, code)
        with pytest.raises(ConnectionLostError, match=str(code)):
            await anext(connection)


async def test_who_is_sent_away_for_good_hears_its_last_finals_however_late(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FAREWELL_LIMIT_S", 0.01)
    async with connect(both(server)) as connection:
        await server.hang_up(Port.CONTROL, 4032)
        await asyncio.sleep(0.2)  # longer than a server is waited for that will be back
        server.say_on(Port.AUDIO, final("คำท้าย"))
        assert isinstance(await anext(connection), FinalTranscription)


async def test_a_server_that_leaves_one_port_open_is_left(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FAREWELL_LIMIT_S", 0.01)
    async with connect(both(server)) as connection:
        await server.hang_up(Port.CONTROL, 1012)
        with pytest.raises(ConnectionLostError, match="1012"):
            await anext(connection)


async def test_a_model_is_loaded_or_refused_with_its_code(server: FakeServer) -> None:
    server.load_errors["big"] = ErrorEvent(code="model_load_failed", message="too big")
    async with connect(both(server)) as connection:
        loaded = await connection.load_model("biodatlab-faster")
        assert loaded.model_id == "biodatlab-faster"
        assert (await connection.status()).current_model == "biodatlab-faster"
        with pytest.raises(RequestFailedError, match="too big") as raised:
            await connection.load_model("big")
    assert raised.value.code == "model_load_failed"


async def test_an_end_that_nobody_acknowledges_is_an_error(server: FakeServer) -> None:
    server.acknowledges.clear()
    async with connect(both(server)) as connection:
        with pytest.raises(ClientError, match="no answer to audio_end"):
            await connection.end(limit_s=0.01)


@pytest.mark.parametrize("port", list(Port))
async def test_a_lost_connection_is_told_after_what_was_received(
    server: FakeServer, port: Port
) -> None:
    async with connect(both(server)) as connection:
        server.say_on(Port.AUDIO, final("หนึ่ง"))
        assert isinstance(await anext(connection), FinalTranscription)
        await server.hang_up(port, 1011, "out of luck")
        with pytest.raises(ConnectionLostError, match="1011 out of luck"):
            await anext(connection)


async def test_a_lost_connection_fails_what_is_asked_and_sent(server: FakeServer) -> None:
    server.acknowledges.clear()
    async with connect(both(server)) as connection:
        ending = asyncio.create_task(connection.end())
        await server.until(lambda: bool(server.requests_of(protocol.AudioEnd)))
        await server.hang_up(Port.AUDIO, 1001, "the server is shutting down")
        with pytest.raises(ConnectionLostError, match="the server is shutting down"):
            await ending
        with pytest.raises(ConnectionLostError):
            await connection.send(b"\0\0")


class SlowServer(FakeServer):
    """Takes audio only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = asyncio.Semaphore(0)

    async def has_taken(self, count: int) -> None:
        await self.until(lambda: len(self.frames) == count)

    async def _on_message(self, port: Port, socket: ServerConnection, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self.takes.acquire()
        await super()._on_message(port, socket, message)


async def test_a_slow_server_holds_the_sender_back_within_two_windows_of_audio() -> None:
    block = bytes(2 * 16_000)  # 1 s
    sent = 0

    async def send_all(connection: AsrConnection) -> None:
        nonlocal sent
        while True:
            await connection.send(block)
            sent += 1

    async with SlowServer() as server, connect(both(server)) as connection:
        sending = asyncio.create_task(send_all(connection))
        for taken in range(1, 8):
            server.takes.release()
            await server.has_taken(taken)
            await connection.status()  # the client had its turn
            assert sent <= taken + 4
        assert sent >= 6  # of the seven that were taken, the last may not have returned yet
        sending.cancel()
        for _ in range(10):
            server.takes.release()


async def test_iterating_ends_with_the_audio_and_may_go_on(server: FakeServer) -> None:
    server.before_ack = [partial("สวัส"), final("สวัสดี")]
    async with connect(both(server)) as asr:
        await asr.send(b"\1\2")
        await asr.end()
        assert as_said([event async for event in asr]) == server.before_ack
        server.before_ack = [final("ครับ", utterance_id=2)]
        await asr.end()
        assert as_said([event async for event in asr]) == server.before_ack


async def test_transcribe_sends_all_and_gives_every_event(server: FakeServer) -> None:
    server.before_ack = [final("สวัสดี")]

    async def blocks() -> AsyncIterator[bytes]:
        yield b"\1\2"
        yield b"\3\4"

    async with connect(both(server)) as asr:
        assert as_said([event async for event in asr.transcribe(blocks())]) == server.before_ack
        assert as_said([event async for event in asr.transcribe([b"\5\6"])]) == server.before_ack
    assert server.audio == b"\1\2\3\4\5\6"


async def test_what_goes_wrong_in_the_audio_is_raised_behind_what_came(server: FakeServer) -> None:
    def broken() -> Iterator[bytes]:
        yield b"\1\2"
        raise OSError("the disk is gone")

    async with connect(both(server)) as asr:
        with pytest.raises(OSError, match="the disk is gone"):
            async for _ in asr.transcribe(broken()):
                pass


async def test_a_reader_that_comes_late_still_gets_every_final(server: FakeServer) -> None:
    """More events than are kept: partials give way, so that one task can send and then read."""
    server.before_ack = [
        event
        for number in range(200)
        for event in (partial("ก", utterance_id=number), final("กา", utterance_id=number))
    ]
    async with connect(both(server)) as asr:
        await asr.end(limit_s=10)
        finals = [event async for event in asr if isinstance(event, FinalTranscription)]
    assert len(finals) == 200


async def test_a_connection_lost_while_a_request_is_sent_leaves_nothing_behind(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with connect(both(server)) as connection:

        async def send_too_late(*_: object) -> None:
            await connection.close()
            raise ConnectionClosedError(None, None)

        monkeypatch.setattr(ClientConnection, "send", send_too_late)
        with pytest.raises(ConnectionLostError):
            await connection.status()
    gc.collect()
    assert told == []


async def test_a_connection_that_does_not_answer_is_lost_for_whoever_listens(
    server: FakeServer,
) -> None:
    server.acknowledges.clear()
    async with connect(both(server)) as connection:
        with pytest.raises(ConnectionLostError, match="no answer to audio_end"):
            await connection.end(0.05)
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionLostError, match="no answer to audio_end"):
                await anext(connection)
        server.acknowledges.set()
