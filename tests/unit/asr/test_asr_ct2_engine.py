from __future__ import annotations

from pathlib import Path

import ctranslate2
import pytest

from asr.ct2_engine import Ct2Engine, supported_compute_types
from asr.engine import EngineError
from asr.types import ModelFormat, ModelSpec

SPEC = ModelSpec("m", "M", "", "owner/name", ModelFormat.CT2, "fast")


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (RuntimeError("CUDA failed with error out of memory"), "out_of_memory", "smaller model"),
        (MemoryError(), "out_of_memory", "MemoryError"),
        (
            RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"),
            "out_of_memory",
            "batch_size",
        ),
        (
            RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"),
            "model_load_failed",
            "pip install -r requirements_gpu.txt",
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


def test_a_cpu_computes_in_int8_and_in_full_precision() -> None:
    assert {"int8", "float32"} <= supported_compute_types("cpu")
