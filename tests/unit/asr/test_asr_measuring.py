"""The trials on a scripted engine, whose CPU seconds tell what else ran."""

from __future__ import annotations

import pytest

from asr.calibration import DecodeCosts
from asr.engine import EngineError, TrialLoad, TrialTime
from asr.measuring import Measurement, measure
from asr.scripted_engine import ScriptedEngine
from asr.types import ModelFormat, ModelSpec

SPEC = ModelSpec("m", "M", "", "a/m", ModelFormat.CT2, "fast")


class Machine:
    """Trial times, and CPU seconds as a share of them."""

    def __init__(self, partial_s: float, accurate_s: float | None, cpu_share: float = 1.0) -> None:
        self.loads: list[TrialLoad] = []
        self._partial_s = partial_s
        self._accurate_s = accurate_s
        self._cpu_share = cpu_share

    def measure(self, threads: int = 1) -> Measurement:
        return measure(ScriptedEngine(workers=2, trial=self._trial), SPEC, threads)

    def _trial(self, load: TrialLoad) -> TrialTime:
        self.loads.append(load)
        took_s = self._accurate_s if load.beam_size > 1 else self._partial_s
        if took_s is None:
            raise EngineError("out_of_memory", "no room")
        return TrialTime(took_s, took_s * self._cpu_share)


def test_trials_become_costs() -> None:
    machine = Machine(partial_s=0.4, accurate_s=0.9)
    assert machine.measure() == Measurement(DecodeCosts(0.4, 0.9), undisturbed=True)
    assert [load.frames for load in machine.loads] == [800, 800, 3_000]


@pytest.mark.parametrize(
    ("cpu_share", "threads", "costs", "undisturbed"),
    [
        (0.75, 1, DecodeCosts(1.21875, 1.5), False),  # other programs had the processor
        (0.875, 1, DecodeCosts(1.421875, 1.75), True),
        (1.75, 1, DecodeCosts(1.625), False),  # other decodes of this process ran
        (1.75, 2, DecodeCosts(1.625), True),
    ],
)
def test_what_ran_beside_is_noticed_and_left_out(
    cpu_share: float, threads: int, costs: DecodeCosts, undisturbed: bool
) -> None:
    found = Machine(1.625, 2.0, cpu_share).measure(threads)
    assert found == Measurement(costs, undisturbed)


def test_a_cpu_clock_that_stands_still_makes_no_quick_trial_free() -> None:
    found = Machine(0.0625, 0.125, cpu_share=0.0).measure()
    assert found.costs == DecodeCosts(0.0625, 0.125, 0.0625)


def test_on_a_busy_machine_no_further_trial_begins() -> None:
    machine = Machine(partial_s=4.0, accurate_s=9.0, cpu_share=0.125)
    assert machine.measure() == Measurement(DecodeCosts(0.5), undisturbed=False)
    assert len(machine.loads) == 1


def test_a_failing_trial_ends_it_with_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    assert Machine(0.4, accurate_s=None).measure() == Measurement(
        DecodeCosts(0.4), undisturbed=False
    )
    assert "trial accurate failed: no room" in caplog.text


def test_where_nothing_can_be_timed_there_are_no_costs() -> None:
    def broken(_: TrialLoad) -> TrialTime:
        raise EngineError("decode_failed", "broken")

    found = measure(ScriptedEngine(trial=broken), SPEC, threads=1)
    assert found == Measurement(None, undisturbed=False)
