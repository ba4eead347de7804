from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.peers.protocol import RefusedError, Text
from benchmarks.peers.whisperlive import QUIET_S, WhisperLiveSession


def segments(*rows: tuple[float, float, str, bool]) -> dict[str, object]:
    return {
        "uid": "u",
        "segments": [
            {"start": f"{start:.3f}", "end": f"{end:.3f}", "text": text, "completed": completed}
            for start, end, text, completed in rows
        ],
    }


def test_chunks_are_floats() -> None:
    chunk = WhisperLiveSession("u").chunk(np.array([-32768, 0, 16384], dtype=np.int16))
    assert np.frombuffer(chunk, dtype="<f4").tolist() == [-1.0, 0.0, 0.5]


def test_opening_asks_for_thai_with_voice_detection() -> None:
    options = json.loads(WhisperLiveSession("u").opening())
    assert (options["uid"], options["language"], options["use_vad"]) == ("u", "th", True)


def test_ready_and_refused() -> None:
    session = WhisperLiveSession("u")
    assert not session.is_ready(None)
    assert session.is_ready({"message": "SERVER_READY"})
    with pytest.raises(RefusedError, match=r"2\.5"):
        session.is_ready({"status": "WAIT", "message": 2.5})
    with pytest.raises(RuntimeError, match="no model"):
        session.is_ready({"status": "ERROR", "message": "no model"})


def test_only_changes_are_texts() -> None:
    session = WhisperLiveSession("u")
    assert session.texts(1.0, segments((0.5, 1.0, "ก", False))) == [
        Text(1.0, "open", "ก", False, 0.5, 1.0)
    ]
    assert session.texts(2.0, segments((0.5, 2.0, "ก", False))) == []
    assert session.texts(3.0, segments((0.5, 3.0, "กข", False))) == [
        Text(3.0, "open", "กข", False, 0.5, 3.0)
    ]


def test_a_completed_segment_takes_the_place_of_the_open_one() -> None:
    session = WhisperLiveSession("u")
    session.texts(1.0, segments((0.5, 1.0, "ก", False)))
    done = segments((0.5, 1.0, "ก", True))
    assert session.texts(2.0, done) == [
        Text(2.0, "0.500", "ก", False, 0.5, 1.0),
        Text(2.0, "open", "", False, 0.0, 0.0),
    ]
    assert session.texts(3.0, done) == []


def test_a_next_open_segment_replaces_the_completed_one() -> None:
    session = WhisperLiveSession("u")
    session.texts(1.0, segments((0.5, 1.0, "ก", False)))
    both = segments((0.5, 1.0, "ก", True), (6.5, 8.0, "ข", False))
    assert [(text.key, text.text, text.start_s) for text in session.texts(2.0, both)] == [
        ("0.500", "ก", 0.5),
        ("open", "ข", 6.5),
    ]


def test_other_messages_have_no_text() -> None:
    assert WhisperLiveSession("u").texts(1.0, {"message": "DISCONNECT"}) == []


def test_complete_after_a_text_and_quiet() -> None:
    session = WhisperLiveSession("u")
    assert not session.is_complete(QUIET_S + 1)
    session.texts(1.0, segments((0.5, 1.0, "ก", False)))
    assert session.is_complete(QUIET_S + 1)
    assert not session.is_complete(QUIET_S - 1)
