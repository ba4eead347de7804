"""What an actor knows of when its audio was received."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from asr.quality import QualityGate
from asr.recogniser import RecogniserConfig, StreamRecogniser
from asr.types import DecodeKind, DecodeOutcome, DecodeRequest, DecodeResult
from audio.intake import AudioIntake
from audio.types import AudioFormat, ChannelMode, FrontendConfig, NoiseReduction, VadKind
from audio.vad import SileroModel
from server.actor import AudioActor, AudioBytes, EndAudio, Item, SetFormat, WireTimers
from server.inbox import Inbox
from server.presence import Presence
from server.presenter import News
from server.problem import Problem
from tests.support.audio_signals import pcm16, silence

pytestmark = pytest.mark.asyncio

HALF_SECOND = pcm16(silence(0.512))
"""16 whole windows of the detector."""


class Nobody:
    """No decoder and no listener: in silence nothing is decoded or told."""

    def submit(self, request: DecodeRequest, deliver: Callable[[DecodeOutcome], None]) -> None:
        raise AssertionError("silence is not decoded")

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> None:
        raise AssertionError("silence is not decoded")

    def on_news(self, stream_index: int, news: News) -> None:
        raise AssertionError("silence is no news")

    def on_problem(self, code: str, message: str) -> None:
        raise AssertionError(message)

    def on_decoded(self, result: DecodeResult) -> None:
        raise AssertionError("silence is not decoded")

    def on_gap(
        self, stream_index: int, start_sample: int, end_sample: int | None, problem: Problem
    ) -> None:
        raise AssertionError(problem.message)

    def on_no_speech(self) -> None:
        raise AssertionError("it is too short for that")

    def on_wire_silent(self) -> None:
        raise AssertionError("nobody spoke")


def recogniser(index: int) -> StreamRecogniser:
    def unwanted(*_: object) -> None:
        raise AssertionError("no utterance begins in silence")

    return StreamRecogniser(
        stream_id=str(index),
        lease_model=unwanted,  # type: ignore[arg-type]
        tuning_of=unwanted,  # type: ignore[arg-type]
        gate=QualityGate(),
        config=RecogniserConfig(),
    )


async def run(*items: Item) -> AudioActor:
    """An actor that took these items, all of them waiting before it began."""
    config = FrontendConfig(vad=VadKind.ENERGY, noise_reduction=NoiseReduction.OFF)
    with ThreadPoolExecutor(1) as dsp:
        actor = AudioActor(
            intake=AudioIntake(config, SileroModel()),
            inbox=Inbox[Item](60.0, lambda: None),
            make_recogniser=recogniser,
            decoder=Nobody(),
            dsp=dsp,
            listener=Nobody(),
            timers=WireTimers(1.0, 2.0),
            presence=Presence(matters=False),
            more_waits=lambda: False,
        )
        for item in items:
            actor.inbox.put_now(item, 0.5 if isinstance(item, AudioBytes) else 0.0)
        actor.inbox.put_now(EndAudio(lambda _: None, last=True))
        async with asyncio.timeout(20):
            await actor.run()
    return actor


async def test_each_part_was_received_with_its_own_message() -> None:
    actor = await run(
        AudioBytes(HALF_SECOND, 101.0),
        SetFormat(AudioFormat(), lambda _: None),
        AudioBytes(HALF_SECOND, 102.0),
    )
    assert actor.received_s(0, 8_192) == 101.0
    assert actor.received_s(0, 8_193) == 102.0


async def test_messages_taken_together_keep_their_times() -> None:
    actor = await run(*(AudioBytes(HALF_SECOND, 101.0 + number) for number in range(4)))
    assert actor.received_s(0, 15_000) == 102.0  # taken a second at a time
    assert actor.received_s(0, 20_000) == 104.0
    assert actor.received_s(0, 32_768) == 104.0


async def test_a_second_stream_has_a_clock_of_its_own() -> None:
    split = AudioFormat(channels=2, channel_mode=ChannelMode.SPLIT)
    actor = await run(
        AudioBytes(HALF_SECOND, 101.0),
        SetFormat(split, lambda _: None),
        AudioBytes(HALF_SECOND, 102.0),
    )
    assert actor.received_s(0, 8_000) == 101.0
    assert actor.received_s(0, 12_000) == 102.0
    assert actor.received_s(1, 4_000) == 102.0
