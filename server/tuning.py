"""From settings and the catalogue to recognisers: how each model is used."""

from __future__ import annotations

import logging
from collections.abc import Callable

from asr.glossary import tidy
from asr.models import ModelManager
from asr.quality import SHORT_NGRAM, FinalPolicy, QualityGate
from asr.recogniser import RecogniserConfig, StreamRecogniser
from asr.types import DecodeOptions, ModelSpec
from asr.utterance import DecodeTuning
from server.settings import Settings

logger = logging.getLogger(__name__)


class Recognisers:
    """Makes stream recognisers that lease the model in force for each utterance."""

    def __init__(self, settings: Settings, models: ModelManager) -> None:
        self._config = RecogniserConfig(overlap_ms=settings.overlap_ms)
        self._models = models

    def make(self, stream_id: str, glossary_of_session: Callable[[], str]) -> StreamRecogniser:
        """The recogniser of one stream. The glossary is asked for at each utterance."""
        glossary = _StreamGlossary(stream_id, glossary_of_session)
        return StreamRecogniser(
            stream_id=stream_id,
            lease_model=self._models.acquire,
            tuning_of=lambda model_id: self._tuning_of(model_id, glossary),
            gate=QualityGate(),
            config=self._config,
        )

    def _tuning_of(self, model_id: str, stream_glossary: _StreamGlossary) -> DecodeTuning:
        spec = self._models.catalogue[model_id]
        pace = self._models.pace_of(model_id)
        glossary = stream_glossary.for_model(spec)
        return DecodeTuning(
            policy=FinalPolicy.of_model(pace.profile, spec, glossary),
            partial_options=DecodeOptions(
                beam_size=1,
                context_margin_ms=spec.context_margin_ms,
                no_repeat_ngram_size=SHORT_NGRAM,
                glossary=glossary,
            ),
            first_partial_ms=pace.first_partial_ms,
            partial_interval_ms=pace.partial_interval_ms,
        )


class _StreamGlossary:
    """A session's glossary for one stream; says once of each model that it takes none."""

    def __init__(self, stream_id: str, glossary_of_session: Callable[[], str]) -> None:
        self._stream_id = stream_id
        self._glossary_of_session = glossary_of_session
        self._told: set[str] = set()

    def for_model(self, spec: ModelSpec) -> str:
        """What the model is given: nothing where its entry does not allow a prompt."""
        glossary = tidy(self._glossary_of_session())
        if not glossary or spec.prompt_allowed:
            return glossary
        if spec.id not in self._told:
            self._told.add(spec.id)
            logger.warning(
                "stream %s: the glossary is ignored, %s takes none (prompt_allowed in models.yaml)",
                self._stream_id,
                spec.id,
            )
        return ""
