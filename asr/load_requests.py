"""Who waits for models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from asr.calibration import Pace
from asr.load_machine import Answer, Verdict
from asr.reports import LoadReport, ModelError

Accept: TypeAlias = Callable[[Pace], str | None]
"""Says why a model that was measured must not answer, None if it may."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """One of them. `beside`: the model is to be in memory, not to answer."""

    model_id: str
    answer: asyncio.Future[LoadReport]
    accept: Accept | None = None
    beside: bool = False


class LoadRequests:
    """Requests by the tokens that the load machine knows them by."""

    def __init__(self) -> None:
        self._open: dict[int, LoadRequest] = {}
        self._tokens = 0

    def add(self, model_id: str, accept: Accept | None, *, beside: bool) -> int:
        """A new request; its token."""
        self._tokens += 1
        answer: asyncio.Future[LoadReport] = asyncio.get_running_loop().create_future()
        self._open[self._tokens] = LoadRequest(model_id, answer, accept, beside)
        return self._tokens

    def of(self, tokens: tuple[int, ...]) -> list[LoadRequest]:
        """The requests of these tokens."""
        return [self._open[token] for token in tokens]

    def answer(self, effect: Answer, report: Callable[[LoadRequest], LoadReport]) -> None:
        """End requests; `report` makes what those that succeeded get."""
        for token in effect.tokens:
            request = self._open.pop(token)
            if request.answer.done():  # whoever asked has gone
                continue
            model_id = request.model_id
            match effect.verdict:
                case Verdict.CURRENT:
                    request.answer.set_result(report(request))
                case Verdict.FAILED:
                    assert effect.error is not None
                    request.answer.set_exception(effect.error)
                case Verdict.CANCELLED:
                    cancelled = ModelError("cancelled", f"{model_id} was cancelled")
                    request.answer.set_exception(cancelled)
                case Verdict.SUPERSEDED:
                    why = f"{model_id} was not loaded: another model was asked for"
                    request.answer.set_exception(ModelError("superseded", why))

    def fail_all(self, failure: Callable[[str], ModelError]) -> None:
        """End all of them; `failure` is given each one's model."""
        for request in self._open.values():
            if not request.answer.done():
                request.answer.set_exception(failure(request.model_id))
        self._open.clear()
