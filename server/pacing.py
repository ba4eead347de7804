"""From settings and what decodes cost here to how a model is used."""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from asr.calibration import (
    TRIAL_TOKENS,
    Pace,
    PaceWishes,
    choose,
    in_words,
    warning,
)
from asr.cost_store import CostKey, CostStore
from asr.engine import Engine
from asr.measuring import Measurement, measure
from asr.types import ModelSpec, Profile
from server.engines import Machine, cache_dir_of, usable_cpu_count
from server.settings import Settings
from server.settings_models import AUTO_PROFILE

logger = logging.getLogger(__name__)

FOLDER = "measured"
"""In the cache folder."""


class Pacer:
    """Says how a loaded model is used: measures it, unless that was done on this machine before.

    Blocking; for the model thread.
    """

    def __init__(
        self,
        settings: Settings,
        machine: Machine,
        locate: Callable[[ModelSpec], Path | None],
    ) -> None:
        self._wishes = pace_wishes(settings)
        self._remeasure = settings.remeasure
        self._machine = machine
        self._locate = locate
        self._store = CostStore(cache_dir_of(settings) / FOLDER)

    def __call__(self, spec: ModelSpec, engine: Engine) -> Pace:
        """Measure or remember, then choose. Never fails for want of a measurement."""
        found = self._measured(spec, engine)
        wishes = self._wishes
        if not found.undisturbed and wishes.profile is None:
            # finals must not depend on what else ran while the model was loaded
            wishes = replace(wishes, profile=Profile.BALANCED)
        pace = choose(found.costs, engine.info, wishes)
        words = in_words(pace, engine.info.max_batch)
        logger.info("model %s: profile %s; %s", spec.id, pace.profile.value, words)
        too_slow = warning(spec.id, pace)
        if too_slow is not None:
            logger.warning(too_slow)
        return pace

    def _measured(self, spec: ModelSpec, engine: Engine) -> Measurement:
        key = self._key(spec, engine)
        if key is not None and not self._remeasure:
            kept = self._store.load(key)
            if kept is not None:
                return Measurement(kept, undisturbed=True)
        found = measure(engine, spec, self._machine.threads_per_worker)
        if key is not None and found.costs is not None:
            if found.undisturbed:
                self._store.save(key, found.costs)
            else:
                logger.info("model %s: measured beside other work, so not kept", spec.id)
        return found

    def _key(self, spec: ModelSpec, engine: Engine) -> CostKey | None:
        """None for a model that is no file, and so cannot be known again."""
        folder = self._locate(spec)
        try:
            weights = (folder / "model.bin").stat() if folder is not None else None
        except OSError:
            weights = None
        if weights is None:
            return None
        info = engine.info
        return CostKey(
            model_id=spec.id,
            model_bytes=weights.st_size,
            model_mtime_ns=weights.st_mtime_ns,
            device=info.device,
            compute_type=info.compute_type,
            workers=info.workers,
            threads_per_worker=self._machine.threads_per_worker,
            batch_size=info.max_batch,
            context_margin_ms=spec.context_margin_ms,
            wide_margin_ms=spec.wide_margin_ms,
            trial_tokens=TRIAL_TOKENS,
            ctranslate2=version("ctranslate2"),
            cpu_count=usable_cpu_count(),
            cpu_name=cpu_name(),
        )


def pace_wishes(settings: Settings) -> PaceWishes:
    """What the settings ask for."""
    automatic = settings.profile == AUTO_PROFILE
    return PaceWishes(
        None if automatic else Profile(settings.profile),
        settings.first_partial_ms,
        settings.partial_interval_ms,
    )


def cpu_name() -> str:
    """The processor's name where it is cheap to know, else its kind."""
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return os.environ.get("PROCESSOR_IDENTIFIER") or platform.machine()
