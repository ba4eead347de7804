"""The Python client over a network that fails: the transcript is that of one that does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.tcp_line import TcpLine
from client import AsrConnection, FinalTranscription, connect
from client.addresses import Addresses
from client.conversation import Conversation
from client.feed import Feed
from client.resumption import Resumption
from client.sources import FileSource
from tests.support.audio_signals import wav_bytes
from tests.support.recorder import Recorder
from tests.support.running_server import RunningServer, run_server
from tests.support.speech import pcm16, utterances

AUDIO = pcm16(utterances(1.0, 1.2, 1.4, 1.6))


@asynccontextmanager
async def lines(server: RunningServer) -> AsyncIterator[tuple[TcpLine, TcpLine]]:
    """The networks to the two ports."""
    ports = server.app.ports
    async with TcpLine(ports.control) as control, TcpLine(ports.audio) as audio:
        yield control, audio


def conversation_over(
    both: tuple[TcpLine, TcpLine], feed: Feed | None, view: Recorder, session: str = "s"
) -> Conversation:
    control, audio = both
    addresses = Addresses(f"ws://127.0.0.1:{control.port}", f"ws://127.0.0.1:{audio.port}")
    resumption = Resumption()

    def connecting(name: str | None) -> AbstractAsyncContextManager[AsrConnection]:
        return connect(
            addresses,
            session=name or session,
            role="viewer" if feed is None else "speaker",
            resumption=resumption,
        )

    return Conversation(connecting, feed, view, jitter=lambda: 0.0)


async def texts_of(url: str) -> list[str]:
    async with connect(url, session="reference") as asr:
        events = [event async for event in asr.transcribe([AUDIO])]
    return [event.text for event in events if isinstance(event, FinalTranscription)]


def speech_file(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(wav_bytes(AUDIO))
    return path


CUTS = [(at_s, which) for at_s in (0.3, 1.2, 3.0, 5.2) for which in ("both", "audio", "control")]


async def test_a_cut_changes_nothing(tmp_path: Path) -> None:
    """Whichever connection is lost and whenever. Each cut happens to a client of its own."""
    speech = speech_file(tmp_path)
    async with run_server(tmp_path, wire_partial_s=0.2, wire_final_s=0.4) as server:
        reference = await texts_of(server.audio_url)
        clients = (cut_in_the_midst(server, speech, at_s, which) for at_s, which in CUTS)
        talks = await asyncio.gather(*clients)
    for cut, (conversation, view) in zip(CUTS, talks, strict=True):
        assert view.finals == reference, cut
        assert not conversation.failed, cut
        assert any("nothing was lost" in note for note in view.notes), cut
        ids = [final.utterance_id for final in conversation.finals]
        assert ids == [1, 2, 3, 4], cut
        starts_ms = [final.start_ms for final in conversation.finals]
        assert starts_ms == pytest.approx([400, 2_400, 4_600, 7_000], abs=500), cut


async def cut_in_the_midst(
    server: RunningServer, speech: Path, at_s: float, which: str
) -> tuple[Conversation, Recorder]:
    """A talk whose networks are gone for longer than the timers that end what the wire leaves."""
    view = Recorder()
    async with lines(server) as both:
        feed = Feed(FileSource(speech, paced=True))
        conversation = conversation_over(both, feed, view, session=f"{which}-{at_s}")
        holding = asyncio.create_task(conversation.hold())
        await view.until(lambda: view.done_s >= at_s)
        hit = {"both": both, "audio": both[1:], "control": both[:1]}[which]
        for line in hit:
            line.cut()
        await asyncio.sleep(0.8)
        for line in hit:
            line.mend()
        await holding
    return conversation, view


async def test_a_frozen_network_changes_nothing(tmp_path: Path) -> None:
    """Neither side hears of it: the server must not take the silence for the speaker's."""
    view = Recorder()
    async with (
        run_server(tmp_path, wire_partial_s=0.2, wire_final_s=0.4) as server,
        lines(server) as both,
    ):
        reference = await texts_of(server.audio_url)
        conversation = conversation_over(
            both, Feed(FileSource(speech_file(tmp_path), paced=True)), view
        )
        holding = asyncio.create_task(conversation.hold())
        await view.until(lambda: view.done_s >= 1.2)
        for line in both:
            line.freeze()
        await asyncio.sleep(2.0)
        for line in both:
            line.mend()
        await holding
    assert view.finals == reference
    assert not conversation.failed


async def test_a_viewer_misses_nothing(tmp_path: Path) -> None:
    view = Recorder()
    async with run_server(tmp_path) as server, lines(server) as both:
        viewing = conversation_over(both, None, view)
        holding = asyncio.create_task(viewing.hold())
        async with server.audio("?session=s&events=all") as speaker:
            await speaker.send(pcm16(utterances(1.0, 1.2)))
            await view.until(lambda: len(view.finals) == 2)
            for line in both:
                line.cut()
            await view.until(lambda: any("lost" in note for note in view.notes))
            await speaker.send(pcm16(utterances(1.4)))
            await speaker.send({"type": "audio_end"})
            await speaker.until("audio_end_ack")
            for line in both:
                line.mend()
            await view.until(lambda: len(view.finals) == 3)
        viewing.stop()
        await holding
        assert view.finals == speaker.texts()


async def test_a_late_viewer_is_shown_what_was_said(tmp_path: Path) -> None:
    view = Recorder()
    async with run_server(tmp_path) as server, lines(server) as both:
        async with server.audio("?session=s&events=all") as speaker:
            await speaker.send(pcm16(utterances(1.0, 1.2)))
            await speaker.send({"type": "audio_end"})
            await speaker.until("audio_end_ack")
            viewing = conversation_over(both, None, view)
            holding = asyncio.create_task(viewing.hold())
            await view.until(lambda: len(view.finals) == 2)
        viewing.stop()
        await holding
        assert view.finals == speaker.texts()
        assert [final.start_ms for final in viewing.finals] == [0, 0], "before its clock began"
