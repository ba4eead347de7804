"""What a glossary does: CER of clips, what is said to noise, and time, with Whisper base.

`python -m benchmarks.glossary`; docs/models.md has the figures.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from asr.engine import Engine
from asr.glossary import LONGEST
from asr.quality import ECHO, Attempt, FinalPolicy, QualityGate
from asr.thai_text import spoken
from asr.types import DecodeKind, DecodeOptions, DecodeRequest, ModelSpec, Profile
from audio.types import SAMPLE_RATE_HZ, Samples
from benchmarks.dataset import Clip, evaluation_folder, load_clips
from benchmarks.markdown import markdown
from benchmarks.offline import load_engine
from benchmarks.scoring import Score, bootstrap_difference, cer, corpus_cer

WORKERS = 2
GLOSSARIES: Mapping[str, str] = {
    "none": "",
    "words of the clips": "ทักซ์ แป้นพิมพ์ คลิก เมาส์ ลูกศร สเปซบาร์ ลวดลาย อิฐใส",
    "words of other talk": "ศิริราช พาราเซตามอล วัคซีน ความดัน เบาหวาน deploy server database",
    "both, 200 characters": (
        "ศิริราช พาราเซตามอล วัคซีน ความดัน เบาหวาน ทักซ์ แป้นพิมพ์ คลิก เมาส์ โรงพยาบาล ใบสั่งยา "
        "ผู้ป่วยนอก เวชระเบียน ลูกศร สเปซบาร์ ลวดลาย อิฐใส ห้องฉุกเฉิน แพทย์เวร พยาบาล อายุรกรรม "
        "กุมารเวช ศัลยกรรม ทันตกรรม"
    )[:LONGEST],
}
RARE_WORDS = ("ทักซ์", "แป้นพิมพ์", "เมาส์", "ลูกศร", "สเปซบาร์", "ลวดลาย", "อิฐใส")
"""Counted in the references and in what was heard."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The text of one clip, and what the glossary did to it."""

    text: str
    echoed: bool
    """A decode was taken for the glossary read out."""
    glossary_shown: bool
    """The text has a word of the glossary."""


def hear(engine: Engine, audio: Samples, policy: FinalPolicy, gate: QualityGate) -> Heard:
    """Decode one clip as a final."""
    attempts: list[Attempt] = []
    options: DecodeOptions | None = policy.first()
    while options is not None:
        request = _request(audio, options)
        hypothesis = engine.decode([engine.prepare(request)])[0]
        verdict = gate.judge(hypothesis, request.audio_s, request.audio_s, options.glossary)
        attempts.append(Attempt(options, hypothesis, verdict))
        options = policy.next(attempts)
    text = policy.best(attempts).text
    glossary = attempts[0].options.glossary.split()
    return Heard(
        text,
        echoed=any(ECHO in made.verdict.reasons for made in attempts),
        glossary_shown=any(spoken(word) in spoken(text) for word in glossary),
    )


def hear_all(
    engine: Engine, clips: list[Clip], policy: FinalPolicy, gate: QualityGate
) -> list[Heard]:
    """Every clip, two at a time."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda clip: hear(engine, audio_of(clip), policy, gate), clips))


def time_decodes(engine: Engine, clips: list[Clip]) -> list[list[str]]:
    """One row for each glossary: processor time of a cut, greedy decode of every clip."""
    spent_s = dict.fromkeys(GLOSSARIES, 0.0)
    for clip in clips:
        for name, glossary in GLOSSARIES.items():
            request = _request(
                audio_of(clip), DecodeOptions(context_margin_ms=2_000, glossary=glossary)
            )
            prepared = engine.prepare(request)
            begun_s = time.process_time()
            engine.decode([prepared])
            spent_s[name] += time.process_time() - begun_s
    return [
        [name, f"{1_000 * total_s / len(clips):.0f} ms", f"{total_s / spent_s['none']:.2f}"]
        for name, total_s in spent_s.items()
    ]


def _request(audio: Samples, options: DecodeOptions) -> DecodeRequest:
    return DecodeRequest(
        1, "benchmark", 0, 1, 1, DecodeKind.FINAL, audio, options, "whisper-base", 0.0, 0.0
    )


def audio_of(clip: Clip) -> Samples:
    """float32 at 16 kHz, at most 28 s as an utterance is."""
    samples = clip.samples()[: 28 * SAMPLE_RATE_HZ]
    return samples.astype(np.float32) / np.float32(32_768)


def found_share(clips: list[Clip], texts: list[str]) -> str:
    """How many of the rare words that were said stand in the text heard."""
    said = found = 0
    for clip, text in zip(clips, texts, strict=True):
        for word in RARE_WORDS:
            if word in spoken(clip.text):
                said += 1
                found += word in spoken(text)
    return f"{found} of {said}"


def compare(engine: Engine, spec: ModelSpec, profile: Profile) -> list[list[str]]:
    """One row for each glossary."""
    gate = QualityGate()
    clips = load_clips(evaluation_folder() / "dev.jsonl")
    noises = [
        clip
        for clip in load_clips(evaluation_folder() / "noise.jsonl")
        if clip.row["cls"] not in ("rir", "speech_en")
    ]
    rows: list[list[str]] = []
    baseline: list[Score] = []
    for name, glossary in GLOSSARIES.items():
        policy = FinalPolicy.of_model(profile, spec, glossary)
        texts = [one.text for one in hear_all(engine, clips, policy, gate)]
        scores = [cer(clip.text, text) for clip, text in zip(clips, texts, strict=True)]
        baseline = baseline or scores
        low, high = bootstrap_difference(scores, baseline)
        heard = hear_all(engine, noises, policy, gate)
        rows.append(
            [
                profile.value,
                name,
                f"{corpus_cer(scores):.1%}",
                f"{100 * low:+.1f} to {100 * high:+.1f}",
                found_share(clips, texts),
                str(sum(one.echoed for one in heard)),
                str(sum(one.glossary_shown for one in heard)),
                f"{sum(bool(one.text) for one in heard)} of {len(noises)}",
            ]
        )
        sys.stderr.write(f"{rows[-1]}\n")
    return rows


COLUMNS = (
    "profile",
    "glossary",
    "CER",
    "difference, 95 %, points",
    "its words found",
    "noises answered with the glossary",
    "and shown",
    "noises with a text",
)

TIME_COLUMNS = ("glossary", "processor time of a decode", "to none")


def main() -> None:
    """Write the table."""
    engine, spec = load_engine(workers=WORKERS)
    times = time_decodes(engine, load_clips(evaluation_folder() / "dev.jsonl"))
    sys.stdout.write(markdown(TIME_COLUMNS, times) + "\n\n")
    rows = [row for profile in Profile for row in compare(engine, spec, profile)]
    sys.stdout.write(markdown(COLUMNS, rows) + "\n")
    engine.close()


if __name__ == "__main__":
    main()
