"""From settings and the catalogue to recognisers: how each model is used."""

from __future__ import annotations

from asr.models import ModelManager
from asr.quality import SHORT_NGRAM, FinalPolicy, QualityGate
from asr.recogniser import RecogniserConfig, StreamRecogniser
from asr.types import DecodeOptions
from asr.utterance import DecodeTuning
from server.settings import Settings


class Recognisers:
    """Makes stream recognisers that lease the model in force for each utterance."""

    def __init__(self, settings: Settings, models: ModelManager) -> None:
        self._config = RecogniserConfig(overlap_ms=settings.overlap_ms)
        self._models = models

    def make(self, stream_id: str) -> StreamRecogniser:
        """The recogniser of one stream."""
        return StreamRecogniser(
            stream_id=stream_id,
            lease_model=self._models.acquire,
            tuning_of=self._tuning_of,
            gate=QualityGate(),
            config=self._config,
        )

    def _tuning_of(self, model_id: str) -> DecodeTuning:
        spec = self._models.catalogue[model_id]
        pace = self._models.pace_of(model_id)
        return DecodeTuning(
            policy=FinalPolicy.of_model(pace.profile, spec),
            partial_options=DecodeOptions(
                beam_size=1,
                context_margin_ms=spec.context_margin_ms,
                no_repeat_ngram_size=SHORT_NGRAM,
            ),
            first_partial_ms=pace.first_partial_ms,
            partial_interval_ms=pace.partial_interval_ms,
        )
