"""A server that writes what it hears says so to everybody, and writes no words."""

from __future__ import annotations

import logging
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.support.running_server import run_server
from tests.support.speech import pcm16, utterances

pytestmark = pytest.mark.asyncio


def files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.wav"))


async def test_it_is_off_and_nothing_says_otherwise(tmp_path: Path) -> None:
    async with (
        run_server(tmp_path, cache_dir=str(tmp_path)) as server,
        server.control() as control,
        server.audio() as audio,
    ):
        await audio.send(pcm16(utterances(1.0)))
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        status = await control.ask({"type": "get_status"}, "server_status")
    assert "audio_logging" not in control.events[0]
    assert not any("AUDIO LOGGING" in notice for notice in status["notices"])
    assert not files(tmp_path)


async def test_it_is_loud_and_writes_just_what_was_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "audio"
    caplog.set_level(logging.WARNING)
    sent = utterances(1.0, 1.2)
    async with (
        run_server(tmp_path, audio_log=True, audio_log_dir=str(folder)) as server,
        server.control("?session=ความลับ") as control,
        server.audio("?events=all&session=ความลับ&speaker=นก") as audio,
    ):
        assert (await control.until("connected"))["audio_logging"] is True
        assert (await audio.until("connected"))["audio_logging"] is True
        await audio.send(pcm16(sent))
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        status = await control.ask({"type": "get_status"}, "server_status")
    assert any("AUDIO LOGGING IS ON" in notice for notice in status["notices"])
    assert "AUDIO LOGGING IS ON" in caplog.text
    assert "AUDIO LOGGING IS ON" in capsys.readouterr().out
    (path,) = files(folder)
    with wave.open(str(path)) as file:
        written = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32_767
    assert abs(len(written) - len(sent)) < 1_024
    assert np.max(np.abs(written[: len(sent)] - sent[: len(written)])) < 0.01
    for private in ("ความลับ", "นก", *audio.texts()):
        assert private.encode() not in path.read_bytes()
        assert private not in path.name
