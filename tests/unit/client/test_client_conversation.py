"""A conversation over several connections, against a fake server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import pytest_asyncio
from msgspec.structs import replace

from client.conversation import Conversation
from client.errors import ConnectError, ConnectionLostError
from client.feed import Feed
from client.kept_audio import AudioFormat
from client.opening import connect
from client.stream import AsrConnection
from server import protocol
from server.messages import ErrorEvent, Notice, ServerShutdown
from server.peer import Port
from tests.support.fake_server import STREAM_ID, FakeServer, final
from tests.support.recorder import Recorder

SECOND = bytes(32_000)


class Spoken:
    """A source that a test feeds. It cannot wait, like a microphone."""

    name = "Fake Mic"
    audio_format = AudioFormat(16_000)
    header = b""
    read_ahead_s: float | None = None
    total_s: float | None = None

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def say(self, seconds: int) -> None:
        for _ in range(seconds):
            self.queue.put_nowait(SECOND)

    def end(self) -> None:
        self.queue.put_nowait(None)

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        while (block := await self.queue.get()) is not None:
            yield block


class Rig:
    """A conversation with a server that a test can take away."""

    def __init__(
        self,
        server: FakeServer,
        *,
        viewer: bool = False,
        reconnect: bool = True,
        model: str | None = None,
    ) -> None:
        self.server = server
        self.viewer = viewer
        self.source = Spoken()
        self.view = Recorder()
        self.feed = None if viewer else Feed(self.source, on_block=self.view.touch)
        self.now_s = 100.0
        self.attempts = 0
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.sessions: list[str | None] = []
        self.refused: ConnectError | None = None
        self.conversation = Conversation(
            self.connect,
            self.feed,
            self.view,
            model=model,
            reconnect=reconnect,
            clock=lambda: self.now_s,
            jitter=lambda: 0.0,
        )
        self.task = asyncio.create_task(self.conversation.hold())

    def connect(self, session: str | None) -> AbstractAsyncContextManager[AsrConnection]:
        return self._connect(session)

    @asynccontextmanager
    async def _connect(self, session: str | None) -> AsyncIterator[AsrConnection]:
        self.attempts += 1
        self.view.touch()
        self.sessions.append(session)
        if self.refused is not None:
            raise self.refused
        await self.reachable.wait()
        role = "viewer" if self.viewer else "speaker"
        async with connect(self.server.audio_url, session=session, role=role) as connection:  # type: ignore[arg-type]
            yield connection

    async def result(self) -> None:
        async with asyncio.timeout(20):
            await self.task


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        yield fake


async def heard(server: FakeServer, seconds: int) -> None:
    await server.until(lambda: len(server.audio) == seconds * len(SECOND))


async def test_the_latency_counts_from_the_sending_of_the_utterance_s_end(
    server: FakeServer,
) -> None:
    rig = Rig(server)
    rig.source.say(3)
    await heard(server, 3)
    rig.now_s += 1.5
    server.before_ack = [final("ก")]
    rig.source.end()
    await rig.result()
    assert rig.view.finals == ["ก"]
    assert rig.view.latencies == [pytest.approx(1.5)]
    assert not rig.conversation.failed


async def test_a_long_outage_costs_the_oldest_audio_and_that_is_told(server: FakeServer) -> None:
    rig = Rig(server)
    rig.source.say(2)
    await heard(server, 2)
    rig.reachable.clear()
    await server.hang_up(Port.AUDIO, 1011, "gone")
    rig.source.say(63)
    await rig.view.until(lambda: rig.source.queue.empty() and rig.attempts == 2)
    rig.reachable.set()
    rig.source.end()
    await rig.result()
    assert rig.conversation.failed
    assert rig.view.told("Error: 5.0 s of Fake Mic were not recognised")
    assert len(server.audio) == (2 + 60) * len(SECOND)


async def test_the_session_stays_the_same_over_connections(server: FakeServer) -> None:
    rig = Rig(server)
    rig.source.say(1)
    await heard(server, 1)
    await server.hang_up(Port.CONTROL, 1011, "gone")
    await heard(server, 2)  # the second that was sent is sent again
    rig.source.end()
    await rig.result()
    assert rig.sessions == [None, "default"]
    assert not rig.conversation.failed


async def test_a_shutdown_is_waited_for_and_the_rest_goes_to_the_next_server(
    server: FakeServer,
) -> None:
    rig = Rig(server)
    rig.source.say(3)
    await heard(server, 3)
    server.before_ack = [final("ก่อน", end_ms=2_000)]
    server.say(ServerShutdown(grace_s=5.0))
    await server.until(lambda: len(server.requests_of(protocol.AudioConfig)) == 2)
    server.before_ack = [final("หลัง", end_ms=1_000)]
    await heard(server, 4)
    rig.source.end()
    await rig.result()
    assert rig.view.finals == ["ก่อน", "หลัง"]
    assert [f.end_ms for f in rig.conversation.finals] == [2_000, 3_000]
    assert not rig.conversation.failed


async def test_audio_that_a_server_refused_at_its_end_is_sent_again(server: FakeServer) -> None:
    rig = Rig(server)
    server.before_ack = [ErrorEvent(code="shutting_down", message="not taken", stream_id=STREAM_ID)]
    rig.source.say(1)
    rig.source.end()
    await server.until(lambda: bool(server.requests_of(protocol.AudioEnd)))
    server.before_ack = [final("มาแล้ว")]
    await rig.result()
    assert rig.view.finals == ["มาแล้ว"]
    assert not rig.conversation.failed
    assert len(server.audio) == 2 * len(SECOND)


async def test_silence_is_told_to_whose_it_is(server: FakeServer) -> None:
    rig = Rig(server)
    rig.source.say(1)
    await heard(server, 1)
    silent = [Notice(level="warning", code="no_speech", message=text) for text in ("own", "others")]
    server.say(replace(silent[1], stream_id="a9.1"), replace(silent[0], stream_id=STREAM_ID))
    rig.source.end()
    await rig.result()
    assert rig.view.told("own")
    assert not rig.view.told("others")


async def test_a_fatal_error_is_followed_by_another_connection(server: FakeServer) -> None:
    rig = Rig(server)
    rig.source.say(1)
    await heard(server, 1)
    server.say(ErrorEvent(code="vad_failed", message="the detector failed", fatal=True))
    await server.hang_up(Port.AUDIO, 1011, "vad_failed")
    await heard(server, 2)
    rig.source.end()
    await rig.result()
    assert rig.view.told("the detector failed")
    assert not rig.conversation.failed


async def test_it_gives_up_in_time_and_says_from_where_on_nothing_came(server: FakeServer) -> None:
    rig = Rig(server)
    rig.source.say(3)
    await heard(server, 3)
    server.say(final("ก", end_ms=2_000))
    await rig.view.until(lambda: bool(rig.view.finals))
    rig.refused = ConnectError("nobody there")
    await server.hang_up(Port.AUDIO)
    await rig.view.until(lambda: rig.attempts == 2)
    rig.now_s += 301.0
    with pytest.raises(ConnectionLostError, match="nobody there"):
        await rig.result()
    assert sum(note.startswith("Connection lost: ") for note in rig.view.notes) == 1
    assert "not connected, next try in 0.5 s" in rig.view.models
    assert rig.view.told("Error: from 0:02 on nothing was recognised.")
    assert [f.text for f in rig.conversation.finals] == ["ก"]


async def test_a_client_that_is_refused_does_not_knock_again(server: FakeServer) -> None:
    rig = Rig(server)
    rig.source.say(1)
    await heard(server, 1)
    rig.refused = ConnectError("HTTP 401", may_pass=False)
    await server.hang_up(Port.AUDIO)
    with pytest.raises(ConnectionLostError, match="401"):
        await rig.result()
    assert rig.attempts == 2


async def test_ctrl_c_while_waiting_tries_once_more_at_once(server: FakeServer) -> None:
    rig = Rig(server)
    rig.source.say(1)
    await heard(server, 1)
    rig.refused = ConnectError("nobody there")
    await server.hang_up(Port.AUDIO)
    await rig.view.until(lambda: rig.view.told("Trying again"))
    rig.refused = None
    server.before_ack = [final("ทัน")]
    rig.conversation.stop()
    await rig.result()
    assert rig.view.finals == ["ทัน"]
    assert len(server.audio) == 2 * len(SECOND)


async def test_a_viewer_comes_back_too_and_leaves_when_told(server: FakeServer) -> None:
    rig = Rig(server, viewer=True)
    await rig.view.until(lambda: rig.conversation.begun)
    await server.hang_up(Port.AUDIO, 1001, "restart")
    await rig.view.until(lambda: rig.view.told("Connected again"))
    server.say(final("ค่ะ", speaker="Nok"))
    await rig.view.until(lambda: bool(rig.view.finals))
    rig.conversation.stop()
    await rig.result()
    assert rig.view.finals == ["ค่ะ"]
    assert server.requests_of(protocol.AudioConfig) == []


async def test_without_reconnecting_a_lost_connection_is_the_end(server: FakeServer) -> None:
    rig = Rig(server, reconnect=False)
    rig.source.say(1)
    await heard(server, 1)
    await server.hang_up(Port.AUDIO, 1011, "gone")
    with pytest.raises(ConnectionLostError, match="1011 gone"):
        await rig.result()
    assert rig.attempts == 1
