"""A log that takes no line, and a wall clock that jumps."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import server.app
from server.logs import set_up_logging
from tests.support.resuming import ResumingClient
from tests.support.running_server import run_server
from tests.support.speaking import say_all, troubles
from tests.support.speech import pcm16, pieces, utterances
from tests.support.watchman import watching

SAID = pcm16(utterances(1.0, 0.6, 1.4))
FULL = Path("/dev/full")
JUMPS = (timedelta(days=3_650), timedelta(days=-3_650), timedelta(hours=-1), timedelta(seconds=90))


@pytest.fixture
def own_handlers() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.skipif(sys.platform != "linux", reason="a disk that is always full")
@pytest.mark.usefixtures("own_handlers")
async def test_a_full_disk_costs_log_lines_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    set_up_logging("debug", str(FULL))
    async with run_server(tmp_path) as running:
        with watching() as watchman:
            async with running.audio() as audio:
                texts = await say_all(audio, SAID)
            assert len(texts) == 3
            assert troubles(audio) == []
            async with running.control() as control:
                await control.ask({"type": "get_status"}, "server_status")
            assert watchman.troubles == []
    told = capfd.readouterr().err
    assert told.count("the log file takes no more lines") == 1
    assert "No space left on device" in told
    assert "Logging error" not in told


class JumpingClock(datetime):
    """Another time of day at every look."""

    jumps = itertools.cycle(JUMPS)

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + next(cls.jumps)


async def test_a_clock_that_jumps_changes_time_stamps_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_server(tmp_path) as running, running.audio("?events=all&session=a") as audio:
        expected = await say_all(audio, SAID)
    real_time = time.time
    monkeypatch.setattr(server.app, "datetime", JumpingClock)
    jumps = itertools.cycle(JUMPS)
    monkeypatch.setattr(time, "time", lambda: real_time() + next(jumps).total_seconds())
    async with (
        run_server(tmp_path, resume_s=30.0) as running,
        running.control() as control,
        ResumingClient(running.audio_url) as client,
    ):
        blocks = pieces(SAID, 3_200)
        await client.say(blocks[: len(blocks) // 2])
        client.cut()
        await client.lost()
        await asyncio.sleep(1.5)  # the places of those who are away are looked at meanwhile
        assert (await client.connect())["resumed"]
        await client.say(blocks[len(blocks) // 2 :])
        await client.end()
        assert client.texts() == expected
        years = {final["timestamp"][:4] for final in client.finals()}
        assert len(years) > 1, "the clock did jump"
        status = await control.ask({"type": "get_status"}, "server_status")
        assert 0 <= status["final_latency_ms"] < 60_000
        assert 0 <= status["uptime_s"] < 60
        assert not [event for event in client.events if event["type"] in ("error", "gap")]
