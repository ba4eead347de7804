"""Rows of the settings table: which model answers, and how."""

from __future__ import annotations

from dataclasses import dataclass

from asr.types import Profile
from server.setting_rows import row

AUTO_PROFILE = "auto"
"""The profile is chosen by measurement."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which model answers, and how."""

    # model
    model: str = row(
        "biodatlab-medium-faster", "model id of the catalogue to answer with", flag=True
    )
    model_path: str = row(
        "",
        "folder of a model on this machine: it joins the catalogue as `local`, and is the one to "
        "answer with unless `model` names another; empty for none",
        flag=True,
    )
    models_file: str = row("models.yaml", "the model catalogue", flag=True)
    device: str = row("auto", "where the model runs", flag=True, choices=("auto", "cpu", "cuda"))
    compute_type: str = row(
        "auto",
        "weights and arithmetic: auto, float16, int8, int8_float16, float32 ...",
        flag=True,
        gpu="float16",
    )
    offline: bool = row(False, "never reach out for a model", flag=True)
    profile: str = row(
        AUTO_PROFILE,
        "how much work a final may cost; auto is measured, once for each machine and model",
        flag=True,
        choices=(AUTO_PROFILE, *(p.value for p in Profile)),
    )
    remeasure: bool = row(
        False, "measure this machine again, whatever was measured before", flag=True
    )
    num_workers: int = row(
        0,
        "decodes at the same time; 0 is chosen from the machine",
        flag=True,
        gpu=4,
        low=0,
        high=64,
    )
    batch_size: int = row(
        0,
        "utterances in one decode; 0 is chosen from the machine",
        flag=True,
        gpu=8,
        low=0,
        high=64,
    )
    gpu_memory_fraction: float = row(
        0.8,
        "part of the memory that models may take together: the GPU's, or on a CPU the machine's "
        "(a rule of admission)",
        low=0.1,
        high=1.0,
    )
    keep_model_s: float = row(
        120.0,
        "a model that answers no more stays in memory for this long, to switch back at once",
        low=0.0,
        high=86_400.0,
    )
    fetch_retry_s: float = row(
        300.0,
        "no network to fetch the wanted model at the start: tried again after this; 0 is never",
        low=0.0,
        high=86_400.0,
    )
    shadow_s: float = row(
        600.0, "a shadow run ends by itself after this long", low=1.0, high=86_400.0
    )
    cache_dir: str = row(
        "",
        "where models made on this machine, and its measured speed, are kept; "
        "empty is the user's cache",
    )
