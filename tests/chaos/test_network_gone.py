"""A network that is gone for a while, and comes back: the transcript is that of one that stood.

The short form scales times down (a place is kept for 6 s, a cut lasts 0.4, 1.6 and 4 s); the long
form has real ones: `bash run_tests.sh soak tests/chaos/test_network_gone.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.network_cuts import LiveSpeech
from benchmarks.tcp_line import TcpLine
from client import AsrConnection, connect
from client.addresses import Addresses
from client.conversation import Conversation
from client.feed import Feed
from client.resumption import Resumption
from tests.support.recorder import Recorder
from tests.support.running_server import RunningServer, run_server
from tests.support.speaking import say_all
from tests.support.speech import pcm16, utterances
from tests.support.watchman import at_rest, back_to, watching

LENGTHS_S = (0.8, 1.4, 0.6, 1.0)
SCALED: dict[str, Any] = {"resume_s": 6.0, "wire_partial_s": 0.1, "wire_final_s": 0.2}
KINDS = ("cut", "freeze")
RUNS = 20


async def speak_over(
    server: RunningServer, number: int, kind: str, for_s: float, said: bytes
) -> tuple[list[str], bool]:
    """A live speaker with the Python client, whose network goes somewhere in the middle."""
    chance = random.Random(number)
    ports = server.app.ports
    view, resumption = Recorder(), Resumption()
    async with TcpLine(ports.control) as control, TcpLine(ports.audio) as audio:
        where = Addresses(f"ws://127.0.0.1:{control.port}", f"ws://127.0.0.1:{audio.port}")

        def connecting(name: str | None) -> AbstractAsyncContextManager[AsrConnection]:
            return connect(where, session=name or f"s{number}", resumption=resumption)

        live = LiveSpeech(np.frombuffer(said, "<i2"))
        conversation = Conversation(connecting, Feed(live), view, jitter=lambda: 0.0)
        holding = asyncio.create_task(conversation.hold())
        await asyncio.sleep(chance.uniform(0.2, 0.8) * len(said) / 32_000)
        for line in (control, audio):
            (line.cut if kind == "cut" else line.freeze)()
        await asyncio.sleep(for_s)
        for line in (control, audio):
            line.mend()
        await holding
    return view.finals, conversation.failed


async def networks_go(
    tmp_path: Path, gone: Sequence[tuple[str, float]], times: int, **changes: Any
) -> None:
    """All of them at the same time, each with its own speaker."""
    said = pcm16(utterances(*LENGTHS_S * times))
    async with run_server(tmp_path, **changes) as server:
        async with server.audio("?events=all&session=whole") as audio:
            expected = await say_all(audio, said)
        assert len(expected) == len(LENGTHS_S) * times
        with watching() as watchman:
            before = await at_rest()
            heard = await asyncio.gather(
                *(
                    speak_over(server, number, kind, for_s, said)
                    for number, (kind, for_s) in enumerate(gone)
                )
            )
            assert watchman.troubles == []
            assert await back_to(before) == before
    lost = [which for which, each in zip(gone, heard, strict=True) if each != (expected, False)]
    assert lost == [], f"{len(lost)} of {len(gone)} transcripts differ"


async def test_networks_that_are_gone_for_a_while(tmp_path: Path) -> None:
    gone = [(kind, for_s) for kind in KINDS for for_s in (0.4, 1.6, 4.0)]
    await networks_go(tmp_path, gone, times=1, **SCALED)


@pytest.mark.soak
@pytest.mark.parametrize("for_s", [5.0, 20.0, 50.0])
@pytest.mark.parametrize("kind", KINDS)
async def test_twenty_networks_that_are_gone(tmp_path: Path, kind: str, for_s: float) -> None:
    await networks_go(tmp_path, [(kind, for_s)] * RUNS, times=2)
