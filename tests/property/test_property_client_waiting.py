"""A source that can wait never loses audio, whatever the server owes and however often it goes."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from client.kept_audio import AudioFormat, KeptAudio

FORMAT = AudioFormat(1_000, frame_bytes=1)
BLOCK_MS = 500
LONGEST_MS = 15_000
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("reads"), st.integers(1, 200)),
        st.tuples(st.just("sends"), st.integers(1, 200)),
        st.tuples(st.just("starts"), st.integers(0, 5_000)),
        st.tuples(st.just("ends"), st.integers(0, 5_000)),
        st.tuples(st.just("answers"), st.just(0)),
        st.tuples(st.just("goes"), st.just(0)),
    ),
    max_size=60,
)


@dataclass
class Server:
    """Hears utterances of at most LONGEST_MS, and answers them in order, at any time."""

    kept: KeptAudio
    given_ms: int = 0
    began_ms: int | None = None
    utterance: int = 0
    owed: list[tuple[int, int]] = field(default_factory=list)

    def start(self, ago_ms: int) -> None:
        last_ms = self.owed[-1][1] if self.owed else 0
        if self.began_ms is None:
            self.began_ms = max(last_ms, self.given_ms - ago_ms)
            self.utterance += 1
            self.kept.utterance_started(self.utterance, self.began_ms)

    def end(self, ago_ms: int) -> None:
        if self.began_ms is not None:
            at_ms = max(self.began_ms, self.given_ms - ago_ms)
            self.owed.append((self.utterance, at_ms))
            self.kept.utterance_ended(self.utterance, at_ms)
            self.began_ms = None

    def answer(self) -> None:
        if self.owed:
            self.kept.utterance_done(*self.owed.pop(0))

    def take(self) -> None:
        data = self.kept.take_block()
        self.given_ms += len(data or b"")
        if self.began_ms is not None and self.given_ms - self.began_ms >= LONGEST_MS:
            self.end(0)

    def forget(self) -> None:
        self.kept.disconnected()
        self.kept.connected()
        self.given_ms, self.began_ms = 0, None
        self.owed.clear()


@given(st.sampled_from([2_000, 60_000]), STEPS)
def test_a_source_that_can_wait_never_loses_audio(
    ahead_ms: int, steps: list[tuple[str, int]]
) -> None:
    kept = KeptAudio(FORMAT)
    kept.connected()
    server = Server(kept)
    for kind, amount in steps:
        match kind:
            case "reads":
                for _ in range(amount):
                    if kept.has_room(ahead_ms):
                        kept.heard(bytes(BLOCK_MS))
            case "sends":
                for _ in range(amount):
                    server.take()
            case "starts":
                server.start(amount)
            case "ends":
                server.end(amount)
            case "answers":
                server.answer()
            case "goes":
                server.forget()
    kept.disconnected()
    assert kept.take_lost_s() == 0


@given(st.sampled_from([2_000, 60_000]), st.booleans())
def test_a_source_that_waits_goes_on_once_the_server_answered(
    ahead_ms: int, someone_speaks: bool
) -> None:
    kept = KeptAudio(FORMAT)
    kept.connected()
    server = Server(kept)
    for _ in range(300):
        if kept.has_room(ahead_ms):
            kept.heard(bytes(BLOCK_MS))
        server.take()
        if someone_speaks:
            server.start(0)
    while server.owed:
        server.answer()
    while kept.unsent_ms:
        server.take()
    assert kept.has_room(ahead_ms)
