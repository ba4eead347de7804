"""One speaker's audio on the way in, and its finals on the way out."""

from __future__ import annotations

import pytest

from asr.outcomes import Deliver
from asr.types import DecodeDropped, DecodeKind, DecodeRequest, DecodeResult, Hypothesis
from server.capacity import Demand, FinalWaits
from server.protocol import ProtocolError
from server.speaker_guard import AUDIO_BURST_S, SpeakerGuard
from tests.support.batch_items import FINAL, item

RATE = 400.0


class Rig:
    """A guard with a clock of its own; it decodes when told."""

    def __init__(self, *, contended: bool = False, full: bool = False) -> None:
        self.now_s = 0.0
        self.contended = contended
        self.full = full
        self.slowed_s = 0.0
        self.closed: list[str] = []
        self.retired: list[str] = []
        self.submitted: list[tuple[DecodeRequest, Deliver]] = []
        self.waits, self.demand = FinalWaits(), Demand()
        self.guard = SpeakerGuard(
            "a1",
            self,
            self.waits,
            self.demand,
            rate=RATE,
            clock=lambda: self.now_s,
            admits=self.admit,
            contended=lambda _: self.contended,
            on_slowed=self.slow,
            on_close=self.closed.append,
        )

    def admit(self, speaker: str) -> None:
        if self.full:
            raise ProtocolError("overloaded", "no room")
        self.demand.began(speaker, self.now_s)

    def slow(self, wait_s: float) -> None:
        self.slowed_s += wait_s
        self.now_s += wait_s

    def submit(self, wanted: DecodeRequest, deliver: Deliver) -> None:
        self.submitted.append((wanted, deliver))

    def retire(
        self, stream_id: str, epoch: int, utterance_id: int, kind: DecodeKind | None
    ) -> None:
        self.retired.append(stream_id)


async def test_audio_beyond_the_burst_waits_only_while_others_need_the_workers() -> None:
    rig = Rig(contended=True)
    for _ in range(6):
        await rig.guard.take(10.0)
    # 30 s at once, a message that overdraws, and the next when that is made up for
    assert rig.slowed_s == pytest.approx((50.0 - AUDIO_BURST_S) / RATE)
    assert rig.guard.active(rig.now_s)
    rig.contended = False
    slowed_s = rig.slowed_s
    for _ in range(100):
        await rig.guard.take(10.0)
    assert rig.slowed_s == slowed_s
    rig.contended = True
    await rig.guard.take(1.0)  # what was sent alone is no debt
    await rig.guard.take(1.0)
    assert rig.slowed_s - slowed_s <= 11.0 / RATE


async def test_where_there_is_no_room_nothing_is_taken_until_there_is() -> None:
    rig = Rig(full=True)
    for _ in range(2):
        with pytest.raises(ProtocolError):
            await rig.guard.take(1.0)
    assert not rig.guard.active(0.0)
    rig.full = False
    await rig.guard.take(1.0)
    rig.full = True
    await rig.guard.take(1.0)  # who is inside stays


def test_finals_are_noted_and_partials_pass() -> None:
    rig = Rig()
    told: list[object] = []
    final, partial = item("a1.1", FINAL).request, item("a1.1").request
    rig.guard.submit(partial, told.append)
    rig.guard.submit(final, told.append)
    assert rig.waits.late_s(5.0) == 5.0
    rig.now_s = 6.0
    hypothesis = Hypothesis("ก", (1,), -0.1, 0.0, truncated=False)
    result = DecodeResult(final, hypothesis, 5.0, 1.0, batch_size=2)
    rig.submitted[1][1](result)
    rig.submitted[0][1](DecodeDropped(partial, "stale"))
    assert len(told) == 2
    assert rig.waits.late_s(6.0) == 0.0
    rig.guard.submit(final, told.append)
    rig.submitted[2][1](DecodeDropped(final, "retired"))
    rig.guard.retire("a1.1", 0, 0, None)
    assert rig.retired == ["a1.1"]
    assert rig.waits.late_s(60.0) == 0.0


async def test_a_speaker_that_left_is_forgotten() -> None:
    rig = Rig()
    await rig.guard.take(1.0)
    rig.guard.submit(item("a1.1", FINAL).request, lambda _: None)
    rig.guard.close()
    assert rig.closed == ["a1"]
    assert rig.waits.late_s(60.0) == 0.0
    assert not rig.demand.anybody(0.0)
