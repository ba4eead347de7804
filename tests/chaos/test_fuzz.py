"""Mutated traffic on both ports, end to end, beside people who speak.

The short form takes seconds; `bash run_tests.sh soak tests/chaos/test_fuzz.py` goes on for
THAI_ASR_SOAK_FUZZ_S (300) each. A trouble names the seed of the newest client.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.access import access_file, by_header, token_of
from tests.support.bad_clients import misbehave
from tests.support.raw_websocket import RawWebSocket
from tests.support.running_server import Client, RunningServer, run_server
from tests.support.speaking import say_all, troubles
from tests.support.speech import pcm16, utterances
from tests.support.watchman import Watchman, at_rest, back_to, crowded_pools, left_over, watching

SHORT_S = float(os.environ.get("THAI_ASR_FUZZ_S", "5"))
LONG_S = float(os.environ.get("THAI_ASR_SOAK_FUZZ_S", "300"))
TOGETHER = 6
SAID = pcm16(utterances(1.0, 0.6, 1.8, 0.8))
PACE_S = 0.02
"""Five times as fast as speech: many words while others misbehave."""

MEANT_TO_HAPPEN = {"audio_gap", "bad_json", "bad_message", "binary_on_control", "unknown_type"}
"""Errors; else the traffic is not as bad as it should be."""

RESUME_S = 0.5
QUICK: dict[str, Any] = {"resume_s": RESUME_S, "keep_model_s": 0.0, "authenticate_s": 0.5}
Opening = Callable[[str], AbstractAsyncContextManager[Client]]


def told(audio: Client) -> list[tuple[Any, ...]]:
    """A transcript, without what depends on time and on the model's name."""
    keys = ("utterance_id", "text", "start_ms", "end_ms", "end_reason")
    return [tuple(final[key] for key in keys) for final in audio.finals()]


async def transcript(opening: Opening, session: str, pace_s: float = 0.0) -> list[tuple[Any, ...]]:
    async with opening(f"?events=all&session={session}") as audio:
        await say_all(audio, SAID, pace_s)
        assert troubles(audio) == []
        return told(audio)


async def speak_on(opening: Opening, session: str, stop: asyncio.Event) -> list[Any]:
    """The transcripts of one neighbour, who speaks until there is no fuzz any more."""
    heard = []
    while not stop.is_set():
        heard.append(await transcript(opening, session, PACE_S))
    return heard


async def misbehave_together(
    server: RunningServer,
    watchman: Watchman,
    tokens: Sequence[str],
    *,
    run: int,
    each: int,
    seconds: float,
) -> int:
    """Several bad clients at a time, for so long or until each was so many; how many."""
    until_s = time.monotonic() + seconds

    async def one_after_another(first: int) -> int:
        for seed in range(first, first + each):
            watchman.doing = f"seed {seed}"
            await misbehave(server.app.ports.control, server.app.ports.audio, seed, tokens)
            if time.monotonic() > until_s:
                return seed - first + 1
        return each

    firsts = [10**6 * (TOGETHER * run + number) for number in range(TOGETHER)]
    return sum(await asyncio.gather(*map(one_after_another, firsts)))


async def kinds_of_errors(server: RunningServer) -> set[str]:
    """Codes of errors that the server has told of."""
    raw = await RawWebSocket.connect(server.app.ports.control)
    raw.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    page = (await raw.reader.read()).decode()
    await raw.close()
    return set(re.findall(r'errors_total\{code="(\w+)"\}', page))


async def fuzz(
    server: RunningServer, opening: Opening, seconds: float, tokens: Sequence[str] = ("",)
) -> None:
    expected = await transcript(opening, "alone")
    assert len(expected) == 4
    with watching() as watchman:
        # so that what is made at first use, or once, is there
        await misbehave_together(server, watchman, tokens, run=0, each=10, seconds=seconds)
        await asyncio.sleep(RESUME_S + 1.0)  # and what may come back is given up
        before = await at_rest()
        stop = asyncio.Event()
        neighbours = [
            asyncio.create_task(speak_on(opening, f"neighbour-{number}", stop))
            for number in range(2)
        ]
        count = await misbehave_together(
            server, watchman, tokens, run=1, each=10**6, seconds=seconds
        )
        stop.set()
        heard = [each for neighbour in neighbours for each in await neighbour]
        assert watchman.troubles == []
    print(f"{count} bad clients beside {len(heard)} transcripts")
    assert count > 2 * seconds
    assert all(each == expected for each in heard)
    assert await back_to(before) == before
    assert left_over() == {}
    assert crowded_pools() == {}
    assert await transcript(opening, "afterwards") == expected
    assert await kinds_of_errors(server) >= MEANT_TO_HAPPEN


async def fuzz_open_server(tmp_path: Path, seconds: float) -> None:
    async with run_server(tmp_path, **QUICK) as server:
        await fuzz(server, server.audio, seconds)


async def fuzz_guarded_server(tmp_path: Path, seconds: float) -> None:
    tokens = ("", "wrong-token-0123456789", *map(token_of, ("boss", "desk", "screen")))
    path = str(access_file(tmp_path))
    async with run_server(tmp_path, access_file=path, **QUICK) as server:

        def opening(query: str) -> AbstractAsyncContextManager[Client]:
            return by_header(server.audio_url, token_of("court"), query)

        await fuzz(server, opening, seconds, tokens)


async def test_mutated_traffic_harms_nobody(tmp_path: Path) -> None:
    await fuzz_open_server(tmp_path, SHORT_S)


async def test_mutated_traffic_harms_nobody_where_there_are_tokens(tmp_path: Path) -> None:
    await fuzz_guarded_server(tmp_path, SHORT_S)


@pytest.mark.soak
@pytest.mark.timeout(LONG_S + 300)
async def test_minutes_of_mutated_traffic(tmp_path: Path) -> None:
    await fuzz_open_server(tmp_path, LONG_S)


@pytest.mark.soak
@pytest.mark.timeout(LONG_S + 300)
async def test_minutes_of_mutated_traffic_where_there_are_tokens(tmp_path: Path) -> None:
    await fuzz_guarded_server(tmp_path, LONG_S)
