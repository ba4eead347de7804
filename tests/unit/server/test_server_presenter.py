"""From a recogniser's effects to events with the published fields."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from asr.effects import (
    DecodeProblem,
    FinalText,
    PartialText,
    QuickFinal,
    SpeechBegan,
    SpeechOver,
)
from asr.types import DecodeKind
from audio.types import EndReason, ms_to_samples
from server.messages import Event, SpeechEndedEvent, SpeechStartedEvent
from server.presenter import News, Presenter, timestamp
from server.protocol import encode

REPO = "Vinxscribe/biodatlab-whisper-th-medium-faster"

PARTIAL = PartialText(
    utterance_id=7,
    revision=2,
    text="สวัสดีครับ",
    stable_text="สวัสดี",
    start_sample=ms_to_samples(1_000),
    end_sample=ms_to_samples(1_900),
    model_id="biodatlab-medium-faster",
)
FINAL = FinalText(
    utterance_id=7,
    revision=3,
    text="สวัสดีครับ ผมชื่อโจน",
    start_sample=ms_to_samples(1_000),
    end_sample=ms_to_samples(3_500),
    end_reason=EndReason.SILENCE,
    decode_s=0.8,
    confidence=0.87,
    model_id="biodatlab-medium-faster",
    reason=None,
    silent=False,
)


def presenter(moment: str, speaker: str | None = None) -> Presenter:
    return Presenter(
        session_id="default",
        stream_id="a1.1",
        speaker=speaker,
        repo_of={"biodatlab-medium-faster": REPO}.__getitem__,
        wall_clock=lambda: datetime.fromisoformat(moment),
    )


def fields(event: Event | None) -> dict[str, object]:
    assert event is not None
    decoded: dict[str, object] = json.loads(encode(event))
    return decoded


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2025, 9, 3, 10, 30, tzinfo=UTC), "2025-09-03T10:30:00.000Z"),
        (datetime(2025, 9, 3, 10, 30, 2, 500_999, tzinfo=UTC), "2025-09-03T10:30:02.500Z"),
        (datetime(2025, 1, 2, 3, 4, 5, 6_000, tzinfo=UTC), "2025-01-02T03:04:05.006Z"),
        (
            datetime(2025, 9, 3, 17, 30, tzinfo=timezone(timedelta(hours=7))),
            "2025-09-03T10:30:00.000Z",
        ),
    ],
)
def test_timestamps_are_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert timestamp(moment) == text


def test_a_partial_is_the_published_message_and_more() -> None:
    assert fields(presenter("2025-09-03T10:30:00+00:00").event(PARTIAL)) == {
        "type": "realtime_transcription",
        "text": "สวัสดีครับ",
        "timestamp": "2025-09-03T10:30:00.000Z",
        "is_final": False,
        "session_id": "default",
        "stream_id": "a1.1",
        "utterance_id": 7,
        "revision": 2,
        "stable_text": "สวัสดี",
        "start_ms": 1_000,
        "end_ms": 1_900,
        "model_id": "biodatlab-medium-faster",
    }


def test_a_final_is_the_published_message_and_more() -> None:
    event = presenter("2025-09-03T10:30:02.500+00:00", speaker="agent").event(FINAL)
    assert fields(event) == {
        "type": "final_transcription",
        "text": "สวัสดีครับ ผมชื่อโจน",
        "duration": 2.5,
        "processing_time": 0.8,
        "speed_ratio": 3.1,
        "model": REPO,
        "timestamp": "2025-09-03T10:30:02.500Z",
        "is_final": True,
        "model_id": "biodatlab-medium-faster",
        "session_id": "default",
        "stream_id": "a1.1",
        "speaker": "agent",
        "utterance_id": 7,
        "revision": 3,
        "start_ms": 1_000,
        "end_ms": 3_500,
        "confidence": 0.87,
        "end_reason": "silence",
    }


@pytest.mark.parametrize(
    ("decode_s", "processing_time", "speed_ratio"),
    [(1.25, 1.25, 2.0), (0.0, 0.001, 2500.0), (2.5, 2.5, 1.0), (10.0, 10.0, 0.2)],
)
def test_figures_of_a_final(decode_s: float, processing_time: float, speed_ratio: float) -> None:
    final = fields(presenter("2025-09-03T10:30:00+00:00").event(replace(FINAL, decode_s=decode_s)))
    assert (final["processing_time"], final["speed_ratio"]) == (processing_time, speed_ratio)


def test_an_empty_final_is_news_only_if_a_partial_was_shown() -> None:
    empty = replace(FINAL, text="", reason="no_speech")
    event = presenter("2025-09-03T10:30:00+00:00").event(empty)
    assert fields(event)["text"] == ""
    assert fields(event)["reason"] == "no_speech"
    assert presenter("2025-09-03T10:30:00+00:00").event(replace(empty, silent=True)) is None


def test_a_quick_final_is_a_final_marked_provisional() -> None:
    shown = presenter("2025-09-03T10:30:02.500+00:00", speaker="agent")
    assert fields(shown.event(QuickFinal(FINAL))) == {
        **fields(shown.event(FINAL)),
        "provisional": True,
    }


def test_what_follows_a_quick_final_is_a_final_like_any_other() -> None:
    shown = presenter("2025-09-03T10:30:00+00:00")
    assert shown.event(replace(FINAL, revises=True)) == shown.event(FINAL)
    empty = replace(FINAL, text="", reason="no_speech", revises=True)
    assert "provisional" not in fields(shown.event(empty)), "a partial was shown to everybody"


def test_a_silent_final_is_news_to_those_who_heard_the_quick_one() -> None:
    silent = replace(FINAL, text="", reason="no_speech", silent=True, revises=True)
    event = fields(presenter("2025-09-03T10:30:00+00:00").event(silent))
    assert (event["text"], event["reason"], event["provisional"]) == ("", "no_speech", False)


@pytest.mark.parametrize("reason", EndReason)
def test_speech_events(reason: EndReason) -> None:
    shown = presenter("2025-09-03T10:30:00+00:00")
    assert shown.event(SpeechBegan(7, ms_to_samples(1_000))) == SpeechStartedEvent(
        session_id="default", stream_id="a1.1", utterance_id=7, at_ms=1_000
    )
    assert shown.event(SpeechOver(7, ms_to_samples(3_500), reason)) == SpeechEndedEvent(
        session_id="default", stream_id="a1.1", utterance_id=7, at_ms=3_500, reason=reason.value
    )


@pytest.mark.parametrize(
    ("kind", "named"), [(DecodeKind.FINAL, {"utterance_id": 7}), (DecodeKind.PARTIAL, {})]
)
def test_a_problem_is_an_error_that_ends_an_utterance_only_if_it_was_its_final(
    kind: DecodeKind, named: dict[str, int]
) -> None:
    problem: News = DecodeProblem(7, kind, "decode_failed", "out of memory", 0, 16_000)
    event = fields(presenter("2025-09-03T10:30:00+00:00").event(problem))
    message = event.pop("message")
    assert isinstance(message, str)
    assert message.endswith("could not be recognised: out of memory")
    assert event == {
        "type": "error",
        "code": "decode_failed",
        "fatal": False,
        "session_id": "default",
        "stream_id": "a1.1",
        **named,
    }
