"""A server that is told to end while people speak: in time, and nothing goes missing unsaid."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.ending_server import EndingServer, ending_server
from tests.support.heard_to_the_end import Talk, sentences, talk

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows SIGTERM ends a process without a word"
)

LIMIT_S = 10.0


async def terminated(server: EndingServer, *talks: asyncio.Task[Talk]) -> list[Talk]:
    """SIGTERM; what the clients heard, once the server has ended in time and well."""
    began_s = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    await server.ended(LIMIT_S)
    assert time.monotonic() - began_s < LIMIT_S
    assert server.process.returncode == 0, server.log.read_text()
    assert "held up" not in server.log.read_text()
    return list(await asyncio.gather(*talks))


def check(made: Talk, code: int = 1012) -> None:
    assert made.close_code == code
    assert made.of("server_shutdown")
    assert made.missing() == []
    assert made.syllables_wrong() == []


@pytest.mark.parametrize("speakers", [1, 4, 8])
async def test_every_word_accepted_is_told_of(tmp_path: Path, speakers: int) -> None:
    lengths = [1.2, 2.4, 3.0, 0.8, 2.0] * 4
    speech, spoken = sentences(*lengths, pause_s=0.6)
    long, spoken_long = sentences(*([3.0] * 150), pause_s=0.6)
    async with ending_server(tmp_path, {"cost": 0.05, "workers": 2}) as server:
        live = [
            asyncio.create_task(
                talk(server.audio_url, speech, spoken, paced=True, query=f"session={i}&events=all")
            )
            for i in range(speakers)
        ]
        file = asyncio.create_task(
            talk(server.audio_url, long, spoken_long, paced=False, query="session=f&events=all")
        )
        await asyncio.sleep(4.0)
        made = await terminated(server, *live, file)
    for each in made:
        check(each)
        assert each.finals
        assert each.lost_ms == 0  # there was time for all of it
        (rest,) = each.gaps  # what came after that
        assert rest["reason"] == "shutting_down"
    assert made[-1].accepted_ms < 1_000 * 150 * 3.6 / 2  # a file is not all accepted at once


async def test_a_decode_that_hangs_holds_nobody_up_and_its_words_are_named(tmp_path: Path) -> None:
    speech, spoken = sentences(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, pause_s=0.6)
    async with ending_server(tmp_path, {"hangs": True}, drain_s=2.0) as server:
        one = asyncio.create_task(talk(server.audio_url, speech, spoken, paced=True))
        two = asyncio.create_task(
            talk(server.audio_url, speech * 20, paced=False, query="session=f&events=all")
        )
        plain = asyncio.create_task(
            talk(server.audio_url, speech, paced=True, query="session=plain")
        )
        await asyncio.sleep(3.0)
        heard, file, minimal = await terminated(server, one, two, plain)
    check(heard)
    assert heard.finals == file.finals == []
    named = [gap["utterance_id"] for gap in heard.gaps if "utterance_id" in gap]
    assert named == list(range(1, len(named) + 1))
    assert len(named) >= 2
    errors = {event.get("utterance_id") for event in heard.of("error")}
    assert {*named, None} <= errors
    assert [gap for gap in file.gaps if "end_ms" not in gap]
    assert {event["type"] for event in minimal.events} <= {"realtime_transcription", "error"}
    assert {event["code"] for event in minimal.of("error")} == {"shutting_down"}


async def test_more_than_there_is_time_for_is_named(tmp_path: Path) -> None:
    """A machine far slower than it was measured to be."""
    speech, spoken = sentences(*([2.0] * 30), pause_s=0.6)
    behaviour = {"cost": 0.4, "trial_cost": 0.005}
    async with ending_server(tmp_path, behaviour, drain_s=3.0) as server:
        file = asyncio.create_task(talk(server.audio_url, speech, spoken, paced=False))
        await asyncio.sleep(2.0)
        (made,) = await terminated(server, file)
    check(made)
    assert made.finals
    assert made.lost_ms > 0


async def test_without_any_time_what_was_said_is_named(tmp_path: Path) -> None:
    speech, spoken = sentences(3.0, 3.0)
    async with ending_server(tmp_path, {"cost": 0.2}, drain_s=0.0) as server:
        talking = asyncio.create_task(talk(server.audio_url, speech, spoken, paced=True))
        await asyncio.sleep(2.0)
        (made,) = await terminated(server, talking)
    check(made)
    assert {gap["reason"] for gap in made.gaps} == {"shutting_down"}
    assert made.gaps[0]["start_ms"] < 1_000


async def test_ctrl_c_is_no_restart(tmp_path: Path) -> None:
    speech, spoken = sentences(1.0, 1.0)
    async with ending_server(tmp_path, {}) as server:
        talking = asyncio.create_task(talk(server.audio_url, speech, spoken, paced=True))
        await asyncio.sleep(1.0)
        server.process.send_signal(signal.SIGINT)
        await server.ended(LIMIT_S)
        check(await talking, code=1001)
    assert server.process.returncode == 0


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    speech, spoken = sentences(1.0, 1.0)
    async with ending_server(tmp_path, {"hangs": True}) as server:
        talking = asyncio.create_task(talk(server.audio_url, speech, spoken, paced=True))
        await asyncio.sleep(2.0)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)  # passed on twice: the same one
        with pytest.raises(TimeoutError):
            await server.ended(0.7)
        server.process.send_signal(signal.SIGTERM)
        assert await server.ended(2.0) < 1.0
        await talking
    assert server.process.returncode == 130


async def test_nobody_who_does_not_read_holds_it_up(tmp_path: Path) -> None:
    speech, spoken = sentences(1.0, 1.0)
    async with ending_server(tmp_path, {}) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.first_line["audio"])
        writer.write(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")  # and nothing after that
        talking = asyncio.create_task(talk(server.audio_url, speech, spoken, paced=True))
        await asyncio.sleep(1.0)
        (made,) = await terminated(server, talking)
        writer.close()
    check(made)


async def test_a_model_that_loads_for_ever_holds_nobody_up(tmp_path: Path) -> None:
    async with ending_server(tmp_path, {"load_hangs": True}) as server:
        assert server.first_line == {"loading": "scripted"}
        await terminated(server)


async def test_a_fetch_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    speech, spoken = sentences(1.0, 1.0)
    async with ending_server(tmp_path, {"fetch_hangs": True}, model="far") as server:
        talking = asyncio.create_task(talk(server.audio_url, speech, spoken, paced=True))
        await asyncio.sleep(1.0)
        (made,) = await terminated(server, talking)
    check(made)
