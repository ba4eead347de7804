"""What the server's terminal says of models on their way."""

from __future__ import annotations

from asr.load_machine import LoadPhase, LoadProgress
from asr.transfer import Transfer
from server.fetch_console import FetchConsole


class Lines:
    """Views and words, as they come."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.console = FetchConsole(lambda: self, self.told.append)

    def __enter__(self) -> Lines:
        self.told.append("opened")
        return self

    def __exit__(self, *_: object) -> None:
        self.told.append("closed")

    def show(self, transfer: Transfer) -> None:
        self.told.append(transfer.done_bytes)

    def hear(self, model_id: str, phase: LoadPhase, done_bytes: int | None = None) -> None:
        transfer = None if done_bytes is None else Transfer(done_bytes, 100)
        self.console.show(LoadProgress(model_id, phase, transfer=transfer))


def test_each_phase_begins_with_a_line_and_ends_its_view() -> None:
    lines = Lines()
    lines.hear("m", LoadPhase.DOWNLOADING, 0)
    lines.hear("m", LoadPhase.DOWNLOADING, 50)
    lines.hear("m", LoadPhase.CONVERTING, 1)
    lines.hear("m", LoadPhase.ON_DISK)
    lines.hear("m", LoadPhase.LOADING)
    assert lines.told == [
        *("Downloading m ...", "opened", 0, 50, "closed"),
        *("Converting m ...", "opened", 1, "closed"),
        "m is on this machine now.",
    ]


def test_one_model_at_a_time_has_a_view() -> None:
    lines = Lines()
    lines.hear("m", LoadPhase.DOWNLOADING, 1)
    lines.hear("n", LoadPhase.DOWNLOADING, 2)
    lines.hear("m", LoadPhase.FAILED)
    lines.hear("n", LoadPhase.DOWNLOADING, 3)
    lines.hear("m", LoadPhase.DOWNLOADING, 1)
    lines.console.close()
    assert lines.told == [
        *("Downloading m ...", "opened", 1, "Downloading n ...", "closed"),
        *("opened", 3, "Downloading m ...", "closed"),
    ]
