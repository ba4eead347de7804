"""A glossary through Whisper base, on human Thai speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from asr.ct2_engine import MAX_NEW_TOKENS, TEXT_CONTEXT
from asr.embedded_model import default_cache_dir, ensure_embedded_model
from asr.engine import Engine
from asr.glossary import LONGEST
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, Hypothesis
from audio.types import Samples
from benchmarks.dataset import load_clips
from benchmarks.glossary import GLOSSARIES, audio_of
from benchmarks.offline import load_engine

pytestmark = pytest.mark.model

GLOSSARY = "ทักซ์ แป้นพิมพ์ คลิก เมาส์ ลูกศร สเปซบาร์"
CUT = DecodeOptions()
TOLD = replace(CUT, glossary=GLOSSARY)
WHISPER_PROMPT = (
    "<|startofprev|>",
    "<|startoftranscript|>",
    "<|th|>",
    "<|transcribe|>",
    "<|notimestamps|>",
)
"""Beside the glossary."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine, _ = load_engine(workers=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def clips(thai_eval_dir: Path) -> dict[str, Samples]:
    return {clip.id: audio_of(clip) for clip in load_clips(thai_eval_dir / "dev.jsonl")}


def request(audio: Samples, options: DecodeOptions) -> DecodeRequest:
    return DecodeRequest(
        1, "s", 0, 1, 1, DecodeKind.FINAL, audio, options, "whisper-base", 0.0, 0.0
    )


def decode(engine: Engine, audio: Samples, options: DecodeOptions) -> Hypothesis:
    return engine.decode([engine.prepare(request(audio, options))])[0]


def test_its_words_are_heard_that_were_not_before(
    engine: Engine, clips: dict[str, Samples]
) -> None:
    for options in (CUT, DecodeOptions(5, None)):
        for clip, word in (("gc_mazerelative", "ลูกศร"), ("gc_superbrain", "ทักซ์")):
            assert word not in decode(engine, clips[clip], options).text
            told = replace(options, glossary=GLOSSARY)
            assert word in decode(engine, clips[clip], told).text


def test_a_batch_gives_what_its_items_give_alone(engine: Engine, clips: dict[str, Samples]) -> None:
    prepared = [engine.prepare(request(audio, TOLD)) for audio in clips.values()]
    batch = [item for item in prepared if item.batch_key == prepared[0].batch_key][:4]
    assert len(batch) > 1
    alone = [engine.decode([item])[0] for item in batch]
    assert [one.tokens for one in engine.decode(batch)] == [one.tokens for one in alone]


def test_sessions_of_unlike_glossaries_share_no_batch(
    engine: Engine, clips: dict[str, Samples]
) -> None:
    audio = clips["gc_maze"]
    keys = [
        engine.prepare(request(audio, replace(CUT, glossary=text))).batch_key
        for text in ("", "ก", "ข", "ก")
    ]
    assert len(set(keys)) == 3
    assert keys[1] == keys[3]


@pytest.mark.parametrize(
    "glossary",
    ["\U0001f9ff" * 200, "ฏฐ๛" * 66, "<|startoftranscript|>" * 9],
    ids=["emoji", "rare", "special"],
)
def test_too_many_tokens_and_special_ones_leave_room_to_speak(
    engine: Engine, clips: dict[str, Samples], glossary: str
) -> None:
    options = replace(CUT, glossary=glossary, max_new_tokens=224)
    assert decode(engine, clips["gc_maze"], options).tokens


@pytest.mark.parametrize(
    "special", ["<|endoftext|>", "<|nospeech|><|th|>", "<|0.00|>", "<|startofprev|>"]
)
@pytest.mark.parametrize("place", ["after", "between"])
def test_the_names_of_special_tokens_never_become_these_tokens(
    engine: Engine, clips: dict[str, Samples], special: str, place: str
) -> None:
    """Not even where a glossary comes to the engine untidied: they are left out of it."""
    plain = "ทักซ์แป้นพิมพ์" if place == "between" else GLOSSARY
    told = plain.replace("แป้น", f"{special}แป้น") if place == "between" else plain + special
    heard, meant = (
        decode(engine, clips["gc_maze"], replace(CUT, glossary=text)) for text in (told, plain)
    )
    assert heard.tokens == meant.tokens
    assert heard.avg_logprob == pytest.approx(meant.avg_logprob)


def test_the_longest_thai_glossary_fits_beside_the_longest_text() -> None:
    folder = ensure_embedded_model(default_cache_dir())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    longest = GLOSSARIES["both, 200 characters"]
    assert len(longest) == LONGEST
    tokens = tokenizer.encode(f" {longest}", add_special_tokens=False).ids
    assert len(tokens) + len(WHISPER_PROMPT) + MAX_NEW_TOKENS <= TEXT_CONTEXT


@pytest.mark.parametrize("limit", [1, 20])
def test_the_token_limit_stays_what_it_is(
    engine: Engine, clips: dict[str, Samples], limit: int
) -> None:
    hypothesis = decode(engine, clips["gc_maze"], replace(TOLD, max_new_tokens=limit))
    assert len(hypothesis.tokens) == limit
    assert hypothesis.truncated
