from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import pytest

from asr.ct2_engine import Ct2Engine, resolve_compute_type, resolve_device
from asr.engine import EngineError
from asr.types import ModelFormat, ModelSpec

SPEC = ModelSpec("m", "M", "", "owner/name", ModelFormat.CT2, "fast")


@dataclass
class Machine:
    """What CTranslate2 would find."""

    gpus: int
    compute_types: frozenset[str]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(0, frozenset({"float32", "int8", "int8_float32"}))
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: machine.gpus)
    monkeypatch.setattr(
        ctranslate2, "get_supported_compute_types", lambda _: set(machine.compute_types)
    )
    return machine


@pytest.mark.parametrize(
    ("wanted", "gpus", "device"),
    [("auto", 0, "cpu"), ("auto", 2, "cuda"), ("cpu", 1, "cpu"), ("cuda", 1, "cuda")],
)
def test_device(machine: Machine, wanted: str, gpus: int, device: str) -> None:
    machine.gpus = gpus
    assert resolve_device(wanted) == device


@pytest.mark.usefixtures("machine")
def test_a_gpu_that_is_not_there_is_not_replaced_silently() -> None:
    with pytest.raises(EngineError, match="--device cpu") as caught:
        resolve_device("cuda")
    assert caught.value.code == "no_gpu"


@pytest.mark.parametrize(
    ("wanted", "device", "supported", "expected"),
    [
        ("auto", "cpu", {"float32", "int8"}, "int8"),
        ("auto", "cpu", {"float32"}, "float32"),
        ("auto", "cuda", {"float32", "float16", "int8"}, "float16"),
        ("auto", "cuda", {"float32", "int8"}, "float32"),
        ("int8_float16", "cuda", {"float16", "int8_float16"}, "int8_float16"),
    ],
)
def test_compute_type(
    machine: Machine, wanted: str, device: str, supported: set[str], expected: str
) -> None:
    machine.compute_types = frozenset(supported)
    assert resolve_compute_type(wanted, device) == expected


@pytest.mark.usefixtures("machine")
def test_a_compute_type_that_the_device_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(EngineError, match="float32, int8, int8_float32") as caught:
        resolve_compute_type("float16", "cpu")
    assert caught.value.code == "bad_compute_type"


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (RuntimeError("CUDA failed with error out of memory"), "out_of_memory", "smaller model"),
        (MemoryError(), "out_of_memory", "MemoryError"),
        (
            RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"),
            "model_load_failed",
            "pip install nvidia-cublas-cu12",
        ),
        (
            RuntimeError("Library cublas64_12.dll is not found or cannot be loaded"),
            "model_load_failed",
            "--device cpu",
        ),
        (RuntimeError("File model.bin is incomplete"), "model_load_failed", "remove its folder"),
    ],
)
def test_errors_of_the_library_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: str, advice: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ctranslate2.models, "Whisper", fail)
    with pytest.raises(EngineError, match=advice) as caught:
        Ct2Engine(
            tmp_path,
            SPEC,
            device="cuda",
            compute_type="float16",
            workers=1,
            threads_per_worker=1,
            max_batch=8,
        )
    assert caught.value.code == code
    assert str(error) in caught.value.message
