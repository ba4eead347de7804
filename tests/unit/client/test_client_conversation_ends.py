"""What ends a conversation, what does not, and what is never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection

from client import stream
from client.errors import ConnectError, ConnectionLostError
from server import protocol
from server.messages import ErrorEvent
from server.peer import Port
from tests.support.fake_server import STREAM_ID, FakeServer, final
from tests.unit.client.test_client_conversation import Rig, heard


class SlowServer(FakeServer):
    """Loads models, and says its status, only while a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = asyncio.Event()
        self.loads.set()
        self.mute = False

    async def _load(self, socket: ServerConnection, request: protocol.LoadModel) -> None:
        await self.loads.wait()
        await super()._load(socket, request)

    async def _answer(self, socket: ServerConnection, request: protocol.Request) -> None:
        if not (self.mute and isinstance(request, protocol.GetStatus)):
            await super()._answer(socket, request)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[SlowServer]:
    async with SlowServer() as fake:
        yield fake
        fake.loads.set()


async def test_a_viewer_that_is_stopped_in_an_outage_is_done(server: FakeServer) -> None:
    rig = Rig(server, viewer=True)
    await rig.view.until(lambda: rig.conversation.begun)
    rig.refused = ConnectError("nobody there")
    await server.hang_up(Port.AUDIO)
    await rig.view.until(lambda: rig.view.told("Trying again"))
    rig.conversation.stop()
    await rig.result()


async def test_what_is_fatal_to_another_client_is_not_to_this_one(server: FakeServer) -> None:
    rig = Rig(server, reconnect=False)
    rig.source.say(1)
    await heard(server, 1)
    server.say(
        ErrorEvent(code="vad_failed", message="theirs failed", fatal=True, stream_id="other")
    )
    await rig.view.until(lambda: rig.view.lost_streams == ["other"])
    server.before_ack = [final("ของเรา")]
    rig.source.end()
    await rig.result()
    assert rig.view.finals == ["ของเรา"]


async def test_audio_does_not_wait_for_the_model_after_a_restart(server: SlowServer) -> None:
    rig = Rig(server, model="biodatlab-faster")
    rig.source.say(1)
    await heard(server, 1)
    server.current_model = "whisper-base"
    server.loads.clear()
    await server.hang_up(Port.AUDIO, 1001, "restart")
    await heard(server, 2)
    assert len(server.requests_of(protocol.LoadModel)) == 2
    server.loads.set()
    await server.until(lambda: server.current_model == "biodatlab-faster")
    rig.source.end()
    await rig.result()
    assert not rig.conversation.failed


async def test_a_server_that_stops_answering_is_left_for_another_try(
    server: SlowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(server)
    rig.source.say(1)
    await heard(server, 1)
    monkeypatch.setattr(stream, "ANSWER_LIMIT_S", 0.2)
    server.mute = True
    await server.hang_up(Port.AUDIO)
    await rig.view.until(lambda: rig.attempts == 3)
    server.mute = False
    rig.source.end()
    await rig.result()
    assert not rig.conversation.failed


async def test_what_was_being_said_leaves_the_screen_with_the_connection(
    server: FakeServer,
) -> None:
    rig = Rig(server)
    rig.source.say(1)
    await heard(server, 1)
    await server.hang_up(Port.AUDIO)
    await heard(server, 2)
    assert rig.view.lost_streams == [STREAM_ID]
    rig.source.end()
    await rig.result()


@pytest.mark.parametrize("viewer", [False, True])
@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (4401, "--token"),
        (4031, "Start the client again"),
        (4032, "Start the client again"),
    ],
)
async def test_what_the_server_ends_for_good_is_told_and_not_tried_again(
    server: FakeServer, code: int, advice: str, viewer: bool
) -> None:
    rig = Rig(server, viewer=viewer)
    await rig.view.until(lambda: rig.conversation.begun)
    for port in Port:
        await server.hang_up(port, code, "so it is")
    with pytest.raises(ConnectionLostError, match=f"{code} so it is(.|\\n)*{advice}"):
        await rig.result()
    assert rig.attempts == 1
    assert not rig.view.told("Trying again")
