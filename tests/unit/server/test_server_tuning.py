"""Recognisers use each model as its pace says."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from asr.calibration import Pace
from asr.effects import Submit
from asr.engine import Engine
from asr.loading import Loader
from asr.memory_rule import Fit, FitVerdict
from asr.models import ModelManager
from asr.types import DecodeKind, DecodeRequest, ModelFormat, ModelSpec, Profile
from audio.types import (
    WINDOW_SAMPLES,
    EndReason,
    FrontendItem,
    PcmBlock,
    SpeechEnded,
    SpeechStarted,
)
from server.settings import Settings
from server.tuning import Recognisers
from tests.support.recogniser_rig import result
from tests.support.running_server import ScriptedModels

PACES = {
    "quick": Pace(Profile.FAST, 600, 1_000, costs=None, keeps_up=True),
    "slow": Pace(Profile.ACCURATE, 1_500, 3_000, costs=None, keeps_up=True),
}


class Host:
    """Runs nothing."""

    def attach(self, model_id: str, engine: Engine) -> None:
        pass

    async def detach(self, model_id: str) -> None:
        pass

    def exchange(self, model_id: str, engine: Engine) -> None:
        pass

    def hold(self, model_id: str) -> None:
        pass

    def reroute(self, model_id: str, answers: str | None) -> None:
        pass


TAKES_NO_PROMPT = "slow"


def manager() -> ModelManager:
    catalogue = {
        name: ModelSpec(
            name,
            name,
            "",
            f"a/{name}",
            ModelFormat.CT2,
            "fast",
            prompt_allowed=name != TAKES_NO_PROMPT,
        )
        for name in PACES
    }
    source = ScriptedModels()
    loader = Loader(
        source,
        pacer=lambda spec, _: PACES[spec.id],
        clock=time.monotonic,
        used_mb=lambda: None,
        judge=lambda *_: FitVerdict(Fit.BESIDE, 0, 0, ""),
    )
    return ModelManager(
        catalogue=catalogue,
        source=source,
        loader=loader,
        host=Host(),
        on_progress=lambda _: None,
        keep_s=0.0,
    )


def decodes(
    recognisers: Recognisers, windows: int, glossary: Callable[[], str] = lambda: ""
) -> list[DecodeRequest]:
    """What is asked for an utterance, every decode being ready at once."""
    recogniser = recognisers.make("s", glossary)
    blocks = (
        PcmBlock(index * WINDOW_SAMPLES, np.zeros(WINDOW_SAMPLES, np.float32))
        for index in range(windows)
    )
    ended = SpeechEnded(windows * WINDOW_SAMPLES, EndReason.FLUSH)
    items: list[FrontendItem] = [SpeechStarted(0, 0), *blocks, ended]
    asked: list[DecodeRequest] = []
    for item in items:
        effects = recogniser.feed([item], now_s=0.0)
        for effect in effects:
            if isinstance(effect, Submit):
                asked.append(effect.request)
                effects += recogniser.on_outcome(result(effect.request), now_s=0.0)
    assert recogniser.idle
    return asked


@pytest.mark.parametrize(
    ("model_id", "partials_s", "beam_size", "margin_ms"),
    [
        ("quick", [0.608, 1.632, 2.656, 3.68, 4.704, 5.728], 1, 1_500),
        ("slow", [1.504, 4.512], 5, None),
    ],
)
async def test_cadence_and_profile_are_those_of_the_models_pace(
    model_id: str, partials_s: list[float], beam_size: int, margin_ms: int
) -> None:
    models = manager()
    await models.load(model_id)
    asked = decodes(Recognisers(Settings(), models), windows=188)
    partials = [request for request in asked if request.kind is DecodeKind.PARTIAL]
    assert [request.audio_s for request in partials] == partials_s
    options = asked[-1].options
    assert asked[-1].kind is DecodeKind.FINAL
    assert (options.beam_size, options.context_margin_ms) == (beam_size, margin_ms)
    await models.close()


async def test_every_decode_is_given_the_sessions_glossary_tidied() -> None:
    models = manager()
    await models.load("quick")
    asked = decodes(Recognisers(Settings(), models), windows=94, glossary=lambda: " ทักซ์,\nserver ")
    assert {request.kind for request in asked} == set(DecodeKind)
    assert {request.options.glossary for request in asked} == {"ทักซ์ server"}
    await models.close()


@pytest.mark.parametrize("empty", ["", "   ", ",\n<|>", "\u200b"])
async def test_an_empty_glossary_changes_no_decode(empty: str) -> None:
    models = manager()
    await models.load("quick")
    recognisers = Recognisers(Settings(), models)
    told, untold = (
        [request.options for request in decodes(recognisers, windows=94, glossary=glossary)]
        for glossary in (lambda: empty, lambda: "")
    )
    assert told == untold
    assert {options.glossary for options in told} == {""}
    await models.close()


async def test_a_glossary_is_asked_for_at_each_utterance() -> None:
    models = manager()
    await models.load("quick")
    given = iter(["first", "second"])
    recogniser = Recognisers(Settings(), models).make("s", lambda: next(given))
    asked: list[str] = []
    for start in (0, 40):
        span = range(start, start + 40)
        blocks = [PcmBlock(n * WINDOW_SAMPLES, np.zeros(WINDOW_SAMPLES, np.float32)) for n in span]
        ended = SpeechEnded((start + 40) * WINDOW_SAMPLES, EndReason.SILENCE)
        began = SpeechStarted(start * WINDOW_SAMPLES, start * WINDOW_SAMPLES)
        effects = recogniser.feed([began, *blocks, ended], now_s=0.0)
        finals = [e.request for e in effects if isinstance(e, Submit)]
        asked += [r.options.glossary for r in finals if r.kind is DecodeKind.FINAL]
    assert asked == ["first", "second"]
    recogniser.abandon()
    await models.close()


async def test_a_model_that_takes_no_prompt_is_given_none_and_that_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = manager()
    await models.load(TAKES_NO_PROMPT)
    recognisers = Recognisers(Settings(), models)
    asked = decodes(recognisers, windows=94, glossary=lambda: "secret")
    assert {request.options.glossary for request in asked} == {""}
    told = [record.getMessage() for record in caplog.records if "glossary" in record.getMessage()]
    assert told == [
        "stream s: the glossary is ignored, slow takes none (prompt_allowed in models.yaml)"
    ]
    decodes(recognisers, windows=94)
    assert len([r for r in caplog.records if "glossary" in r.getMessage()]) == 1
    await models.close()
