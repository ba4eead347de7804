"""From settings and the catalogue to recognisers: how each model is used."""

from __future__ import annotations

from collections.abc import Callable

from asr.quality import FinalPolicy, QualityGate
from asr.recogniser import RecogniserConfig, StreamRecogniser
from asr.types import DecodeOptions, ModelSpec, Profile
from asr.utterance import DecodeTuning, LeaseModel
from server.settings import Settings


class Recognisers:
    """Makes stream recognisers that lease the model in force for each utterance."""

    def __init__(
        self,
        settings: Settings,
        spec_of: Callable[[str], ModelSpec],
        lease_model: LeaseModel,
    ) -> None:
        self._profile = Profile(settings.profile)
        self._config = RecogniserConfig(
            first_partial_ms=settings.first_partial_ms,
            partial_interval_ms=settings.partial_interval_ms,
            overlap_ms=settings.overlap_ms,
        )
        self._spec_of = spec_of
        self._lease_model = lease_model

    def make(self, stream_id: str) -> StreamRecogniser:
        """The recogniser of one stream."""
        return StreamRecogniser(
            stream_id=stream_id,
            lease_model=self._lease_model,
            tuning_of=self._tuning_of,
            gate=QualityGate(),
            config=self._config,
        )

    def _tuning_of(self, model_id: str) -> DecodeTuning:
        spec = self._spec_of(model_id)
        margin_ms = spec.context_margin_ms
        return DecodeTuning(
            policy=FinalPolicy(self._profile, margin_ms, spec.wide_margin_ms, spec.redo_logprob),
            partial_options=DecodeOptions(beam_size=1, context_margin_ms=margin_ms),
        )
