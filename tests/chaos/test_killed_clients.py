"""Clients that die in mid-word, a hundred times: words are counted in and out.

The scripted engine makes a syllable of every 200 ms of voice, so that a lost piece of audio is a
lost syllable.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from pathlib import Path

from websockets.asyncio.client import connect

from tests.support.raw_websocket import reset_connection
from tests.support.resuming import ResumingClient
from tests.support.running_server import Client, RunningServer, run_server
from tests.support.speech import pcm16, pieces, utterances
from tests.support.watchman import at_rest, back_to, left_over, watching

SAID = pcm16(utterances(1.0, 0.6, 1.4))
BLOCK_BYTES = 3_200
CUTS = range(20, len(SAID) // BLOCK_BYTES, 4)
"""After so many blocks: in words, between words, in pauses."""

KILLS = 100
TOGETHER = 10
SYLLABLE_CHARS = 2


async def spoken_until(server: RunningServer, cut: int, session: str, *, kill: bool) -> None:
    """A speaker of whom the server has taken `cut` blocks, and who leaves then, or dies."""
    address = f"{server.audio_url}/?session={session}&speaker=cut-{cut}"
    async with connect(address) as socket:
        for piece in pieces(SAID, BLOCK_BYTES)[:cut]:
            await socket.send(piece)
        await Client(socket).ask({"type": "ping"}, "pong")  # what came before it was taken
        if kill:
            reset_connection(socket.transport)


async def polite(server: RunningServer, cut: int) -> list[str]:
    """What comes of so many blocks if their speaker closes the connection in order."""
    async with server.control(f"?session=polite-{cut}") as control:
        await spoken_until(server, cut, f"polite-{cut}", kill=False)
        await control.until("recording_state", lambda event: event["state"] == "idle")
        return control.texts()


async def test_a_hundred_clients_killed_in_mid_word_lose_no_word(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        expected = {cut: await polite(server, cut) for cut in CUTS}
        chance = random.Random(1)
        killed = [chance.choice(CUTS) for _ in range(KILLS)]
        heard: defaultdict[str, list[str]] = defaultdict(list)
        with watching() as watchman:
            before = await at_rest()
            for start in range(0, KILLS, TOGETHER):
                async with server.control(f"?session=killed-{start}") as control:
                    some = killed[start : start + TOGETHER]
                    session = f"killed-{start}"
                    await asyncio.gather(
                        *(spoken_until(server, cut, session, kill=True) for cut in some)
                    )
                    wanted = sum(len(expected[cut]) for cut in some)
                    while len(control.finals()) < wanted:
                        await control.until("final_transcription")
                    for final in control.finals():
                        heard[final["stream_id"]].append(final["text"])
            assert await back_to(before) == before
            assert left_over() == {}
            assert watchman.troubles == []
        said = sorted(expected[cut] for cut in killed if expected[cut])
        assert sorted(heard.values()) == said
        syllables_in = sum(len("".join(texts)) // SYLLABLE_CHARS for texts in said)
        syllables_out = sum(len("".join(texts)) // SYLLABLE_CHARS for texts in heard.values())
        assert (syllables_out, len(killed)) == (syllables_in, KILLS)


async def cut_and_come_back(server: RunningServer, seed: int, cuts: int) -> list[str]:
    """One speaker whose connection is reset again and again, wherever that falls."""
    chance = random.Random(seed)
    blocks = pieces(SAID * 4, BLOCK_BYTES)
    at = sorted(chance.sample(range(1, len(blocks)), cuts))
    async with ResumingClient(server.audio_url, f"&session=cut-{seed}") as client:
        for start, end in zip([0, *at], [*at, len(blocks)], strict=True):
            await client.say(blocks[start:end])
            if end == len(blocks):
                break
            if chance.random() < 0.5:
                await asyncio.sleep(chance.uniform(0.0, 0.05))
            reset_connection(client.socket.transport)
            await client.lost()
            assert (await client.connect())["resumed"]
        await client.end()
        ids = [final["utterance_id"] for final in client.finals()]
        assert ids == sorted(set(ids)), "none twice"
        assert not [event for event in client.events if event["type"] in ("error", "gap")]
        return client.texts()


async def test_a_hundred_resets_change_no_character(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        async with server.audio("?events=all&session=uncut") as audio:
            await audio.send(SAID * 4)
            await audio.ask({"type": "audio_end"}, "audio_end_ack")
            expected = audio.texts()
        assert len(expected) == 12
        with watching() as watchman:
            before = await at_rest()
            heard = await asyncio.gather(*(cut_and_come_back(server, n, 20) for n in range(5)))
            assert heard == [expected] * 5
            assert await back_to(before) == before
            assert watchman.troubles == []
