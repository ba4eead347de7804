"""Whatever comes in on either port is a request, audio, or a ProtocolError; never more."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server.protocol import (
    AUDIO_REQUESTS,
    CONTROL_REQUESTS,
    ProtocolError,
    Request,
    parse_audio,
    parse_control,
)

Parser = Callable[[str | bytes], object]

CODES = {"bad_json", "bad_message", "unknown_type", "bad_base64", "binary_on_control"}
TYPES = [str(r.__struct_config__.tag) for r in (*CONTROL_REQUESTS, *AUDIO_REQUESTS)]
FIELDS = ["type", "request_id", "model_id", "settings", "data", "sample_rate", "channels"]
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**500), max_value=10**500),
    st.floats(),  # NaN and infinities, written as JavaScript writes them
    st.text(),
    st.sampled_from(TYPES),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def objects_with_known_fields(draw: st.DrawFn) -> str:
    """JSON objects of known fields with any value, some of them twice, in any order."""
    fields = draw(st.lists(st.tuples(st.sampled_from(FIELDS), VALUES), max_size=6))
    if draw(st.booleans()):
        fields.append(("type", draw(st.sampled_from(TYPES))))
    ascii_only = draw(st.booleans())
    pairs = (f"{json.dumps(k)}:{json.dumps(v, ensure_ascii=ascii_only)}" for k, v in fields)
    return "{" + ",".join(pairs) + "}"


VALID = [
    '{"type":"load_model","model_id":"biodatlab-medium-faster","request_id":"r1"}',
    '{"type":"update_config","settings":{"vad":"energy","vad_threshold":0.02}}',
    '{"type":"audio_chunk","data":"AAECAwQF"}',
    '{"type":"audio_config","encoding":"mulaw","sample_rate":8000,"channels":2}',
    '{"type":"audio_end"}',
]


@st.composite
def damaged_messages(draw: st.DrawFn) -> str:
    """A good message with a few pieces cut out, doubled, or replaced."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 8)))
        piece = draw(
            st.sampled_from(["", text[start:end] * 2, "\\u", "\\ud800", "\x00", '"', "[", "9" * 50])
        )
        text = text[:start] + piece + text[end:]
    return text


MESSAGES = st.one_of(ANY_TEXT, st.binary(), objects_with_known_fields(), damaged_messages())


@pytest.mark.parametrize("parse", [parse_control, parse_audio])
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(message=MESSAGES)
@example(message="[" * 200_000)
@example(message='{"type":' * 100_000)
@example(message='{"type":"ping","x":' + '{"x":' * 50_000 + "1" + "}" * 50_001)
@example(message='{"type":"audio_config","sample_rate":' + "9" * 100_000 + "}")
@example(message='{"type":"update_config","settings":{"a":-1e-999999}}')
def test_a_message_is_a_request_or_a_protocol_error(parse: Parser, message: str | bytes) -> None:
    outcome = outcome_of(parse, message)
    if isinstance(outcome, ProtocolError):
        assert outcome.code in CODES
        assert outcome.message.encode(), "what is said of it can be sent"
        assert outcome.request_id is None or isinstance(outcome.request_id, str)
        return
    assert isinstance(outcome, Request | bytes)
    assert not (parse is parse_control and isinstance(message, bytes))


def outcome_of(parse: Parser, message: str | bytes) -> object:
    try:
        return parse(message)
    except ProtocolError as error:
        return error


@given(audio=st.binary(), padding=st.sampled_from(["", " ", "\n\t "]))
def test_audio_survives_base64(audio: bytes, padding: str) -> None:
    data = base64.b64encode(audio).decode()
    text = f'{padding}{{"data":{padding}"{data}", "type":"audio_chunk"}}{padding}'
    assert parse_audio(text) == audio
    assert parse_audio(audio) == audio


@given(damage=st.text(min_size=1).filter(lambda t: re.search(r"[^A-Za-z0-9+/=]", t)))
def test_what_is_not_base64_is_refused(damage: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse_audio(json.dumps({"type": "audio_chunk", "data": f"AAAA{damage}AAAA"}))
    assert caught.value.code == "bad_base64"
