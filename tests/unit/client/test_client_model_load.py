"""Models that a client asks for, and a server that has to fetch them first."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from client import (
    AsrConnection,
    ModelLoadError,
    RequestFailedError,
    connect,
)
from client.addresses import Addresses
from client.stream import EVENT_QUEUE_LIMIT
from server import protocol
from server.messages import ErrorEvent
from server.model_messages import ModelLoaded, ModelPhase, ModelProgress
from server.peer import Port
from tests.support.audio_signals import pcm16, tone, wav_bytes
from tests.support.client_program import ClientProgram
from tests.support.fake_server import FakeServer, model
from tests.unit.client.test_client_conversation import Rig

TURBO = "typhoon-turbo"


def downloaded(done_bytes: int) -> ModelProgress:
    return ModelProgress(
        model_id=TURBO, phase=ModelPhase.DOWNLOADING, done_bytes=done_bytes, total_bytes=10_000
    )


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as fake:
        fake.fetched = {TURBO}
        yield fake


@pytest_asyncio.fixture
async def connection(server: FakeServer) -> AsyncIterator[AsrConnection]:
    async with connect(Addresses(server.control_url, server.audio_url)) as opened:
        yield opened


async def asked(server: FakeServer, kind: type[protocol.Request], count: int = 1) -> None:
    await server.until(lambda: len(server.requests_of(kind)) >= count)


async def test_a_long_download_is_waited_for_though_nobody_takes_events(
    server: FakeServer, connection: AsrConnection
) -> None:
    heard: list[ModelProgress] = []
    loading = asyncio.create_task(connection.load_model(TURBO, on_progress=heard.append))
    await asked(server, protocol.LoadModel)
    count = 4 * EVENT_QUEUE_LIMIT
    server.say_on(Port.CONTROL, *(downloaded(number) for number in range(count)))
    await server.arrive(TURBO)
    async with asyncio.timeout(10):
        loaded = await loading
    assert loaded.model_id == TURBO
    assert [event.done_bytes for event in heard] == list(range(count))


async def test_progress_of_another_model_is_not_reported(
    server: FakeServer, connection: AsrConnection
) -> None:
    heard: list[ModelProgress] = []
    loading = asyncio.create_task(connection.load_model(TURBO, on_progress=heard.append))
    await asked(server, protocol.LoadModel)
    server.say_on(Port.CONTROL, ModelProgress(model_id="other", phase=ModelPhase.LOADING))
    server.say_on(Port.CONTROL, downloaded(1))
    await server.arrive(TURBO)
    await loading
    assert heard == [downloaded(1)]


async def test_a_failure_is_a_typed_error(server: FakeServer, connection: AsrConnection) -> None:
    server.load_errors[TURBO] = ErrorEvent(code="no_network", message="no line to the hub")
    with pytest.raises(ModelLoadError, match="no line to the hub") as caught:
        await connection.load_model(TURBO)
    assert (caught.value.code, caught.value.model_id) == ("no_network", TURBO)


async def test_what_a_listener_raises_is_raised_to_whoever_waits(
    server: FakeServer, connection: AsrConnection
) -> None:
    def fail(_: ModelProgress) -> None:
        raise OSError("nobody reads this any more")

    server.load_phases = [downloaded(1)]
    async with asyncio.timeout(10):
        with pytest.raises(OSError, match="nobody reads"):
            await connection.load_model(TURBO, on_progress=fail)
    assert (await connection.status()).ready


async def test_a_download_is_cancelled_for_all_who_wait(
    server: FakeServer, connection: AsrConnection
) -> None:
    loading = asyncio.create_task(connection.load_model(TURBO))
    await asked(server, protocol.LoadModel)
    assert (await connection.cancel_load(TURBO)).model_id == TURBO
    with pytest.raises(ModelLoadError, match="was cancelled"):
        await loading
    with pytest.raises(RequestFailedError, match="is not being fetched"):
        await connection.cancel_load(TURBO)


async def test_the_catalogue_can_be_asked_for(
    server: FakeServer, connection: AsrConnection
) -> None:
    listed = await connection.models()
    assert [entry.id for entry in listed.models] == [entry.id for entry in server.models]


async def test_a_client_given_up_while_it_waits_stops_the_download_that_it_began(
    server: FakeServer,
) -> None:
    server.load_phases = [downloaded(1)]
    rig = Rig(server, model=TURBO)
    await rig.view.until(lambda: rig.view.phases == [ModelPhase.DOWNLOADING])
    rig.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rig.result()
    assert len(server.requests_of(protocol.CancelLoad)) == 1
    assert rig.view.told("download stopped; what came is kept")


async def test_a_download_that_others_began_goes_on(server: FakeServer) -> None:
    server.models = [model("whisper-base", state="ready"), model(TURBO, state="fetching")]
    server.load_phases = [downloaded(1)]
    rig = Rig(server, model=TURBO)
    await rig.view.until(lambda: rig.view.phases == [ModelPhase.DOWNLOADING])
    rig.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rig.result()
    assert server.requests_of(protocol.CancelLoad) == []


async def test_a_model_that_takes_over_meanwhile_is_told(server: FakeServer) -> None:
    rig = Rig(server)
    await rig.view.until(lambda: rig.conversation.begun)
    server.say_on(Port.CONTROL, ModelLoaded(model_id=TURBO))
    await rig.view.until(lambda: rig.view.told(f"{TURBO} answers from now on"))
    rig.source.end()
    await rig.result()
    assert rig.view.models[-1] == TURBO


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
async def test_ctrl_c_ends_a_program_that_waits_for_a_download(
    server: FakeServer, tmp_path: Path
) -> None:
    file = tmp_path / "speech.wav"
    file.write_bytes(wav_bytes(pcm16(tone(440, 0.5))))
    server.load_phases = [downloaded(2_500)]
    client = await ClientProgram.start(server, file, "--model", TURBO)
    assert "25%" in await client.error_line(f"{TURBO}: downloading")
    client.process.send_signal(signal.SIGINT)
    status, out, err = await client.result()
    assert (status, out) == (130, "")
    assert "download stopped; what came is kept" in err
    assert len(server.requests_of(protocol.CancelLoad)) == 1


async def test_a_download_that_fails_is_told_and_the_program_fails(
    server: FakeServer, tmp_path: Path
) -> None:
    file = tmp_path / "speech.wav"
    file.write_bytes(wav_bytes(pcm16(tone(440, 0.5))))
    server.load_phases = [downloaded(2_500)]
    server.load_errors[TURBO] = ErrorEvent(code="disk_full", message="the disk is full")
    client = await ClientProgram.start(server, file, "--model", TURBO)
    status, out, err = await client.result()
    assert (status, out) == (1, "")
    assert err.endswith("Error: the disk is full\n")
    assert server.frames == []
