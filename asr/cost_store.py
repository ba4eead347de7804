"""Measured costs kept on disk, one small JSON file for each machine and model."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from asr.calibration import DecodeCosts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostKey:
    """Everything that costs depend on and that is cheap to know."""

    model_id: str
    model_bytes: int
    model_mtime_ns: int
    device: str
    compute_type: str
    workers: int
    threads_per_worker: int
    batch_size: int
    context_margin_ms: int
    wide_margin_ms: int
    trial_tokens: int
    ctranslate2: str
    cpu_count: int
    cpu_name: str


@dataclass(frozen=True, slots=True)
class _Record:
    key: CostKey
    costs: DecodeCosts


class CostStore:
    """A folder of records. A file that cannot be used is a line in the log, never a failure."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: CostKey) -> DecodeCosts | None:
        """What was kept for exactly this key, None if there is nothing usable."""
        path = self._path(key)
        try:
            record = msgspec.json.decode(path.read_bytes(), type=_Record)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("measured costs in %s cannot be read, measuring again: %s", path, error)
            return None
        costs = record.costs
        seconds = (costs.partial_s, costs.accurate_s, costs.batch_s)
        if record.key != key or any(value is not None and value <= 0 for value in seconds):
            logger.warning("measured costs in %s are not this model's, measuring again", path)
            return None
        return costs

    def save(self, key: CostKey, costs: DecodeCosts) -> None:
        """Keep costs: made beside their place and moved there whole."""
        path = self._path(key)
        making = path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                making.write_bytes(msgspec.json.format(msgspec.json.encode(_Record(key, costs))))
                os.replace(making, path)
            finally:
                with contextlib.suppress(OSError):
                    making.unlink()
        except OSError as error:
            logger.warning("measured costs cannot be kept in %s: %s", self._folder, error)

    def _path(self, key: CostKey) -> Path:
        digest = hashlib.sha256(msgspec.json.encode(key)).hexdigest()
        return self._folder / f"{key.model_id}-{digest[:12]}.json"
