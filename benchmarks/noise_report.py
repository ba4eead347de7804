"""Results of `benchmarks.noise` and their tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.markdown import markdown
from benchmarks.scoring import Score, bootstrap_difference, corpus_cer

CLEAN = "clean"
BASELINE = "off"


@dataclass(frozen=True, slots=True)
class ClipResult:
    """One clip in one condition and mode. Frames are of 10 ms."""

    clip_id: str
    noise: str
    snr_db: float | None
    mode: str
    errors: int
    reference_chars: int
    voiced_frames: int
    missed_frames: int
    stray_utterances: int
    text: str
    cpu_s: float
    audio_s: float


@dataclass(frozen=True, slots=True)
class AloneResult:
    """Noise without speech."""

    noise: str
    snr_db: float | None
    mode: str
    utterances: int
    chars: int
    cpu_s: float
    audio_s: float


def report(clips: Sequence[ClipResult], alone: Sequence[AloneResult]) -> str:
    """All tables, in Markdown."""
    modes = list(dict.fromkeys(result.mode for result in clips))
    parts = [_conditions(clips, modes), _summary(clips, modes)]
    if alone:
        parts.append(_alone(alone, modes))
    parts.append(_cost(clips, modes))
    return "\n\n".join(parts)


def by_clip(clips: Sequence[ClipResult]) -> list[Score]:
    """One score for each clip, over all the conditions given; a clip stays one unit of chance."""
    sums: dict[str, Score] = {}
    for result in clips:
        errors, length = sums.get(result.clip_id, (0, 0))
        sums[result.clip_id] = (errors + result.errors, length + result.reference_chars)
    return list(sums.values())


def missed_share(clips: Sequence[ClipResult]) -> float:
    """Share of voiced speech that no utterance held."""
    voiced = sum(result.voiced_frames for result in clips)
    return sum(result.missed_frames for result in clips) / max(1, voiced)


def difference(clips: Sequence[ClipResult], mode: str) -> tuple[float, float, float]:
    """CER of a mode less that of `off`: points and their 95 % interval."""
    ours = by_clip([r for r in clips if r.mode == mode])
    theirs = by_clip([r for r in clips if r.mode == BASELINE])
    low, high = bootstrap_difference(ours, theirs)
    return 100 * (corpus_cer(ours) - corpus_cer(theirs)), 100 * low, 100 * high


def _conditions(clips: Sequence[ClipResult], modes: Sequence[str]) -> str:
    rows = []
    for noise, snr_db in dict.fromkeys((r.noise, r.snr_db) for r in clips):
        groups = [
            [r for r in clips if (r.noise, r.snr_db, r.mode) == (noise, snr_db, mode)]
            for mode in modes
        ]
        rows.append(
            [
                noise,
                "" if snr_db is None else f"{snr_db:g}",
                _slashed([f"{corpus_cer(by_clip(group)):.3f}" for group in groups]),
                _slashed([f"{100 * missed_share(group):.1f}" for group in groups]),
                _slashed([str(sum(not r.text for r in group)) for group in groups]),
                _slashed([str(sum(r.stray_utterances for r in group)) for group in groups]),
            ]
        )
    head = ["noise", "SNR, dB", "CER", "speech missed, %", "clips without text", "stray utterances"]
    return f"Columns: {_slashed(modes)}.\n\n" + markdown(head, rows)


def _summary(clips: Sequence[ClipResult], modes: Sequence[str]) -> str:
    others = [mode for mode in modes if mode != BASELINE] if BASELINE in modes else []
    groups = {"all noises": [r for r in clips if r.noise != CLEAN]}
    for result in clips:
        groups.setdefault(result.noise, []).append(result)
    for result in groups["all noises"]:
        groups.setdefault(f"all at {result.snr_db:g} dB", []).append(result)
    rows = [
        [name, *("{:+.1f} ({:+.1f} to {:+.1f})".format(*difference(own, mode)) for mode in others)]
        for name, own in groups.items()
        if own
    ]
    return markdown(["CER against `off`, points", *others], rows)


def _alone(alone: Sequence[AloneResult], modes: Sequence[str]) -> str:
    rows = []
    for noise, snr_db in dict.fromkeys((r.noise, r.snr_db) for r in alone):
        own = {r.mode: r for r in alone if (r.noise, r.snr_db) == (noise, snr_db)}
        rows.append(
            [
                noise,
                f"{snr_db:g}",
                _slashed([str(own[mode].utterances) for mode in modes]),
                _slashed([str(own[mode].chars) for mode in modes]),
            ]
        )
    return markdown(["noise alone, 60 s", "level, dB", "utterances", "characters"], rows)


def _cost(clips: Sequence[ClipResult], modes: Sequence[str]) -> str:
    rows = []
    for name, clean in (("clean", True), ("in noise", False)):
        cells = []
        for mode in modes:
            own = [r for r in clips if r.mode == mode and (r.noise == CLEAN) is clean]
            seconds = max(1e-9, sum(r.audio_s for r in own))
            cells.append(f"{1000 * sum(r.cpu_s for r in own) / seconds:.1f}")
        rows.append([name, *cells])
    return markdown(["front end, CPU ms per second of audio", *modes], rows)


def _slashed(cells: Sequence[str]) -> str:
    return " / ".join(cells)
