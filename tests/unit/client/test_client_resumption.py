from __future__ import annotations

import json

from msgspec import UNSET

from client.resumption import Resumption
from server.limit_messages import Limits
from server.messages import Connected, Notice


def connected(
    token: str = "t", *, resumed: bool | None = None, received: int | None = None
) -> Connected:
    return Connected(
        current_model="m",
        session_id="s",
        audio_port=2,
        control_port=1,
        role="speaker",
        limits=Limits(
            max_audio_message_bytes=1,
            max_control_message_bytes=1,
            max_utterance_s=1.0,
            inbox_audio_s=1.0,
        ),
        sample_rate=16_000,
        chunk_size=1024,
        channels=1,
        audio_format="pcm16",
        resume_token=token or UNSET,
        last_event_id=3,
        resumed=UNSET if resumed is None else resumed,
        received_messages=UNSET if received is None else received,
    )


def test_the_first_time_there_is_nothing_to_say() -> None:
    place = Resumption()
    assert place.wish == "new"
    assert place.first_message() is None
    assert not place.possible
    assert not place.greeted(connected())
    assert place.possible


def test_who_comes_back_says_what_it_heard_last() -> None:
    place = Resumption()
    place.greeted(connected("secret"))
    place.heard(Notice(level="info", code="c", message="", event_id=7))
    place.heard(Notice(level="info", code="c", message=""))
    assert place.wish == "back"
    words = place.first_message()
    assert words is not None
    assert json.loads(words) == {
        "type": "resume",
        "resume_token": "secret",
        "last_event_id": 7,
        "request_id": None,
    }


def test_what_the_server_does_not_have_is_sent_again() -> None:
    place = Resumption()
    place.greeted(connected())
    for message in ("config", b"one", b"two", b"three"):
        place.sending(message)
    place.acknowledged(2)
    place.acknowledged(1)
    assert place.unacknowledged() == [b"two", b"three"]
    assert place.greeted(connected("next", resumed=True, received=3))
    assert place.unacknowledged() == [b"three"]
    place.sending(b"four")
    place.acknowledged(4)
    assert place.unacknowledged() == [b"four"]


def test_a_new_place_has_nothing_of_the_old_one() -> None:
    place = Resumption()
    place.greeted(connected())
    place.heard(Notice(level="info", code="c", message="", event_id=7))
    place.sending(b"one")
    assert not place.greeted(connected("other", resumed=False))
    assert place.unacknowledged() == []
    words = place.first_message()
    assert words is not None
    assert json.loads(words)["last_event_id"] == 3, "what was before is not missed"
    place.sending(b"two")
    place.acknowledged(1)
    assert place.unacknowledged() == []


def test_a_server_without_places_keeps_nothing_waiting() -> None:
    place = Resumption()
    place.greeted(connected(""))
    place.sending(b"one")
    assert place.unacknowledged() == []
    assert place.wish == "new"
