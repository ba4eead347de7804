"""Device and compute type of machines that are made up: none of this was run on a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asr.device import (
    Memory,
    RealProbe,
    resolve_compute_type,
    resolve_device,
    used_mb,
)
from asr.engine import EngineError
from tests.support.device_probe import (
    CPU_TYPES,
    GPU_TYPES,
    GTX_1060,
    RTX_3070,
    TESLA_T4,
    FakeProbe,
    with_card,
)

NO_CUBLAS = "libcublas.so.12 cannot be opened: no such file"


@pytest.mark.parametrize(
    ("wanted", "probe", "device"),
    [
        ("auto", FakeProbe(), "cpu"),
        ("auto", with_card(), "cuda"),
        ("cuda", with_card(), "cuda"),
        ("cpu", with_card(), "cpu"),
    ],
)
def test_device(wanted: str, probe: FakeProbe, device: str) -> None:
    choice = resolve_device(wanted, probe)
    assert (choice.device, choice.reason) == (device, "")


def test_a_card_whose_libraries_are_missing_leaves_the_work_to_the_cpu_and_says_why() -> None:
    choice = resolve_device("auto", with_card(problem=NO_CUBLAS))
    assert choice.device == "cpu"
    assert NO_CUBLAS in choice.reason
    assert "pip install -r requirements_gpu.txt" in choice.reason


def test_a_card_that_cuda_does_not_see_is_told_with_its_driver() -> None:
    choice = resolve_device("auto", FakeProbe(0, (GTX_1060,)))
    assert choice.device == "cpu"
    assert "GTX 1060" in choice.reason
    assert "535.104" in choice.reason


@pytest.mark.parametrize(
    ("probe", "code", "words"),
    [
        (FakeProbe(), "no_gpu", "no CUDA device"),
        (FakeProbe(0, (GTX_1060,)), "no_gpu", "driver 535.104 may be too old"),
        (with_card(problem=NO_CUBLAS), "cuda_libraries_missing", "requirements_gpu.txt"),
    ],
)
def test_a_gpu_that_was_asked_for_in_vain_is_not_replaced_silently(
    probe: FakeProbe, code: str, words: str
) -> None:
    with pytest.raises(EngineError, match=words) as caught:
        resolve_device("cuda", probe)
    assert caught.value.code == code
    assert "--device cpu or auto" in caught.value.message


@pytest.mark.parametrize(
    ("wanted", "device", "types", "expected"),
    [
        ("auto", "cpu", CPU_TYPES, "int8"),
        ("auto", "cuda", GPU_TYPES, "float16"),
        ("auto", "cuda", frozenset({"float32", "float16"}), "float16"),
        ("auto", "cuda", CPU_TYPES, "int8_float32"),
        ("auto", "cuda", frozenset({"float32"}), "float32"),
        ("int8_float16", "cuda", GPU_TYPES, "int8_float16"),
    ],
)
def test_compute_type(wanted: str, device: str, types: frozenset[str], expected: str) -> None:
    probe = replace(with_card(), types=types)
    assert resolve_compute_type(wanted, device, probe) == expected


def test_a_compute_type_that_the_device_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(EngineError, match="float32, int8, int8_float32") as caught:
        resolve_compute_type("float16", "cpu", FakeProbe())
    assert caught.value.code == "bad_compute_type"


def test_bfloat16_on_a_card_too_old_for_it_is_refused_with_the_reason() -> None:
    probe = replace(with_card(TESLA_T4), types=frozenset({"float16", "float32"}))
    with pytest.raises(EngineError, match=r"needs compute capability 8\.0, this card has 7\.5"):
        resolve_compute_type("bfloat16", "cuda", probe)


def test_what_is_in_use_is_read_from_the_card_or_from_this_process() -> None:
    assert used_mb("cuda", with_card()) == 8192 - 7900
    assert used_mb("cpu", FakeProbe(rss_mb=345)) == 345
    assert used_mb("cuda", with_card(replace(RTX_3070, free_mb=None))) is None


def test_this_machine_is_seen_as_it_is(tmp_path: Path) -> None:
    probe = RealProbe({"PATH": str(tmp_path)})
    ram = probe.memory("cpu")
    assert isinstance(ram, Memory)
    assert 0 < ram.free_mb <= ram.total_mb
    assert 10 < probe.process_mb() < ram.total_mb
    assert "float32" in probe.supported_compute_types("cpu")
    assert probe.cards() == ()
    assert probe.memory("cuda") is None


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("1073741824\n", "268435456\n", Memory(1024, 768)),
        ("1073741824\n", "2073741824\n", Memory(1024, 0)),
        ("max\n", "1\n", None),
    ],
)
def test_a_container_has_the_memory_of_its_limit(
    tmp_path: Path, limit: str, used: str, expected: Memory | None
) -> None:
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(used)
    assert RealProbe(cgroup=tmp_path).container_memory() == expected


def test_outside_a_container_there_is_no_such_limit(tmp_path: Path) -> None:
    assert RealProbe(cgroup=tmp_path).container_memory() is None


def test_a_driver_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho x >> {asked}\nexit 9\n")
    tool.chmod(0o755)
    probe = RealProbe({"PATH": str(tmp_path)})
    assert probe.cards() == ()
    times = asked.read_text()
    assert probe.memory("cuda") is None
    assert asked.read_text() == times


def test_the_memory_of_a_card_is_read_anew_each_time(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    probe = RealProbe({"PATH": str(tmp_path)})
    for free_mb in (7_900, 3_000):
        tool.write_text(f"#!/bin/sh\necho 'RTX 3070, 550.1, 8192, {free_mb}, GPU-1, 8.6'\n")
        tool.chmod(0o755)
        assert probe.memory("cuda") == Memory(8_192, free_mb)
