"""`python -m asr.trial_decode FOLDER DEVICE COMPUTE_TYPE`: one real decode, in its own process.

A broken driver or library may end the process that first computes on a GPU, so whoever wants to
know asks a child. It prints one line of JSON: a `TrialReport`, or {"error": why}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from asr.ct2_engine import Ct2Engine
from asr.device import RealProbe, used_mb
from asr.engine import EngineError, TrialLoad
from asr.loading import warm_up
from asr.types import ModelFormat, ModelSpec

AUDIO_S: Final = 6.0
LOAD: Final = TrialLoad(frames=800, batch=1, beam_size=1, new_tokens=60)
"""An utterance of 6 s with 2 s of context, and what is said in it at an ordinary pace."""

_SPEC: Final = ModelSpec("trial", "trial", "", "trial/trial", ModelFormat.CT2, "basic")


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What a decode took."""

    compute_type: str
    load_s: float
    decode_s: float
    taken_mb: int | None
    """By the loaded model and its decodes; None where it cannot be told."""


def decode_once(folder: Path, device: str, compute_type: str) -> TrialReport:
    """Load, decode, unload (blocking). Raises EngineError."""
    probe = RealProbe()
    if device == "cuda" and (problem := probe.cuda_problem()):
        raise EngineError("cuda_libraries_missing", problem)
    before_mb = used_mb(device, probe)
    begun_s = time.perf_counter()
    engine = Ct2Engine(
        folder,
        _SPEC,
        device=device,
        compute_type=compute_type,
        workers=1,
        threads_per_worker=1,
        max_batch=1,
    )
    try:
        load_s = time.perf_counter() - begun_s
        warm_up(engine)
        taken = engine.time_decode(LOAD)
        after_mb = used_mb(device, probe)
        known = before_mb is not None and after_mb is not None
        taken_mb = after_mb - before_mb if known else None  # type: ignore[operator]
        return TrialReport(engine.info.compute_type, load_s, taken.wall_s, taken_mb)
    finally:
        engine.close()


def main(arguments: Sequence[str]) -> int:
    """Print the report; the exit status is 1 if it could not be made."""
    folder, device, compute_type = arguments
    try:
        report = decode_once(Path(folder), device, compute_type)
    except EngineError as error:
        print(json.dumps({"error": error.message}))
        return 1
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
