"""What a connection hears, and how its partials and finals are queued."""

from __future__ import annotations

import asyncio
import json

import pytest

from server.messages import (
    ErrorEvent,
    Event,
    FinalTranscription,
    Pong,
    RealtimeTranscription,
    RecordingStateEvent,
    SpeechStartedEvent,
)
from server.peer import Peer, Port, Role


class FakeTransport:
    def abort(self) -> None:
        raise AssertionError("nothing is cut here")


class FakeSocket:
    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.sent: list[str] = []

    async def send(self, message: str) -> None:
        self.sent.append(message)

    async def close(self, code: int, reason: str) -> None:
        raise AssertionError("nothing is closed here")


def partial(utterance_id: int, revision: int, stream_id: str = "a1.1") -> RealtimeTranscription:
    return RealtimeTranscription(
        text=f"partial {utterance_id}.{revision}",
        timestamp="t",
        session_id="default",
        stream_id=stream_id,
        utterance_id=utterance_id,
        revision=revision,
        stable_text="",
        start_ms=0,
        end_ms=1,
        model_id="base",
    )


def final(utterance_id: int) -> FinalTranscription:
    return FinalTranscription(
        text=f"final {utterance_id}",
        duration=1.0,
        processing_time=1.0,
        speed_ratio=1.0,
        model="repo",
        timestamp="t",
        model_id="base",
        session_id="default",
        stream_id="a1.1",
        utterance_id=utterance_id,
        revision=9,
        start_ms=0,
        end_ms=1,
        confidence=0.9,
        end_reason="silence",
    )


ALL: list[Event] = [
    partial(1, 1, "other"),
    final(1),
    ErrorEvent(code="bad_json", message="m"),
    Pong(timestamp="t"),
    RecordingStateEvent(state="idle", session_id="default"),
    SpeechStartedEvent(session_id="default", stream_id="a1.1", utterance_id=1, at_ms=0),
]


async def heard_by(peer: Peer, events: list[Event]) -> list[dict[str, object]]:
    socket = FakeSocket()
    for event in events:
        peer.send(event)
    sending = asyncio.create_task(peer.outbox.run(socket))
    await peer.outbox.flushed()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    return [json.loads(text) for text in socket.sent]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("port", "every_event", "count"),
    [(Port.AUDIO, False, 4), (Port.AUDIO, True, 6), (Port.CONTROL, False, 6)],
)
async def test_a_minimal_audio_client_hears_transcripts_errors_and_its_pongs_only(
    port: Port, every_event: bool, count: int
) -> None:
    peer = Peer("p1", port, Role.SPEAKER, every_event)
    heard = await heard_by(peer, ALL)
    assert [event["type"] for event in heard] == [
        event.__struct_config__.tag for event in ALL[:count]
    ]


@pytest.mark.asyncio
async def test_a_slow_client_gets_the_newest_partial_of_each_utterance_and_every_final() -> None:
    peer = Peer("p1", Port.CONTROL, Role.VIEWER, every_event=False)
    events = [partial(1, 1), partial(1, 2), partial(1, 1, "b1.1"), final(1), partial(2, 1)]
    heard = await heard_by(peer, [*events, partial(2, 2), final(3), final(4)])
    assert [event["text"] for event in heard] == [
        "partial 1.1",
        "final 1",
        "partial 2.2",
        "final 3",
        "final 4",
    ]
    assert peer.outbox.merged == 3
