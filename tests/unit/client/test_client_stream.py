from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection

from client.addresses import Addresses, resolve
from client.stream import (
    AsrConnection,
    ClientError,
    ConnectError,
    ConnectionLostError,
    RequestFailedError,
    connect,
)
from server import protocol
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


@pytest.mark.asyncio
async def test_both_ports_join_one_session(server: FakeServer) -> None:
    addresses = Addresses(server.control_url, None)  # the audio port comes from `connected`
    async with connect(addresses, session="room", speaker="Nok") as connection:
        configured = await connection.configure(48_000, channels=2)
        assert connection.connected.session_id == "room"
    assert connection.stream_ids == (STREAM_ID,)
    assert (configured.sample_rate, configured.channels) == (48_000, 2)
    [control], [audio] = server.addresses[Port.CONTROL], server.addresses[Port.AUDIO]
    assert (control.session, audio.session) == ("room", "room")
    assert (audio.speaker, audio.every_event) == ("Nok", True)


@pytest.mark.asyncio
async def test_audio_arrives_and_end_returns_after_every_final(server: FakeServer) -> None:
    server.before_ack = [partial("สวัส", "ส"), final("สวัสดีครับ")]
    async with connect(both(server)) as connection:
        await connection.send(b"\1\2")
        await connection.send(b"\3\4")
        await connection.end()
        events = await rest_of(connection)
    assert server.frames == [b"\1\2", b"\3\4"]
    assert events == server.before_ack


@pytest.mark.asyncio
async def test_what_both_ports_say_comes_once(server: FakeServer) -> None:
    ours = Notice(level="warning", code="no_speech", message="?", stream_id=STREAM_ID)
    lost = ErrorEvent(code="decode_failed", message="?", stream_id=STREAM_ID, utterance_id=2)
    server.before_ack = [final("หนึ่ง"), ours, lost]
    async with connect(both(server)) as connection:
        await connection.end()
        await connection.status()  # the control port has said everything, too
        assert await rest_of(connection) == server.before_ack


@pytest.mark.asyncio
async def test_what_only_the_control_port_says_comes_too(server: FakeServer) -> None:
    async with connect(both(server)) as connection:
        notice = Notice(level="info", code="model", message="a better model is ready")
        server.say_on(Port.CONTROL, notice)
        assert await anext(connection) == notice


@pytest.mark.asyncio
async def test_a_model_is_loaded_or_refused_with_its_code(server: FakeServer) -> None:
    server.load_errors["big"] = ErrorEvent(code="model_load_failed", message="too big")
    async with connect(both(server)) as connection:
        loaded = await connection.load_model("biodatlab-faster")
        assert loaded.model_id == "biodatlab-faster"
        assert (await connection.status()).current_model == "biodatlab-faster"
        with pytest.raises(RequestFailedError, match="too big") as raised:
            await connection.load_model("big")
    assert raised.value.code == "model_load_failed"


@pytest.mark.asyncio
async def test_an_end_that_nobody_acknowledges_is_an_error(server: FakeServer) -> None:
    server.acknowledges.clear()
    async with connect(both(server)) as connection:
        with pytest.raises(ClientError, match="no answer to audio_end"):
            await connection.end(limit_s=0.01)


@pytest.mark.asyncio
@pytest.mark.parametrize("port", list(Port))
async def test_a_lost_connection_is_told_after_what_was_received(
    server: FakeServer, port: Port
) -> None:
    async with connect(both(server)) as connection:
        await connection.configure(16_000)
        server.say_on(Port.AUDIO, final("หนึ่ง"))
        assert isinstance(await anext(connection), FinalTranscription)
        await server.hang_up(port, 1011, "out of luck")
        with pytest.raises(ConnectionLostError, match="1011 out of luck"):
            await anext(connection)


@pytest.mark.asyncio
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


@pytest.mark.asyncio
async def test_no_server_is_explained(server: FakeServer) -> None:
    gone = both(server)
    await server.close()
    with pytest.raises(ConnectError) as raised:
        async with connect(gone):
            pass
    assert "Make sure the server is running on ports" in str(raised.value)


@pytest.mark.asyncio
async def test_a_refused_name_comes_with_the_server_s_reason(server: FakeServer) -> None:
    with pytest.raises(ConnectError, match="HTTP 400: session is 1 to 64 letters"):
        async with connect(both(server), session="two words"):
            pass


@pytest.mark.asyncio
async def test_the_audio_port_is_no_control_port(server: FakeServer) -> None:
    with pytest.raises(ConnectError, match=r"did not greet in 0\.01 s; is it the audio port"):
        async with connect(Addresses(server.audio_url, server.audio_url), greeting_limit_s=0.01):
            pass


@pytest.mark.asyncio
async def test_an_audio_address_that_leads_nowhere_is_told_with_what_was_tried() -> None:
    addresses = resolve("ws://localhost:2", None)
    with pytest.raises(ConnectError) as raised:
        async with connect(addresses):
            pass
    told = str(raised.value)
    assert "--url is the audio port (default: ws://localhost:8766)" in told
    assert "From ws://localhost:2 the control port was taken to be ws://localhost:1;" in told


class CloseCodes(FakeServer):
    """Remembers how its clients left."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[int | None] = []

    async def _serve(self, port: Port, socket: ServerConnection) -> None:
        await super()._serve(port, socket)
        async with self.arrived:
            self.codes.append(socket.close_code)
            self.arrived.notify_all()


@pytest.mark.asyncio
async def test_a_client_that_fails_says_goodbye_like_any_other() -> None:
    async with CloseCodes() as server:
        with pytest.raises(ValueError, match="of the client"):
            async with connect(both(server)):
                raise ValueError("a failure of the client")
        await server.until(lambda: len(server.codes) == 2)
    assert server.codes == [1000, 1000]


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


@pytest.mark.asyncio
async def test_a_slow_server_holds_the_sender_back_within_two_windows_of_audio() -> None:
    block = bytes(2 * 16_000)  # 1 s
    sent = 0

    async def send_all(connection: AsrConnection) -> None:
        nonlocal sent
        while True:
            await connection.send(block)
            sent += 1

    async with SlowServer() as server, connect(both(server)) as connection:
        await connection.configure(16_000)
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
