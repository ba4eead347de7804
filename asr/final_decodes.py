"""Ended utterances on their way to their terminal effects: decoded, again if need be. Pure."""

from __future__ import annotations

from asr.effects import Effect, Submit
from asr.finals import OrderedFinals, conclude, give_up, take_attempt
from asr.quality import QualityGate
from asr.requests import RequestMaker
from asr.types import (
    DecodeDropped,
    DecodeFailed,
    DecodeKind,
    DecodeOptions,
    DecodeRequest,
    DecodeResult,
)
from asr.utterance import Utterance


class FinalDecodes:
    """The ended utterances of one stream, bounded by its caller; each gets one terminal effect."""

    def __init__(self, requests: RequestMaker, gate: QualityGate, deadline_s: float) -> None:
        """`deadline_s`: how soon a further decode is wanted."""
        self._requests = requests
        self._gate = gate
        self._deadline_s = deadline_s
        self._ordered = OrderedFinals()
        self._in_haste = False

    def __len__(self) -> int:
        """How many have no terminal effect yet."""
        return len(self._ordered)

    @property
    def owed_samples(self) -> int:
        """Their audio."""
        return self._ordered.owed_samples

    def find(self, utterance_id: int) -> Utterance | None:
        """One whose terminal effect is still unknown."""
        return self._ordered.find(utterance_id)

    def add(self, utterance: Utterance) -> None:
        """An utterance ended."""
        self._ordered.add(utterance)

    def on_result(self, utterance: Utterance, result: DecodeResult, now_s: float) -> list[Effect]:
        """Its decode came back: it is enough, or there is another one."""
        options = take_attempt(utterance, result, self._gate)
        if options is None:
            return [*self._ordered.settle(utterance, conclude(utterance))]
        quick = self._ordered.quick(utterance)
        return [*quick, self._again(utterance, result.request, options, now_s)]

    def on_no_result(
        self, utterance: Utterance, outcome: DecodeFailed | DecodeDropped, now_s: float
    ) -> list[Effect]:
        """Its decode did not come back."""
        if isinstance(outcome, DecodeFailed):
            return self._give_up(utterance, outcome.code, outcome.message)
        if self._in_haste and self._can_be_shorter(utterance):
            shortest = utterance.tuning.policy.first()
            return [self._again(utterance, outcome.request, shortest, now_s)]
        return self._give_up(utterance, "decode_dropped", "the server gave up this utterance")

    def hurry(self) -> list[Effect]:
        """Decode what is owed by the shortest way from now on."""
        self._in_haste = True
        return [effect for each in self._ordered.unsettled for effect in self.hurry_one(each)]

    def hurry_one(self, utterance: Utterance) -> list[Effect]:
        """The same of one utterance, which may still be open.

        A first decode that could be shorter is asked for again once it is dropped, which it is
        unless it runs already.
        """
        utterance.hurry()
        retire = self._requests.retire(utterance.id, DecodeKind.FINAL)
        if not utterance.attempts:
            return [retire] if self._can_be_shorter(utterance) else []
        if utterance.tuning.policy.next([made for made, _ in utterance.attempts]) is not None:
            return []
        return [retire, *self._ordered.settle(utterance, conclude(utterance))]

    def give_up(self, code: str, message: str) -> list[Effect]:
        """Nothing is decoded any more: all of them are lost, but for what was decoded once."""
        effects: list[Effect] = []
        for utterance in self._ordered.unsettled:
            effects += [self._requests.retire(utterance.id, kind) for kind in DecodeKind]
            effects += self._give_up(utterance, code, message)
        return effects

    def abandon(self) -> None:
        """Let go of every model held; nothing more goes out."""
        self._ordered.abandon()

    def _again(
        self, utterance: Utterance, request: DecodeRequest, options: DecodeOptions, now_s: float
    ) -> Submit:
        """Decode the same audio otherwise."""
        deadline_s = now_s + self._deadline_s
        model_id = utterance.lease.model_id
        again = self._requests.again(request, options, model_id, now_s, deadline_s)
        utterance.final_request = again
        return Submit(again)

    def _give_up(self, utterance: Utterance, code: str, message: str) -> list[Effect]:
        return [*self._ordered.settle(utterance, give_up(utterance, code, message))]

    @staticmethod
    def _can_be_shorter(utterance: Utterance) -> bool:
        """Whether its first decode waits or runs with options that cost more than need be."""
        request = utterance.final_request
        if request is None or utterance.attempts or utterance.early_result is not None:
            return False
        return request.options != utterance.tuning.policy.first()
