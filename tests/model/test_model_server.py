"""The whole server with the real Whisper base on human Thai speech."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from audio.types import Samples
from benchmarks.dataset import Clip, load_clips
from benchmarks.scoring import cer, corpus_cer
from benchmarks.stream_metrics import voiced_bounds
from client import FinalTranscription, connect
from server.app import App
from server.settings import Settings
from tests.support.running_server import RunningServer, serving
from tests.support.speech import pieces

pytestmark = pytest.mark.model

CER_CEILING = 0.40
"""Of eight clips in the balanced profile; the offline decode of all clips has 0.26."""

LOOP_S = 12.0


@asynccontextmanager
async def real_server(**changes: object) -> AsyncIterator[RunningServer]:
    settings = Settings().changed(
        {
            "control_port": 0,
            "audio_port": 0,
            "admit_latency_s": 0.0,  # a busy machine is no failure
            "model": "whisper-base",
            "profile": "balanced",
            **changes,
        }
    )
    async with serving(App(settings)) as server:
        yield server


async def heard(
    server: RunningServer, session: str, data: bytes, *, size: int = 3_200, pace_s: float = 0.0
) -> list[str]:
    """Finals of one stream; `pace_s` is the time between messages."""

    async def paced() -> AsyncIterator[bytes]:
        for piece in pieces(data, size):
            yield piece
            await asyncio.sleep(pace_s)

    async with connect(server.audio_url, session=session) as asr:
        events = [event async for event in asr.transcribe(paced())]
    return [event.text for event in events if isinstance(event, FinalTranscription)]


def dev_clips(folder: Path, count: int) -> list[Clip]:
    return load_clips(folder / "dev.jsonl")[:count]


async def test_thai_speech_becomes_thai_text(thai_eval_dir: Path) -> None:
    clips = dev_clips(thai_eval_dir, 8)
    scores = []
    async with real_server() as server:
        for clip in clips:
            texts = await heard(server, clip.id, clip.samples().tobytes())
            assert texts, clip.id
            scores.append(cer(clip.text, " ".join(texts)))
    assert corpus_cer(scores) < CER_CEILING


async def test_real_time_speech_shows_partials_first(thai_eval_dir: Path) -> None:
    clip = dev_clips(thai_eval_dir, 1)[0]
    data = clip.samples().tobytes() + bytes(32_000)
    async with real_server() as server, server.audio() as audio:
        for piece in pieces(data, 3_200):
            await audio.send(piece)
            await asyncio.sleep(0.1)
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        kinds = [event["type"] for event in audio.events]
        first_final = kinds.index("final_transcription")
        assert "realtime_transcription" in kinds[:first_final]
        assert audio.finals()[0]["confidence"] > 0.2


async def hung_up(server: RunningServer, data: bytes) -> list[str]:
    """Finals that others hear of a speaker whose connection breaks."""
    async with server.control("?session=hung-up") as control:
        async with server.audio("?session=hung-up") as audio:
            for piece in pieces(data, 3_200):
                await audio.send(piece)
            audio.socket.transport.abort()
        await control.until("final_transcription")
        return control.texts()


async def stopped(server: RunningServer, data: bytes) -> list[str]:
    """Finals of a speaker for whom `stop_recording` was said."""
    async with server.control("?session=stopped") as control:
        async with server.audio("?session=stopped") as audio:
            for piece in pieces(data, 3_200):
                await audio.send(piece)
            await control.until("recording_state", lambda e: e["state"] == "recording")
            await control.send({"type": "stop_recording"})
            await control.until("recording_state", lambda e: e["state"] == "idle")
        return control.texts()


async def test_a_word_in_the_last_100_ms_is_in_the_final(thai_eval_dir: Path) -> None:
    clip = dev_clips(thai_eval_dir, 2)[1]
    samples = clip.samples()
    _, last_s = voiced_bounds(samples)
    cut = samples[: int((last_s + 0.05) * 16_000)].tobytes()
    async with real_server() as server:
        expected = (await heard(server, "silence", cut + bytes(32_000)))[-1]
        for texts in (
            await heard(server, "cut", cut),
            await hung_up(server, cut),
            await stopped(server, cut),
        ):
            errors, _ = cer(expected[-8:], texts[-1][-8:])
            assert errors <= 3, (expected, texts)


async def test_four_streams_in_two_sessions_say_what_each_says_alone(thai_eval_dir: Path) -> None:
    clips = dev_clips(thai_eval_dir, 4)
    data = {clip.id: clip.samples().tobytes() + bytes(32_000) for clip in clips}
    async with real_server() as server:
        alone = {name: await heard(server, f"alone-{name}", data[name]) for name in data}
        together = await asyncio.gather(
            *(
                heard(server, f"s{index % 2}", audio, pace_s=0.02)
                for index, audio in enumerate(data.values())
            )
        )
    for index, name in enumerate(data):
        own = set(alone[name])
        assert own <= set(together[index])
        other_session = {t for i, n in enumerate(data) if i % 2 != index % 2 for t in alone[n]}
        assert not (set(together[index]) & (other_session - own))


async def test_bytes_cut_otherwise_are_the_same_finals(thai_eval_dir: Path) -> None:
    data = dev_clips(thai_eval_dir, 1)[0].samples().tobytes()
    async with real_server() as server:
        results = [
            await heard(server, f"cut-{size}", data, size=size) for size in (640, 4_097, 320_000)
        ]
    assert results[0]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("profile", ["fast", "balanced", "accurate"])
async def test_noise_and_silence_give_no_character(thai_eval_dir: Path, profile: str) -> None:
    rows = load_clips(thai_eval_dir / "noise.jsonl")
    quiet = [row for row in rows if row.row["cls"] in ("noise", "silence")]
    assert quiet
    said: dict[str, list[str]] = {}
    async with real_server(profile=profile) as server:
        for clip in quiet:
            async with server.audio(f"?session={clip.id}&events=all") as audio:
                for piece in pieces(looped(clip.samples()).tobytes(), 32_000):
                    await audio.send(piece)
                await audio.ask({"type": "audio_end"}, "audio_end_ack")
                texts = [e["text"] for e in audio.events if e.get("text")]
                if texts:
                    said[clip.id] = texts
    assert said == {}


def looped(samples: np.ndarray) -> np.ndarray:
    repeats = max(1, round(LOOP_S * 16_000 / len(samples)))
    return np.tile(samples, repeats)


async def test_mulaw_at_8_khz_is_understood(thai_eval_dir: Path) -> None:
    clip = dev_clips(thai_eval_dir, 1)[0]
    narrow = clip.samples()[::2]
    async with real_server() as server, server.audio() as audio:
        await audio.ask(
            {"type": "audio_config", "encoding": "mulaw", "sample_rate": 8_000},
            "audio_configured",
        )
        await audio.send(mulaw(narrow))
        await audio.ask({"type": "audio_end"}, "audio_end_ack")
        errors, length = cer(clip.text, " ".join(audio.texts()))
    assert errors < 0.6 * length


def mulaw(samples: np.ndarray) -> bytes:
    """G.711 mu-law, from its formula."""
    linear = np.abs(samples.astype(np.float64)) / 32768
    level = np.log1p(255 * linear) / np.log(256)
    code = np.minimum(127, (level * 128).astype(int))
    signed = code | np.where(samples < 0, 0x80, 0)
    return bytes((~signed & 0xFF).astype(np.uint8))


def test_helpers_are_sound(thai_eval_dir: Path) -> None:
    samples: Samples = np.zeros(1_600, dtype=np.float32)
    assert len(looped(samples)) == LOOP_S * 16_000
    assert mulaw(np.array([0, 32767, -32768], dtype=np.int16)) == b"\xff\x80\x00"
