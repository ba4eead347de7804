"""Prepared requests for the tests of the batch queue. Times are plain numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from asr.batching import BatchQueue, Taken
from asr.engine import Prepared
from asr.types import DecodeDropped, DecodeKind, DecodeOptions, DecodeRequest
from audio.types import SAMPLE_RATE_HZ

PARTIAL, FINAL = DecodeKind.PARTIAL, DecodeKind.FINAL
TEMPLATE = DecodeRequest(
    request_id=0,
    stream_id="a",
    epoch=0,
    utterance_id=1,
    revision=1,
    kind=PARTIAL,
    audio=np.zeros(SAMPLE_RATE_HZ, np.float32),
    options=DecodeOptions(),
    model_id="m",
    created_s=0.0,
    deadline_s=1.0,
)


def item(
    stream_id: str = "a",
    kind: DecodeKind = PARTIAL,
    *,
    key: str = "k",
    revision: int = 1,
    utterance_id: int = 1,
    epoch: int = 0,
    created_s: float = 0.0,
    deadline_s: float = 1.0,
) -> Prepared:
    request = replace(
        TEMPLATE,
        stream_id=stream_id,
        kind=kind,
        revision=revision,
        utterance_id=utterance_id,
        epoch=epoch,
        created_s=created_s,
        deadline_s=deadline_s,
    )
    return Prepared(request, key, None)


def offered(queue: BatchQueue, *items: Prepared, now_s: float = 0.0) -> list[DecodeDropped]:
    return [drop for each in items for drop in queue.offer(each, now_s)]


def streams(taken: Taken) -> list[str]:
    return [prepared.request.stream_id for prepared in taken.batch]
