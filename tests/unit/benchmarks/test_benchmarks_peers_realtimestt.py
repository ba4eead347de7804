from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from benchmarks.peers.protocol import RefusedError, Text
from benchmarks.peers.realtimestt import QUIET_S, RealtimeSttSession

STARTED: dict[str, object] = {"type": "timeline", "event": "recording_started"}
ENDED: dict[str, object] = {"type": "timeline", "event": "recording_ended"}


def realtime(text: str) -> dict[str, object]:
    return {"type": "realtime", "text": text}


def final(text: str) -> dict[str, object]:
    return {"type": "final", "text": text}


def replay(*messages: tuple[float, dict[str, object]]) -> tuple[RealtimeSttSession, list[Text]]:
    session = RealtimeSttSession()
    return session, [text for at_s, message in messages for text in session.texts(at_s, message)]


def test_a_chunk_is_head_length_head_and_samples() -> None:
    samples = np.arange(-3, 5, dtype=np.int16)
    packet = RealtimeSttSession().chunk(samples)
    (length,) = struct.unpack_from("<I", packet)
    head = json.loads(packet[4 : 4 + length])
    assert (head["sampleRate"], head["channels"], head["frames"]) == (16_000, 1, 8)
    assert np.array_equal(np.frombuffer(packet[4 + length :], dtype="<i2"), samples)


def test_ready_comes_after_the_greeting() -> None:
    session = RealtimeSttSession()
    assert not session.is_ready(None)
    assert not session.is_ready({"type": "hello"})
    assert session.is_ready({"type": "ready"})


def test_a_full_server_refuses() -> None:
    with pytest.raises(RefusedError, match="limit"):
        RealtimeSttSession().is_ready({"type": "error", "where": "admission", "message": "limit"})


def test_texts_have_the_range_of_their_recording() -> None:
    _, texts = replay(
        (1.0, STARTED),
        (2.0, realtime("ก")),
        (3.0, ENDED),
        (3.5, realtime("กข")),
        (4.0, final("กขค")),
    )
    assert texts == [
        Text(2.0, "0", "ก", False, 1.0, 2.0),
        Text(3.5, "0", "กข", False, 1.0, 3.0),
        Text(4.0, "0", "กขค", True, 1.0, 3.0),
    ]


def test_a_final_that_comes_during_the_next_recording_belongs_to_the_first() -> None:
    session, texts = replay(
        (1.0, STARTED),
        (3.0, ENDED),
        (6.0, STARTED),
        (7.0, final("หนึ่ง")),
        (7.5, realtime("สอ")),
        (9.0, ENDED),
    )
    assert texts[0] == Text(7.0, "0", "หนึ่ง", True, 1.0, 3.0)
    assert texts[1].key == "1"
    assert not session.is_complete(QUIET_S + 1)
    assert session.texts(12.0, final("สอง")) == [Text(12.0, "1", "สอง", True, 6.0, 9.0)]
    assert session.is_complete(QUIET_S + 1)
    assert not session.is_complete(QUIET_S - 1)


def test_an_interim_text_after_its_final_is_dropped() -> None:
    _, texts = replay((1.0, STARTED), (3.0, ENDED), (4.0, final("ก")), (4.5, realtime("กก")))
    assert [text.text for text in texts] == ["ก"]


def test_an_error_in_place_of_a_final_empties_the_text() -> None:
    _, texts = replay(
        (1.0, STARTED),
        (2.0, realtime("ก")),
        (3.0, ENDED),
        (4.0, {"type": "error", "where": "final", "message": "no text"}),
        (5.0, STARTED),
        (6.0, ENDED),
        (7.0, final("ข")),
    )
    assert texts[1:] == [Text(4.0, "0", "", True, 1.0, 3.0), Text(7.0, "1", "ข", True, 5.0, 6.0)]
