"""What a machine runs, from settings and a made-up probe: not run on a GPU."""

from __future__ import annotations

import pytest

from asr.engine import EngineError
from server.engines import CPU_BATCH, GPU_BATCH, GPU_WORKERS, plan_machine
from server.settings import Settings
from tests.support.device_probe import FakeProbe, with_card

AUTO = Settings()


def test_a_gpu_computes_in_float16_in_batches_of_eight() -> None:
    machine = plan_machine(AUTO, 8, with_card())
    assert (machine.device, machine.compute_type) == ("cuda", "float16")
    assert (machine.workers, machine.max_batch) == (GPU_WORKERS, GPU_BATCH) == (4, 8)
    assert machine.notice == ""


def test_a_cpu_computes_in_int8_with_a_worker_for_each_processor() -> None:
    machine = plan_machine(AUTO, 3, FakeProbe())
    assert (machine.device, machine.compute_type) == ("cpu", "int8")
    assert (machine.workers, machine.threads_per_worker) == (3, 1)
    assert machine.max_batch == CPU_BATCH
    assert machine.notice == ""


def test_a_card_without_libraries_leaves_the_work_to_the_cpu_with_a_notice() -> None:
    machine = plan_machine(AUTO, 2, with_card(problem="no libcublas.so.12"))
    assert (machine.device, machine.compute_type) == ("cpu", "int8")
    assert "the GPU is not used" in machine.notice
    assert "no libcublas.so.12" in machine.notice


def test_what_is_set_is_kept() -> None:
    settings = Settings(compute_type="int8_float16", num_workers=2, batch_size=16)
    machine = plan_machine(settings, 8, with_card())
    assert (machine.compute_type, machine.workers, machine.max_batch) == ("int8_float16", 2, 16)


def test_a_gpu_that_is_insisted_on_and_missing_ends_the_start() -> None:
    with pytest.raises(EngineError, match="--device cpu or auto"):
        plan_machine(Settings(device="cuda"), 2, FakeProbe())
