"""What well-behaved clients of the two ports say, in full: material to be made wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from tests.support.mutating import Message
from tests.support.speech import pcm16, pieces, utterances

SPEECH = pcm16(utterances(0.8, 0.6))
BLOCK_BYTES = 6_400


def _text(**fields: Any) -> str:
    return json.dumps(fields)


CONTROL: Sequence[Message] = (
    _text(type="ping", request_id="p1"),
    _text(type="get_models", request_id="m1"),
    _text(type="get_status"),
    _text(type="get_config", request_id="c1"),
    _text(type="update_config", settings={"end_silence_ms": 600, "noise_reduction": "off"}),
    _text(type="update_config", settings={"glossary": "กรุงเทพ ขอนแก่น"}, request_id="u1"),
    _text(type="start_recording"),
    _text(type="stop_recording", request_id="s1"),
    _text(type="get_statistics", request_id="t1"),
    _text(type="cancel_load", model_id="second"),
    _text(type="end_shadow", model_id="second", keep=False),
    _text(type="load_model", model_id="second", shadow=True),
    _text(type="load_model", model_id="second", request_id="l1"),
    _text(type="ping"),
)
AUDIO_BINARY: Sequence[Message] = (
    _text(type="audio_config", encoding="pcm16", sample_rate=16_000, channels=1, finals="revised"),
    *pieces(SPEECH, BLOCK_BYTES),
    _text(type="audio_end", request_id="e1"),
    _text(type="ping", request_id="p1"),
)
AUDIO_BASE64: Sequence[Message] = (
    *(
        _text(type="audio_chunk", data=base64.b64encode(piece).decode(), seq=number)
        for number, piece in enumerate(pieces(SPEECH, BLOCK_BYTES), start=1)
    ),
    _text(type="audio_end"),
)
AUDIO_FORMATS: Sequence[Message] = (
    _text(type="audio_config", encoding="float32", sample_rate=48_000, channels=2),
    *pieces(utterances(0.3).astype("<f4").tobytes(), 9_600),
    _text(type="audio_config", encoding="mulaw", sample_rate=8_000, channel_mode="split"),
    *pieces(SPEECH[:12_000], 4_000),
    _text(type="audio_end", request_id="e1"),
)
RESUMING: Sequence[Message] = (
    _text(type="resume", resume_token="no-such-token", last_event_id=3),
    *pieces(SPEECH, BLOCK_BYTES),
    _text(type="audio_end"),
)
"""Of a connection with `?resume=back`."""

ON_AUDIO_PORT: Sequence[Sequence[Message]] = (AUDIO_BINARY, AUDIO_BASE64, AUDIO_FORMATS, CONTROL)
"""The last of them by somebody who took the wrong port."""

QUERIES = ("?events=all", "", "?role=viewer", "?resume=new", "?speaker=somsri&finals=revised")
