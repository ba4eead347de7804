"""Numbered decode requests of one stream. Pure."""

from __future__ import annotations

from dataclasses import replace

from asr.types import DecodeKind, DecodeOptions, DecodeRequest
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

    def owns(self, request: DecodeRequest) -> bool:
        """Whether a request is this stream's, of this epoch."""
        return request.stream_id == self.stream_id and request.epoch == self.epoch
