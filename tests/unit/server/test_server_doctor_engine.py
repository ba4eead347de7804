"""What is said of decodes and cards, with made-up children and machines: not run on a GPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from asr.cuda_libraries import CudaLibraries
from server.child import ChildResult
from server.doctor_engine import check_cpu_decode, check_gpu, check_gpu_decode
from server.findings import Level
from tests.support.device_probe import GTX_1060, FakeProbe, with_card

REPORT = {"compute_type": "float16", "load_s": 1.0, "decode_s": 0.6, "taken_mb": 512}
FINE = CudaLibraries((), ("/venv/libcublasLt.so.12", "/venv/libcublas.so.12"))
MISSING = CudaLibraries((), (), "libcublas.so.12 cannot be opened: no such file")


class Child:
    """Answers with what it was given, and remembers what it was asked."""

    def __init__(
        self, output: str = json.dumps(REPORT), errors: str = "", ending: str = ""
    ) -> None:
        self.result = ChildResult(output, errors, ending)
        self.asked: list[Sequence[str]] = []

    def __call__(self, arguments: Sequence[str], _: float) -> ChildResult:
        self.asked.append(arguments)
        return self.result


def test_a_decode_is_told_with_its_speed_and_instructions(tmp_path: Path) -> None:
    child = Child(errors="[info]  - Selected ISA: AVX2\n")
    found = check_cpu_decode(tmp_path, child)
    assert found.level is Level.OK
    for words in ("6 s of audio in 0.60 s", "RTF 0.10", "0.5 GB", "AVX2"):
        assert words in found.detail
    assert list(child.asked[0][1:]) == ["cpu", "int8"]


def test_a_processor_without_vectors_is_a_warning(tmp_path: Path) -> None:
    assert check_cpu_decode(tmp_path, Child(errors="Selected ISA: GENERIC")).level is Level.WARNING


@pytest.mark.parametrize(
    ("child", "words"),
    [
        (Child("", "Illegal instruction", "the process died (status -4)"), "status -4"),
        (Child("", "ImportError: no such library"), "no such library"),
        (Child(""), "said nothing"),
        (Child('{"error": "model.bin is damaged"}'), "damaged"),
    ],
)
def test_a_decode_that_fails_is_a_problem_with_its_reason(
    tmp_path: Path, child: Child, words: str
) -> None:
    found = check_cpu_decode(tmp_path, child)
    assert found.level is Level.PROBLEM
    assert words in found.detail


def test_a_cache_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = check_cpu_decode(tmp_path / "file" / "cache", Child())
    assert found.level is Level.PROBLEM
    assert "THAI_ASR_CACHE_DIR" in found.advice


def test_no_card_is_a_note_unless_one_was_asked_for() -> None:
    (found,) = check_gpu(FakeProbe(), lambda: MISSING)
    assert found.level is Level.NOTE
    (found,) = check_gpu(FakeProbe(), lambda: MISSING, "cuda")
    assert found.level is Level.PROBLEM


def test_a_card_is_named_with_memory_driver_and_capability() -> None:
    card, libraries = check_gpu(with_card(), lambda: FINE)
    for words in ("RTX 3070", "7.7 GB of 8.0 GB free", "driver 550.54.14", "capability 8.6"):
        assert words in card.detail
    assert libraries.level is Level.OK
    assert "libcublas.so.12" in libraries.detail


def test_a_driver_that_is_too_old_is_told() -> None:
    _, found = check_gpu(FakeProbe(0, (GTX_1060,)), lambda: MISSING)
    assert found.level is Level.WARNING
    assert "535.104" in found.detail
    assert "update" in found.advice


@pytest.mark.parametrize(("wanted", "level"), [("auto", Level.WARNING), ("cuda", Level.PROBLEM)])
def test_missing_libraries_come_with_the_command_that_installs_them(
    wanted: str, level: Level
) -> None:
    _, found = check_gpu(with_card(), lambda: MISSING, wanted)
    assert found.level is level
    assert "pip install -r" in found.advice
    assert "requirements_gpu.txt" in found.advice


def test_a_card_that_works_decodes_in_the_type_that_the_server_would_take(tmp_path: Path) -> None:
    child = Child()
    (found,) = check_gpu_decode(with_card(), tmp_path, "auto", child)
    assert found.level is Level.OK
    assert list(child.asked[0][1:]) == ["cuda", "float16"]


def test_a_card_on_which_the_decode_dies_is_a_problem(tmp_path: Path) -> None:
    child = Child("", "no kernel image is available", "the process died (status -6)")
    (found,) = check_gpu_decode(with_card(), tmp_path, "auto", child)
    assert found.level is Level.PROBLEM
    assert "no kernel image" in found.detail
    assert "--device cpu" in found.advice


def test_without_a_card_that_can_be_used_nothing_is_decoded_on_it(tmp_path: Path) -> None:
    child = Child()
    assert check_gpu_decode(FakeProbe(), tmp_path, "auto", child) == []
    assert check_gpu_decode(with_card(problem="no"), tmp_path, "auto", child) == []
    assert child.asked == []
