"""Finals go out in the order their utterances were spoken, whichever decode ends first. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import takewhile

from asr.effects import DecodeProblem, FinalText, QuickFinal
from asr.quality import Attempt, QualityGate
from asr.types import DecodeKind, DecodeOptions, DecodeResult
from asr.utterance import Utterance, UtteranceState, confidence_of


def take_attempt(
    utterance: Utterance, result: DecodeResult, gate: QualityGate
) -> DecodeOptions | None:
    """Judge a decode of an ended utterance: the options of the next, None where it is enough."""
    request = result.request
    verdict = gate.judge(
        result.hypothesis, request.audio_s, request.audio_s, request.options.glossary
    )
    attempt = Attempt(request.options, result.hypothesis, verdict)
    utterance.attempts.append((attempt, result))
    return utterance.tuning.policy.next([made for made, _ in utterance.attempts])


def conclude(utterance: Utterance) -> FinalText:
    """The final of an ended utterance by its decodes so far."""
    assert utterance.end_sample is not None
    assert utterance.end_reason is not None
    outcome = utterance.tuning.policy.best([made for made, _ in utterance.attempts])
    chosen = utterance.attempts[-1][1]
    for made, result in utterance.attempts:
        if made.hypothesis is outcome.hypothesis:
            chosen = result
    text = outcome.text
    return FinalText(
        utterance_id=utterance.id,
        revision=utterance.next_revision(),
        text=text,
        start_sample=utterance.start_sample,
        end_sample=utterance.end_sample,
        end_reason=utterance.end_reason,
        decode_s=chosen.decode_s,
        confidence=confidence_of(chosen.hypothesis.avg_logprob) if text else 0.0,
        model_id=chosen.model_id,
        reason=outcome.reason or (None if text else "no_speech"),
        silent=not text and not utterance.shown,
        revises=utterance.quick_told,
        result=chosen,
    )


def give_up(utterance: Utterance, code: str, message: str) -> FinalText | DecodeProblem:
    """The terminal effect of an ended utterance whose last decode failed.

    Where that was a further attempt, an earlier one's text will do.
    """
    assert utterance.end_sample is not None
    if utterance.attempts:
        final = conclude(utterance)
        if final.text:
            return final
    return DecodeProblem(
        utterance.id,
        DecodeKind.FINAL,
        code,
        message,
        utterance.start_sample,
        utterance.end_sample,
    )


class OrderedFinals:
    """Ended utterances of one stream, oldest first. The caller bounds them by their number."""

    def __init__(self) -> None:
        self._waiting: deque[Utterance] = deque()
        self._settled: dict[int, FinalText | DecodeProblem] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def unsettled(self) -> tuple[Utterance, ...]:
        """Those whose terminal effect is still unknown."""
        return tuple(u for u in self._waiting if u.state is UtteranceState.FINALISING)

    @property
    def owed_samples(self) -> int:
        """Audio of `unsettled`."""
        return sum((u.end_sample or u.start_sample) - u.start_sample for u in self.unsettled)

    def find(self, utterance_id: int) -> Utterance | None:
        """An ended utterance whose terminal effect is still unknown."""
        return next((each for each in self.unsettled if each.id == utterance_id), None)

    def add(self, utterance: Utterance) -> None:
        """An utterance ended; it will be settled once."""
        utterance.become(UtteranceState.FINALISING)
        self._waiting.append(utterance)

    def quick(self, utterance: Utterance) -> list[QuickFinal]:
        """Its text before a further decode, once, where there is any.

        It is left out where nothing has been told of an earlier utterance: text keeps its order.
        """
        earlier = takewhile(lambda waiting: waiting is not utterance, self._waiting)
        if utterance.quick_told or not all(waiting.quick_told for waiting in earlier):
            return []
        final = conclude(utterance)
        text = utterance.own_text(final.text)
        if not text:
            return []
        utterance.quick_told = True
        utterance.latest_text = final.text
        return [QuickFinal(replace(final, text=text))]

    def settle(
        self, utterance: Utterance, terminal: FinalText | DecodeProblem
    ) -> list[FinalText | DecodeProblem]:
        """An utterance's terminal effect is known: all that may go out now, in order."""
        utterance.become(UtteranceState.DONE)
        utterance.attempts.clear()  # they and the request hold the audio
        utterance.forget_final()
        self._settled[utterance.id] = terminal
        ready: list[FinalText | DecodeProblem] = []
        while self._waiting and self._waiting[0].id in self._settled:
            first = self._waiting.popleft()
            ready.append(_without_overlap(first, self._settled.pop(first.id)))
            first.lease.release()
        return ready

    def abandon(self) -> None:
        """Let go of every model held; nothing more goes out."""
        while self._waiting:
            self._waiting.popleft().lease.release()


def _without_overlap(
    utterance: Utterance, terminal: FinalText | DecodeProblem
) -> FinalText | DecodeProblem:
    """Drop what the utterance before a split already said, now that its final is known."""
    if not isinstance(terminal, FinalText):
        utterance.predecessor = None
        return terminal
    text = utterance.own_text(terminal.text)
    utterance.latest_text = terminal.text
    utterance.predecessor = None  # a chain of splits must not keep every utterance alive
    if text == terminal.text:
        return terminal
    if text:
        return replace(terminal, text=text)
    silent = not utterance.shown
    return replace(terminal, text="", confidence=0.0, reason="repeated", silent=silent)
