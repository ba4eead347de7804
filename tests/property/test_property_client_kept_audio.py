"""Whatever happens to connections: nothing is lost untold, nothing covered is sent again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from client.kept_audio import AudioFormat, KeptAudio

FORMAT = AudioFormat(1_000, frame_bytes=1)
LIMIT_MS = 200
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("heard"), st.integers(1, 60)),
        st.tuples(st.just("sent"), st.integers(1, 4)),
        st.tuples(st.just("blocked"), st.just(0)),
        st.tuples(st.just("final"), st.integers(0, 120)),
        st.tuples(st.just("lost"), st.just(0)),
        st.tuples(st.just("back"), st.just(0)),
    ),
    max_size=80,
)


class Run:
    """Drives the kept audio and checks it against the list of all samples."""

    def __init__(self) -> None:
        self.kept = KeptAudio(FORMAT, LIMIT_MS / 1000)
        self.kept.connected()
        self.connected = True
        self.heard = 0
        self.position = 0
        self.covered = 0
        self.utterance = 0
        self.skipped = 0
        self.given: list[int] = []
        """Where on the source each byte of the present stream lies."""

    def step(self, kind: str, amount: int) -> None:
        if kind == "heard":
            self.kept.heard(bytes((self.heard + i) % 251 for i in range(amount)))
            self.heard += amount
        elif kind == "lost" and self.connected:
            self.kept.disconnected()
            self.connected = False
        elif kind == "back" and not self.connected:
            self.kept.connected()
            self.connected = True
            self.position = round(self.kept.source_ms(0))
            self.given = []
            assert self.position >= self.covered
        elif kind == "sent" and self.connected:
            self.send(amount)
        elif kind == "blocked" and self.connected:
            self.take()
        elif kind == "final" and self.connected:
            end = min(amount, len(self.given))
            self.utterance += 1
            self.kept.utterance_done(self.utterance, end)
            if end > 0:
                assert self.kept.source_ms(end) == self.given[end - 1] + 1
                self.covered = max(self.covered, self.given[end - 1] + 1)

    def send(self, blocks: int) -> None:
        for _ in range(blocks):
            if not self.take():
                return
            self.kept.sent(0.0)

    def take(self) -> bool:
        data = self.kept.take_block()
        if data is None:
            return False
        start = round(self.kept.sent_ms) - len(data)
        assert data == bytes((start + i) % 251 for i in range(len(data)))
        self.skipped += start - self.position
        self.position = start + len(data)
        self.given += range(start, self.position)
        return True


@given(STEPS)
def test_what_is_sent_is_the_source_in_order_and_what_is_missing_was_told(
    steps: list[tuple[str, int]],
) -> None:
    run = Run()
    for kind, amount in steps:
        run.step(kind, amount)
        assert run.kept.kept_ms <= LIMIT_MS + 60
        assert run.kept.covered_ms >= run.covered
    if not run.connected:
        run.step("back", 0)
    run.send(10_000)
    assert run.position == run.heard
    assert run.skipped <= round(run.kept.take_lost_s() * 1000)


@given(STEPS)
def test_a_new_stream_begins_with_all_that_is_kept_and_not_covered(
    steps: list[tuple[str, int]],
) -> None:
    run = Run()
    for kind, amount in steps:
        run.step(kind, amount)
    run.step("lost", 0)
    kept_ms = run.kept.kept_ms
    assert run.kept.unsent_ms == kept_ms
    assert run.heard - kept_ms == run.kept.covered_ms
