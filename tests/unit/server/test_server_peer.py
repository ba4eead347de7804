"""What a connection hears, and how its partials and finals are queued."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec import UNSET, UnsetType

from server.messages import (
    ErrorEvent,
    Event,
    FinalTranscription,
    Pong,
    RealtimeTranscription,
    RecordingStateEvent,
    SpeechStartedEvent,
)
from server.outbox import MAX_EVENTS
from server.peer import Finals, Peer, Port, Role


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


def final(
    utterance_id: int, provisional: bool | UnsetType = UNSET, name: str = "final"
) -> FinalTranscription:
    return FinalTranscription(
        text=f"{name} {utterance_id}",
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
        provisional=provisional,
    )


def quick(utterance_id: int) -> FinalTranscription:
    return final(utterance_id, provisional=True, name="quick")


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


@pytest.mark.asyncio
@pytest.mark.parametrize("port", Port)
@pytest.mark.parametrize("every_event", [False, True])
async def test_only_who_asked_for_revised_finals_hears_of_provisional_ones(
    port: Port, every_event: bool
) -> None:
    events: list[Event] = [quick(1), partial(2, 1), final(1), final(2, provisional=False)]
    single = Peer("p1", port, Role.SPEAKER, every_event)
    assert [event["text"] for event in await heard_by(single, events)] == ["partial 2.1", "final 1"]
    revised = Peer("p2", port, Role.SPEAKER, every_event, Finals.REVISED)
    assert [event["text"] for event in await heard_by(revised, [quick(1), final(3, False)])] == [
        "quick 1",
        "final 3",
    ]


@pytest.mark.asyncio
async def test_a_quick_final_replaces_waiting_partials_and_the_final_a_waiting_quick_one() -> None:
    peer = Peer("p1", Port.AUDIO, Role.SPEAKER, every_event=False, finals=Finals.REVISED)
    events = [partial(1, 1), partial(2, 1), quick(1), quick(2), final(1)]
    assert [event["text"] for event in await heard_by(peer, events)] == ["quick 2", "final 1"]


@pytest.mark.asyncio
async def test_no_connection_is_closed_for_the_quick_finals_that_it_does_not_read() -> None:
    peer = Peer("p1", Port.AUDIO, Role.SPEAKER, every_event=False, finals=Finals.REVISED)
    for number in range(2 * MAX_EVENTS):
        peer.send(quick(number))
    assert not peer.outbox.overflowed
    assert len(await heard_by(peer, [])) == MAX_EVENTS
