"""Hostile clients: what becomes of them, and what those who speak notice of it.

The short form has all attacks at once; `bash run_tests.sh soak tests/chaos/test_hostile.py` has
each by itself, for longer.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from asr.scripted_engine import ScriptedEngine
from tests.support.attackers import ATTACKS, attacked
from tests.support.raw_websocket import BINARY, TEXT, RawWebSocket, frame
from tests.support.running_server import RunningServer, ScriptedModels, run_server
from tests.support.speech import pcm16, pieces, utterances
from tests.support.watchman import watching

SENTENCES = 3
SAID = pcm16(utterances(*[0.6] * SENTENCES, pause_s=0.9))
BLOCK_BYTES, BLOCK_S = 2_048, 0.064
SPEAKERS = 3
DECODE_S = 0.08
"""About what a real one takes of such a sentence."""

LATENCY_RATIO = 1.5
HOSTILE_PLACE: dict[str, Any] = {"open_timeout_s": 2.0, "admit_latency_s": 0.0}
"""Nobody is refused for what others use up: it is to be seen whether those inside suffer."""


def speaking_models() -> ScriptedModels:
    return ScriptedModels(lambda spec: ScriptedEngine(spec.id, delay=lambda _: DECODE_S))


async def latencies_s(server: RunningServer, session: str) -> list[float]:
    """How long after its last sound each sentence of a person who speaks live is text."""
    sent_s: list[float] = []
    found: list[float] = []
    async with server.audio(f"?events=all&session={session}") as audio:

        async def listen() -> None:
            for _ in range(SENTENCES):
                final = await audio.until("final_transcription")
                last_block = int(final["end_ms"] / 1_000 / BLOCK_S) - 1
                found.append(time.monotonic() - sent_s[min(last_block, len(sent_s) - 1)])

        listening = asyncio.create_task(listen())
        begun_s = time.monotonic()
        for number, piece in enumerate(pieces(SAID, BLOCK_BYTES), start=1):
            await audio.send(piece)
            sent_s.append(time.monotonic())
            await asyncio.sleep(max(0.0, begun_s + number * BLOCK_S - time.monotonic()))
        await listening
        assert len(audio.texts()) == SENTENCES
        assert all(audio.texts())
    return found


async def people_speak(server: RunningServer, name: str) -> list[float]:
    heard = await asyncio.gather(
        *(latencies_s(server, f"{name}-{number}") for number in range(SPEAKERS))
    )
    return list(itertools.chain(*heard))


async def notice_nothing(tmp_path: Path, kinds: Sequence[str], rounds: int) -> None:
    async with run_server(tmp_path, speaking_models(), **HOSTILE_PLACE) as server:
        ports = server.app.ports
        quiet: list[float] = []
        beside: list[float] = []
        with watching() as watchman:
            for number in range(rounds):
                quiet += await people_speak(server, f"quiet-{number}")
                async with attacked(ports.control, ports.audio, kinds) as counts:
                    beside += await people_speak(server, f"beside-{number}")
                for kind in kinds:
                    assert counts[kind] > 0, counts
            assert watchman.troubles == []
    ratio = statistics.median(beside) / statistics.median(quiet)
    print(
        f"{', '.join(kinds)}: {statistics.median(quiet):.3f} s without, "
        f"{statistics.median(beside):.3f} s beside, ratio {ratio:.2f}"
    )
    assert ratio < LATENCY_RATIO


async def test_all_attacks_at_once_delay_nobody(tmp_path: Path) -> None:
    await notice_nothing(tmp_path, tuple(ATTACKS), rounds=1)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ATTACKS)
async def test_one_attack_delays_nobody(tmp_path: Path, kind: str) -> None:
    await notice_nothing(tmp_path, (kind,), rounds=5)


async def test_compression_is_not_agreed_on_and_a_compressed_frame_closes(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        for port in (server.app.ports.control, server.app.ports.audio):
            for opcode in (TEXT, BINARY):
                raw, head = await RawWebSocket.open(
                    port, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"
                )
                assert head.startswith("HTTP/1.1 101")
                assert "extensions" not in head.lower()
                raw.send(frame(opcode, b"\x4a\x05\x00", reserved=4))
                assert await raw.close_code() == 1002
                await raw.close()
