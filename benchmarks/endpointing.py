"""Thai endpointing: how long a silence must be before an utterance ends.

    python -m benchmarks.endpointing                  dev clips and the long recording
    python -m benchmarks.endpointing --clips 6 --out DIR

Compares fixed end silences with silences chosen by what was said up to the pause: short after a
final particle, long after a word that promises more. The text at a pause is the decode of the
audio up to it, as the recogniser makes it there. Offline, deterministic: endpoints are positions
on the audio clock, and the time that a decode takes is not part of them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np

from asr.effects import FinalText
from asr.types import Profile
from audio.frontend import StreamFrontend
from audio.types import (
    SAMPLE_RATE_HZ,
    WINDOW_SAMPLES,
    FrontendConfig,
    Samples,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    ms_to_samples,
)
from audio.vad import SileroModel
from benchmarks.dataset import Clip, Pcm16, evaluation_folder, load_clips
from benchmarks.endpointing_report import Outcome, Part, Tally, judge, report
from benchmarks.offline import OfflineRecogniser, RememberingDecoder, load_engine
from benchmarks.scoring import for_scoring
from benchmarks.stream_metrics import voiced_bounds

DEFAULT_MS: Final = 500
LONG_MS: Final = 800
TAIL_SAMPLES = ms_to_samples(2_500)
"""Silence after a clip."""

PARTICLES: Final = (
    *("ครับ", "ครับผม", "คับ", "ค่ะ", "คะ", "นะ", "จ้ะ", "จ้า", "จ๊ะ", "สิ", "ซิ", "เลย", "แล้ว"),
    *("ด้วย", "หน่อย", "เถอะ", "ไหม", "มั้ย", "หรือเปล่า", "หรือยัง"),
)
"""A sentence seldom goes on after these."""

PROMISES: Final = (
    *("ก็", "ว่า", "ที่", "และ", "แต่", "หรือ", "เพราะ", "ซึ่ง", "โดย", "ของ", "ใน", "กับ", "ให้", "จะ"),
    *("แล้วก็", "ถ้า", "หาก", "เมื่อ", "เพื่อ", "คือ", "เป็น", "จาก", "บน", "ได้แก่", "เช่น", "ตาม"),
)
"""Words that something must follow."""

NEITHER: Final = ("ชนะ", "หน้าที่", "สถานที่", "พื้นที่", "สิ่งของ", "ติดตาม", "จำเป็น")
"""Common longer words that end like one of the above; text is not cut into words here."""

EndSilence = Callable[[str], int]
"""From the text at a pause to the silence, in ms, that ends the utterance there."""


def fixed(ms: int) -> EndSilence:
    """The same silence whatever was said."""
    return lambda _: ms


def adaptive(short_ms: int, long_ms: int = LONG_MS) -> EndSilence:
    """Short after a final particle, long after a word that promises more."""

    def end_silence_ms(text: str) -> int:
        said = for_scoring(text)
        if said.endswith(NEITHER):
            return DEFAULT_MS
        if said.endswith(PARTICLES):
            return short_ms
        return long_ms if said.endswith(PROMISES) else DEFAULT_MS

    return end_silence_ms


POLICIES: Final = {
    **{f"fixed {ms} ms": fixed(ms) for ms in (300, 400, 500, 600, 800)},
    "adaptive 300 / 500 / 800 ms": adaptive(300),
    "adaptive 350 / 500 / 800 ms": adaptive(350),
    "adaptive 500 / 500 / 800 ms": adaptive(500),
    "adaptive 300 / 500 / 500 ms": adaptive(300, DEFAULT_MS),
}
"""Adaptive ones: after a particle / otherwise / after a word that promises more."""


class Listener:
    """Recordings through front end and recogniser, the end silence chosen at each pause."""

    def __init__(self, profile: Profile) -> None:
        engine, self._spec = load_engine(workers=1)
        self._decode = RememberingDecoder(engine)
        self._profile = profile
        self._silero = SileroModel()

    def listen(self, samples: Pcm16, policy: EndSilence) -> Outcome:
        """Every utterance of a recording, under a policy."""
        config = FrontendConfig(end_silence_ms=policy(""))
        frontend = StreamFrontend(SAMPLE_RATE_HZ, config, self._silero)
        recogniser = OfflineRecogniser(self._decode, self._profile, self._spec)
        finals: list[FinalText] = []
        ended_at: list[int] = []
        pauses: list[tuple[str, int]] = []
        audio: Samples = samples.astype(np.float32) / np.float32(32_768)
        for start in range(0, len(audio) + WINDOW_SAMPLES, WINDOW_SAMPLES):
            window = audio[start : start + WINDOW_SAMPLES]
            for item in frontend.push(window) if len(window) else frontend.flush():
                finals += recogniser.feed(item)
                if isinstance(item, SpeechPaused):
                    text = recogniser.text_at_pause()
                    pauses.append((text, policy(text)))
                    frontend.set_config(replace(config, end_silence_ms=pauses[-1][1]))
                elif isinstance(item, SpeechResumed | SpeechEnded):
                    frontend.set_config(config)
                if isinstance(item, SpeechEnded):
                    ended_at.append(frontend.position_samples)
        return Outcome(tuple(finals), tuple(ended_at), tuple(pauses))


def clip_part(clip: Clip, samples: Pcm16) -> Part:
    """A clip as the one part of its recording."""
    first_s, last_s = voiced_bounds(samples)
    return Part(clip.id, clip.text, (_at(first_s), _at(last_s)))


def segment_parts(clip: Clip, samples: Pcm16) -> list[Part]:
    """The sentences of a long recording."""
    parts = []
    for index, segment in enumerate(clip.row["segments"]):
        start = _at(segment["start"])
        first_s, last_s = voiced_bounds(samples[start : _at(segment["end"])])
        voiced = (start + _at(first_s), start + _at(last_s))
        parts.append(Part(f"{clip.id} {index}", segment["text"], voiced))
    return parts


def _at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)


def measure(
    listener: Listener, recordings: Sequence[tuple[Pcm16, Sequence[Part]]]
) -> Mapping[str, Tally]:
    """Every policy over recordings, each of which is a stream of its own with silence after it."""
    tallies = {}
    for name, policy in POLICIES.items():
        outcomes = [
            (parts, listener.listen(np.pad(samples, (0, TAIL_SAMPLES)), policy))
            for samples, parts in recordings
        ]
        tallies[name] = judge(outcomes)
        sys.stderr.write(f"{name}: {len(outcomes)} recordings\n")
    return tallies


def endings(clips: Sequence[Clip]) -> str:
    """How many texts end so that an adaptive policy does anything."""
    chosen = [adaptive(DEFAULT_MS - 1)(clip.text) for clip in clips]
    short, long = (sum(sign * (ms - DEFAULT_MS) > 0 for ms in chosen) for sign in (-1, 1))
    return (
        f"Of {len(clips)} clips {short} end in a final particle and {long} in a word that "
        "promises more."
    )


def main() -> int:
    """Parse arguments, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=None, help="only the first N clips")
    parser.add_argument("--profile", default="fast", choices=[p.value for p in Profile])
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    folder = evaluation_folder()
    clips = load_clips(folder / "dev.jsonl")[: arguments.clips]
    long = load_clips(folder / "long.jsonl")[0]
    listener = Listener(Profile(arguments.profile))
    single = [(clip.samples(), [clip_part(clip, clip.samples())]) for clip in clips]
    results = {
        "dev clips": measure(listener, single),
        "long recording": measure(
            listener, [(long.samples(), segment_parts(long, long.samples()))]
        ),
    }
    print(endings(clips))
    for name, tallies in results.items():
        print(f"\n{name}\n\n{report(tallies, f'fixed {DEFAULT_MS} ms', DEFAULT_MS)}")
    print(f"\nprofile {arguments.profile}, load average {os.getloadavg()[0]:.2f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = {
        name: {policy: asdict(tally) for policy, tally in tallies.items()}
        for name, tallies in results.items()
    }
    (arguments.out / "endpointing.json").write_text(
        json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
