"""The real model is told to end while people speak Thai."""

from __future__ import annotations

import itertools
import sys

import pytest

from benchmarks.ending import Talk, end
from benchmarks.server_process import running_server

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM ends a process without a word"),
]


def told(talk: Talk) -> list[tuple[int, float]]:
    """What finals and gaps cover, in order."""
    events = (*talk.of("final_transcription"), *talk.of("gap"))
    return sorted((event["start_ms"], event.get("end_ms", float("inf"))) for event in events)


@pytest.mark.usefixtures("thai_eval_dir")
@pytest.mark.parametrize("speakers", [1, 4])
async def test_it_ends_in_time_and_tells_of_everything(speakers: int) -> None:
    with running_server(["--model=whisper-base"]) as server:
        ending = await end(server, speakers, 10.0, file=True)
    assert ending.status == 0
    assert ending.exit_s < 10.0
    ended = silent = 0
    for talk in ending.talks:
        assert talk.close_code == 1012
        spans = told(talk)
        assert spans[-1][1] == float("inf")  # all clients talked on
        assert all(a[1] <= b[0] + 1 for a, b in itertools.pairwise(spans)), spans
        begun = {event["utterance_id"] for event in talk.of("speech_ended")}
        finals = {event["utterance_id"] for event in talk.of("final_transcription")}
        named = {event.get("utterance_id") for event in talk.of("gap")}
        ended += len(begun)
        silent += len(begun - finals - named)
    assert silent <= max(2, ended / 5), "nobody spoke after all, but now and then"
