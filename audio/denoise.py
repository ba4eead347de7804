"""Steady noise out of a stream, with a profile learned while nobody speaks."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np

from audio.types import SAMPLE_RATE_HZ, WINDOW_SAMPLES, Samples, ms_to_samples

NOISE_BELOW = 0.3
"""A window less likely to be speech than this may be noise."""

HANGOVER_WINDOWS = 5
"""Windows after speech that are not learned: its tail and the room's echo."""

LOOKAHEAD_WINDOWS = 3
"""Windows before speech that are not learned: a soft onset."""

PROFILE_WINDOWS = ms_to_samples(2_500) // WINDOW_SAMPLES
RELEARN_WINDOWS = ms_to_samples(1_000) // WINDOW_SAMPLES
"""New windows of noise between two profiles."""

AUDIBLE_RMS = 10 ** (-50 / 20)
"""Noise below -50 dB of full scale is left alone: it misleads nobody, and gating costs time."""

STRENGTH = 0.5
"""What is taken from noise. At full strength the gate eats soft speech: detector and recogniser
both get worse."""

FFT_SAMPLES = 512
HOP_SAMPLES = 256
CONTEXT_SAMPLES = 1_280
"""Audio before a block that the gate sees: its mask and windows reach 64 ms to both sides."""

MIRROR_SAMPLES = 1_024
"""What comes after a block is not known yet; its mirror image stands in, so that the block's
end is gated like its middle without waiting."""


class Denoiser(Protocol):
    """One stream's noise reduction: windows in order."""

    @property
    def active(self) -> bool:
        """Whether `clean` changes anything now."""

    def learn(self, window: Samples, probability: float) -> None:
        """Hear an original window and how likely it, the original, is speech."""

    def clean(self, block: Samples) -> Samples:
        """The next block of the stream without noise; of equal length, not delayed."""

    def restart(self) -> None:
        """What comes next does not follow what came last; the noise is the same."""


class SpectralGateDenoiser:
    """`noisereduce`'s stationary spectral gate on a stream.

    Source: Sainburg, https://github.com/timsainb/noisereduce (doi:10.5281/zenodo.3243139).

    It learns from the original signal and from the detector's opinion of the original, never
    from its own output: else a detector that hears gated speech as noise would have speech
    learned as noise, and hear still less of it.
    """

    def __init__(self) -> None:
        # Imported here because it takes seconds (scipy.signal, and torch where that is
        # installed) that a server without noise reduction need not spend.
        from noisereduce.spectralgate import SpectralGateStationary  # noqa: PLC0415

        self._make_gate = SpectralGateStationary
        self._gate: Any = None
        self._profile: deque[Samples] = deque(maxlen=PROFILE_WINDOWS)
        self._unlearned = 0
        self.restart()

    @property
    def active(self) -> bool:
        """Whether there is noise worth reducing."""
        return self._gate is not None

    def restart(self) -> None:
        """Forget the context, keep the profile."""
        self._past = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._quiet_windows = 0
        self._candidates: deque[Samples] = deque()

    def learn(self, window: Samples, probability: float) -> None:
        """Take an original window; well inside a stretch without speech, it is noise."""
        if probability >= NOISE_BELOW:
            self._quiet_windows = 0
            self._candidates.clear()
            return
        self._quiet_windows += 1
        if self._quiet_windows <= HANGOVER_WINDOWS:
            return
        self._candidates.append(window.copy())
        if len(self._candidates) <= LOOKAHEAD_WINDOWS:
            return
        self._profile.append(self._candidates.popleft())
        self._unlearned += 1
        if self._unlearned >= RELEARN_WINDOWS:
            self._unlearned = 0
            self._relearn()

    def clean(self, block: Samples) -> Samples:
        """The block, shape (n,), with steady noise at half its level while there is some."""
        audio = np.concatenate((self._past, block))
        self._past = audio[-CONTEXT_SAMPLES:]
        if self._gate is None:
            return block
        mirrored = np.concatenate((audio, audio[-2 : -2 - MIRROR_SAMPLES : -1]))
        gated: Samples = self._gate.spectral_gating_stationary(mirrored[np.newaxis])[0]
        return gated[CONTEXT_SAMPLES : CONTEXT_SAMPLES + len(block)].copy()

    def _relearn(self) -> None:
        power = [float(np.mean(np.square(window, dtype=np.float64))) for window in self._profile]
        audible = float(np.median(power)) >= AUDIBLE_RMS**2
        self._gate = self._new_gate() if audible else None

    def _new_gate(self) -> Any:
        # `noisereduce.reduce_noise` is this class, made anew for every call: analysing the
        # profile each time would double the cost.
        return self._make_gate(
            y=np.zeros(1, np.float32),  # blocks come later
            sr=SAMPLE_RATE_HZ,
            y_noise=np.concatenate(self._profile),
            prop_decrease=STRENGTH,
            n_std_thresh_stationary=1.5,
            n_fft=FFT_SAMPLES,
            win_length=None,
            hop_length=HOP_SAMPLES,
            freq_mask_smooth_hz=500,
            time_mask_smooth_ms=50,
            time_constant_s=2.0,
            chunk_size=None,
            clip_noise_stationary=False,
            padding=0,
            tmp_folder=None,
            use_tqdm=False,
            n_jobs=1,
        )
