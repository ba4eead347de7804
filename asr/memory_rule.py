"""Which models fit into the memory of a device together. Pure.

CTranslate2 takes what a model needs and knows no limit, so this is a rule of admission: an
estimate is made before a load, and the models that are loaded together may take a part
(`gpu_memory_fraction`) of the device's memory. On a CPU it is the machine's memory.

All sizes are MiB, as `nvidia-smi` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from asr.types import ModelSpec

MIB: Final = 1 << 20

_WEIGHT_SHARE: Final[Mapping[str, float]] = {
    "float16": 1.0,
    "bfloat16": 1.0,
    "float32": 2.0,
    "int16": 1.0,
    "int8": 0.5,
    "int8_float16": 0.5,
    "int8_bfloat16": 0.5,
    "int8_float32": 0.5,
}
"""Of the weights in float16, in which nearly all models for CTranslate2 are stored."""

_FULL_ACTIVATIONS: Final = ("float32", "int8_float32")

# On a GPU, from published measurements of faster-whisper (13 minutes of speech, beam 5, MiB):
# large-v3 float16 4525, int8 2926, in batches of 8 6090 and 4500; turbo float16 2537,
# distil-large-v3 float16 2409, int8 1481. The estimate is 1 to 34 % above all of them.
_GPU_CONTEXT_MB: Final = 900
_GPU_WORK_SHARE: Final = 0.15
_GPU_ITEM_SHARE: Final = 0.09

# On a CPU, from Whisper base (142 MiB in float16): the process's peak grows by 260 MiB with one
# utterance in the full window and by 910 with eight (int8), by 1172 with eight in float32. Larger
# models are extrapolated: attention grows with the heads, not with the weights.
_CPU_CONTEXT_MB: Final = 90
_CPU_ITEM_MB: Final = 75
_CPU_ITEM_SHARE: Final = 0.23


class Fit(Enum):
    """How a model finds its place."""

    BESIDE = "beside"
    """Beside those that are loaded."""
    INSTEAD = "instead"
    """Once those that are loaded have gone."""
    NOT_AT_ALL = "not_at_all"


@dataclass(frozen=True, slots=True)
class FitVerdict:
    """Whether a model fits, and why, in words and figures."""

    fit: Fit
    needed_mb: int
    free_mb: int
    message: str


def estimate_mb(
    spec: ModelSpec, weights_bytes: int, device: str, compute_type: str, max_batch: int
) -> int:
    """What a model takes at the most, MiB: weights, one batch in the full window, the context.

    `weights_bytes` is the size of `model.bin`; with 0 (not on disk) the catalogue's own estimate
    counts, or its size, and the answer is 0 where it has neither. Weights stored in another type
    than float16 are estimated wrongly.
    Workers that decode full batches at the same moment may take more.
    """
    if weights_bytes == 0:
        if device == "cuda" and spec.vram_mb is not None:
            return spec.vram_mb
        if spec.size_mb is None:
            return spec.vram_mb or 0
        weights_bytes = spec.size_mb * 1_000_000
    stored_mb = weights_bytes / MIB
    weights_mb = stored_mb * _WEIGHT_SHARE.get(compute_type, 1.0)
    if device == "cpu":
        item_mb = _CPU_ITEM_MB + _CPU_ITEM_SHARE * stored_mb
        return round(weights_mb + _CPU_CONTEXT_MB + max_batch * item_mb)
    work_mb = (_GPU_WORK_SHARE + _GPU_ITEM_SHARE * max_batch) * stored_mb
    if compute_type in _FULL_ACTIVATIONS:
        work_mb *= 2
    return round(weights_mb + _GPU_CONTEXT_MB + work_mb)


def judge(
    needed_mb: int, loaded_mb: int, free_mb: int, total_mb: int, fraction: float
) -> FitVerdict:
    """Whether a model that needs `needed_mb` fits.

    `loaded_mb` is what this server's models take now; `free_mb` of the device's `total_mb` nobody
    takes. All of this server's models together may take `fraction` of the total.
    """
    allowed_mb = int(fraction * total_mb)
    if needed_mb <= min(free_mb, allowed_mb - loaded_mb):
        fit = Fit.BESIDE
    elif needed_mb <= min(free_mb + loaded_mb, allowed_mb):
        fit = Fit.INSTEAD
    else:
        fit = Fit.NOT_AT_ALL
    message = (
        f"needs about {in_gb(needed_mb)}; {in_gb(free_mb)} of {in_gb(total_mb)} are free, models "
        f"may take {in_gb(allowed_mb)} ({fraction:.0%})"
    )
    if loaded_mb:
        message += f", and those that are loaded take {in_gb(loaded_mb)}"
    return FitVerdict(fit, needed_mb, free_mb, f"{message}: {_CONSEQUENCES[fit]}")


_CONSEQUENCES: Final[Mapping[Fit, str]] = {
    Fit.BESIDE: "it fits",
    Fit.INSTEAD: "it fits once the loaded ones have gone",
    Fit.NOT_AT_ALL: (
        "it does not fit; take a smaller model, --compute-type int8, a smaller --batch-size, or "
        "raise gpu_memory_fraction"
    ),
}


def in_gb(size_mb: int) -> str:
    """A size of MiB in words."""
    return f"{size_mb / 1024:.1f} GB"
