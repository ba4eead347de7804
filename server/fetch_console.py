"""Models on their way, told to whoever looks at the server's terminal or log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from asr.load_machine import LoadPhase, LoadProgress
from server.download_view import View

_WORDS: Final = {
    LoadPhase.DOWNLOADING: "Downloading {} ...",
    LoadPhase.CONVERTING: "Converting {} ...",
    LoadPhase.ON_DISK: "{} is on this machine now.",
    LoadPhase.CANCELLED: "{}: cancelled; what came is kept.",
}


class FetchConsole:
    """A line when a phase begins, and of one model at a time how far it is."""

    def __init__(self, open_view: Callable[[], View], say: Callable[[str], None]) -> None:
        self._open_view = open_view
        self._say = say
        self._phases: dict[str, LoadPhase] = {}
        self._shown_id: str | None = None
        self._view: View | None = None
        self._stack = ExitStack()

    def show(self, progress: LoadProgress) -> None:
        """How far a model is."""
        model_id, phase = progress.model_id, progress.phase
        if self._phases.get(model_id) is not phase:
            self._begin(model_id, phase)
        if progress.transfer is None or self._shown_id not in (None, model_id):
            return
        if self._view is None:
            self._shown_id = model_id
            self._view = self._stack.enter_context(self._open_view())
        self._view.show(progress.transfer)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._stack.close()
        self._view = self._shown_id = None

    def _begin(self, model_id: str, phase: LoadPhase) -> None:
        if self._shown_id == model_id:
            self.close()
        self._phases[model_id] = phase
        if phase in _WORDS:
            self._say(_WORDS[phase].format(model_id))
