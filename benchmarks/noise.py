"""Noise reduction: what it does to recognition in noise, and what it costs.

    python -m benchmarks.noise                        all clips, noises, ratios and modes
    python -m benchmarks.noise --clips 6 --snr 5 --noise pink --modes off on

Each clip is mixed with noise, 1.5 s of which come before and after it, and recognised offline
with the front end in each mode. Prints Markdown, writes noise.json to --out. Noise alone is
played for 60 s at the level that it has under the median clip.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from asr.effects import FinalText
from asr.types import Profile
from audio.types import FrontendConfig, NoiseReduction
from audio.vad import SileroModel
from benchmarks.dataset import Clip, Pcm16, evaluation_folder, load_clips
from benchmarks.mixing import PAD_SAMPLES, at_power, looped, mix, to_pcm, voiced_power
from benchmarks.noise_report import CLEAN, AloneResult, ClipResult, report
from benchmarks.offline import (
    OfflineRecogniser,
    Range,
    RememberingDecoder,
    covered_mask,
    hear,
    load_engine,
    touches,
    voiced_mask,
)
from benchmarks.scoring import cer

NOISES = {"office": "office", "babble": "cafe", "pink": "synth_pink"}
"""Rows of noise.jsonl."""
MODES = tuple(mode.value for mode in NoiseReduction)
ALONE_SAMPLES = 960_000


@dataclass(frozen=True, slots=True)
class Condition:
    """A noise and how far below the voice it lies; `clean` has neither."""

    noise: str
    snr_db: float | None


class Trial:
    """Everything that the conditions share."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        engine, self._spec = load_engine(arguments.threads)
        self._decode = RememberingDecoder(engine)
        self._silero = SileroModel()
        self._profile = Profile(arguments.profile)
        self._modes: list[str] = arguments.modes
        folder = evaluation_folder()
        self.clips = load_clips(folder / "dev.jsonl")[: arguments.clips]
        recordings = {clip.id: clip for clip in load_clips(folder / "noise.jsonl")}
        self._noises = {name: recordings[NOISES[name]].samples() for name in arguments.noise}
        self._median_power = float(np.median([voiced_power(c.samples()) for c in self.clips]))

    def clip(self, condition: Condition, index: int) -> list[ClipResult]:
        """One clip in one condition, in every mode. The noise's place depends on the clip only."""
        clip = self.clips[index]
        speech = clip.samples()
        noise = self._noises.get(condition.noise)
        offset = 0
        if noise is not None:
            offset = int(np.random.default_rng(index).integers(len(noise)))
        audio = mix(speech, noise, condition.snr_db or 0.0, offset)
        return [self._recognise_clip(clip, speech, audio, condition, mode) for mode in self._modes]

    def alone(self, condition: Condition) -> list[AloneResult]:
        """A minute of one noise, in every mode."""
        bed = looped(self._noises[condition.noise], 0, ALONE_SAMPLES)
        power = self._median_power / 10 ** ((condition.snr_db or 0.0) / 10)
        audio = to_pcm(at_power(bed, power))
        results = []
        for mode in self._modes:
            finals, cpu_s = self._recognise(audio, mode)
            chars = sum(len(final.text) for final in finals)
            results.append(
                AloneResult(
                    condition.noise,
                    condition.snr_db,
                    mode,
                    len(finals),
                    chars,
                    cpu_s,
                    len(audio) / 16_000,
                )
            )
        return results

    def _recognise_clip(
        self, clip: Clip, speech: Pcm16, audio: Pcm16, condition: Condition, mode: str
    ) -> ClipResult:
        finals, cpu_s = self._recognise(audio, mode)
        ranges: list[Range] = [(f.start_sample, f.end_sample) for f in finals]
        shifted = [(start - PAD_SAMPLES, end - PAD_SAMPLES) for start, end in ranges]
        voiced = voiced_mask(speech)
        text = " ".join(final.text for final in finals if final.text)
        errors, length = cer(clip.text, text)
        return ClipResult(
            clip_id=clip.id,
            noise=condition.noise,
            snr_db=condition.snr_db,
            mode=mode,
            errors=errors,
            reference_chars=length,
            voiced_frames=int(voiced.sum()),
            missed_frames=int((voiced & ~covered_mask(len(voiced), shifted)).sum()),
            stray_utterances=sum(not touches(r, (0, len(speech)), 0) for r in shifted),
            text=text,
            cpu_s=cpu_s,
            audio_s=len(audio) / 16_000,
        )

    def _recognise(self, audio: Pcm16, mode: str) -> tuple[list[FinalText], float]:
        """Every utterance found, and the front end's CPU seconds."""
        heard = hear(audio, FrontendConfig(noise_reduction=NoiseReduction(mode)), self._silero)
        recogniser = OfflineRecogniser(self._decode, self._profile, self._spec)
        return [f for item in heard.items for f in recogniser.feed(item)], heard.cpu_s


def run(
    trial: Trial, conditions: Sequence[Condition], threads: int
) -> tuple[list[ClipResult], list[AloneResult]]:
    """All conditions; the order of the results is that of the conditions and clips."""
    jobs = list(itertools.product((Condition(CLEAN, None), *conditions), range(len(trial.clips))))
    done: list[ClipResult] = []
    with ThreadPoolExecutor(threads) as pool:
        for number, results in enumerate(pool.map(lambda job: trial.clip(*job), jobs), 1):
            done += results
            if number % len(trial.clips) == 0:
                sys.stderr.write(
                    f"{number // len(trial.clips)} of {len(conditions) + 1} conditions\n"
                )
        alone = [result for results in pool.map(trial.alone, conditions) for result in results]
    return done, alone


def main() -> int:
    """Parse arguments, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--snr", type=float, nargs="+", default=[15.0, 5.0, 0.0], help="dB")
    parser.add_argument("--noise", nargs="+", default=list(NOISES), choices=list(NOISES))
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--clips", type=int, default=None, help="only the first N clips")
    parser.add_argument("--profile", default="fast", choices=[p.value for p in Profile])
    parser.add_argument("--threads", type=int, default=2, help="clips at a time")
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    conditions = [Condition(noise, snr) for noise in arguments.noise for snr in arguments.snr]
    clips, alone = run(Trial(arguments), conditions, arguments.threads)
    print(report(clips, alone))
    print(f"\nprofile {arguments.profile}, load average {os.getloadavg()[0]:.2f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = {"clips": [asdict(r) for r in clips], "alone": [asdict(r) for r in alone]}
    (arguments.out / "noise.json").write_text(
        json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
