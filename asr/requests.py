"""Numbered decode requests of one stream. Pure."""

from __future__ import annotations

from dataclasses import replace

from asr.effects import Retire
from asr.types import DecodeKind, DecodeOptions, DecodeRequest
from asr.utterance import Utterance
from audio.types import Samples


class RequestMaker:
    """Makes requests whose (stream_id, epoch, utterance_id, revision) say whom they are for."""

    def __init__(self, stream_id: str, epoch: int) -> None:
        self.stream_id = stream_id
        self.epoch = epoch
        self._count = 0

    def make(
        self,
        kind: DecodeKind,
        *,
        utterance_id: int,
        revision: int,
        audio: Samples,
        options: DecodeOptions,
        model_id: str,
        now_s: float,
        deadline_s: float,
    ) -> DecodeRequest:
        """A new request."""
        self._count += 1
        return DecodeRequest(
            request_id=self._count,
            stream_id=self.stream_id,
            epoch=self.epoch,
            utterance_id=utterance_id,
            revision=revision,
            kind=kind,
            audio=audio,
            options=options,
            model_id=model_id,
            created_s=now_s,
            deadline_s=deadline_s,
        )

    def of_utterance(
        self, utterance: Utterance, kind: DecodeKind, audio: Samples, now_s: float, wait_s: float
    ) -> DecodeRequest:
        """An utterance's next decode, by its own model and tuning."""
        tuning = utterance.tuning
        final = kind is DecodeKind.FINAL
        return self.make(
            kind,
            utterance_id=utterance.id,
            revision=utterance.next_revision(),
            audio=audio,
            options=tuning.policy.first() if final else tuning.partial_options,
            model_id=utterance.lease.model_id,
            now_s=now_s,
            deadline_s=now_s + wait_s,
        )

    def again(
        self,
        request: DecodeRequest,
        options: DecodeOptions,
        model_id: str,
        now_s: float,
        deadline_s: float,
    ) -> DecodeRequest:
        """The same audio once more, otherwise decoded, by the model that answers now."""
        self._count += 1
        return replace(
            request,
            request_id=self._count,
            options=options,
            model_id=model_id,
            created_s=now_s,
            deadline_s=deadline_s,
        )

    def retire(self, utterance_id: int, kind: DecodeKind) -> Retire:
        """Decodes of this kind for an utterance of this stream are not wanted any more."""
        return Retire(self.stream_id, self.epoch, utterance_id, kind)

    def owns(self, request: DecodeRequest) -> bool:
        """Whether a request is this stream's, of this epoch."""
        return request.stream_id == self.stream_id and request.epoch == self.epoch
