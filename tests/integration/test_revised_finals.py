"""A client that asked for revised finals, and one of the same session that did not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from asr.engine import Prepared
from asr.scripted_engine import GATE_LIMIT_S, ScriptedEngine
from asr.types import DecodeKind, DecodeRequest, Hypothesis
from tests.support.running_server import Client, RunningServer, ScriptedModels, run_server
from tests.support.speech import pcm16, utterances

NOBODY_SPOKE = Hypothesis("", (), avg_logprob=-1.5, no_speech_prob=0.95, truncated=False)
SHORT_S = 0.8
LONG_S = 2.0
FULL_WINDOW_ENDING = "ครับ"


def is_redo(request: DecodeRequest) -> bool:
    return request.kind is DecodeKind.FINAL and request.options.beam_size > 1


class DoubtfulEngine(ScriptedEngine):
    """Unsure of long utterances with a cut context. Their further decode waits for `redo`, and
    says more, or nothing if it `hears_nobody`."""

    def __init__(self, model_id: str, hears_nobody: bool = False) -> None:
        super().__init__(model_id)
        self.redo = threading.Event()
        self._hears_nobody = hears_nobody

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        if any(is_redo(prepared.request) for prepared in batch):
            assert self.redo.wait(GATE_LIMIT_S)
        heard = super().decode(batch)
        return [self._as_heard(p.request, h) for p, h in zip(batch, heard, strict=True)]

    def _as_heard(self, request: DecodeRequest, heard: Hypothesis) -> Hypothesis:
        if is_redo(request):
            better = replace(heard, text=heard.text + FULL_WINDOW_ENDING)
            return NOBODY_SPOKE if self._hears_nobody else better
        if request.kind is DecodeKind.FINAL and request.audio_s > LONG_S:
            return replace(heard, avg_logprob=-0.8)
        return heard


def kinds(client: Client) -> list[tuple[int, bool | None]]:
    return [(final["utterance_id"], final.get("provisional")) for final in client.finals()]


async def end(client: Client) -> None:
    """The acknowledgement comes after every final."""
    await client.ask({"type": "audio_end", "request_id": "r"}, "audio_end_ack")


async def counters_of(server: RunningServer) -> dict[str, float]:
    async with server.control() as control:
        counters: dict[str, float] = (await control.ask({"type": "get_statistics"}, "statistics"))[
            "counters"
        ]
        return counters


async def hear_rest(client: Client) -> None:
    """Everything sent before the pong."""
    await client.ask({"type": "ping"}, "pong")


async def test_the_one_gets_both_in_order_and_the_other_exactly_one_final(tmp_path: Path) -> None:
    engine = DoubtfulEngine("scripted")
    async with (
        run_server(tmp_path, ScriptedModels(lambda _: engine)) as server,
        server.audio("") as speaker,
        server.audio("?finals=revised") as revised,
        server.control("?finals=revised") as control,
    ):
        assert (await control.until("connected"))["finals"] == "revised"
        await speaker.send(pcm16(utterances(SHORT_S, 3.0, SHORT_S)))
        await revised.until("final_transcription", lambda final: final["utterance_id"] == 2)
        assert kinds(revised) == [(1, None), (2, True)]
        engine.redo.set()
        await end(speaker)
        await hear_rest(revised)
        await hear_rest(control)
        assert kinds(speaker) == [(1, None), (2, None), (3, None)]
        assert kinds(revised) == [(1, None), (2, True), (2, None), (3, None)]
        assert control.finals() == revised.finals()
        assert [final for final in revised.finals() if "provisional" not in final] == (
            speaker.finals()
        )
        _, quick, concluded, _ = revised.finals()
        assert concluded["text"] == quick["text"] + FULL_WINDOW_ENDING
        assert concluded["revision"] > quick["revision"]
        counters = await counters_of(server)
        assert (counters["finals"], counters["finals_provisional"]) == (3, 1)


async def test_no_speech_after_all_is_told_to_those_who_saw_text(tmp_path: Path) -> None:
    engine = DoubtfulEngine("scripted", hears_nobody=True)
    async with (
        run_server(tmp_path, ScriptedModels(lambda _: engine), first_partial_ms=5_000) as server,
        server.audio("") as single,
        server.audio("?finals=revised") as revised,
    ):
        await single.send(pcm16(utterances(3.0)))
        quick = await revised.until("final_transcription")
        engine.redo.set()
        await end(single)
        taken_back = await revised.until("final_transcription")
        assert (quick["provisional"], taken_back["provisional"]) == (True, False)
        assert (taken_back["text"], taken_back["reason"]) == ("", "no_speech")
        assert taken_back["revision"] > quick["revision"]
        assert single.finals() == []
        assert "finals" not in await counters_of(server)


async def test_audio_config_opts_in_and_out_and_else_changes_nothing(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server, server.audio("?finals=revised&events=all") as audio:
        assert (await audio.until("connected"))["finals"] == "revised"

        async def configured(**fields: Any) -> object:
            answer = await audio.ask({"type": "audio_config", **fields}, "audio_configured")
            return answer["finals"]

        assert await configured() == "revised"
        assert await configured(finals="single") == "single"
        assert await configured(channels=2) == "single"
        assert await configured(finals="revised") == "revised"
        refused = await audio.ask({"type": "audio_config", "finals": "both"}, "error")
        assert refused["code"] == "bad_message"
        assert await configured() == "revised"


async def test_another_word_is_refused_on_either_port(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        for url in (server.control_url, server.audio_url):
            with pytest.raises(InvalidStatus) as refused:
                async with asyncio.timeout(10), connect(f"{url}/?finals=both"):
                    pass
            assert refused.value.response.status_code == 400
            assert b"finals is single or revised" in (refused.value.response.body or b"")
