"""What crosses between sessions, the scheduler and an engine. Frozen and picklable."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from audio.types import SAMPLE_RATE_HZ, Samples


class DecodeKind(Enum):
    """What a decode is for."""

    PARTIAL = "partial"
    FINAL = "final"


class Profile(Enum):
    """How much work a final may cost."""

    FAST = "fast"
    """Encoder context cut to the audio, greedy; decoded again only what went astray."""
    BALANCED = "balanced"
    """As FAST, and what is in doubt is decoded again as in ACCURATE."""
    ACCURATE = "accurate"
    """Beam 5, wide context."""


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How to decode one utterance. Equal options may share a batch.

    `context_margin_ms` is the zero audio after the speech that the encoder sees; None means
    the model's full window. `glossary` holds words that are likely to be said; empty for none.
    """

    beam_size: int = 1
    context_margin_ms: int | None = 1_500
    temperature: float = 0.0
    no_repeat_ngram_size: int = 0
    max_new_tokens: int | None = None
    glossary: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DecodeRequest:
    """One utterance, or its beginning, to decode.

    `audio` is float32 mono at 16 kHz, at most 30 s. Times are seconds of the server's
    monotonic clock. (stream_id, epoch, utterance_id, revision) says whom the result is for.
    """

    request_id: int
    stream_id: str
    epoch: int
    utterance_id: int
    revision: int
    kind: DecodeKind
    audio: Samples
    options: DecodeOptions
    model_id: str
    created_s: float
    deadline_s: float

    @property
    def audio_s(self) -> float:
        """Seconds of audio."""
        return len(self.audio) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What an engine made of one utterance.

    `text` is the decoded `tokens` (text tokens only) as the tokenizer gives it; `avg_logprob`
    is the mean log-probability of the tokens, end of text included.
    """

    text: str
    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float
    truncated: bool
    """The decoder stopped at its token limit, not at an end of text."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodeResult:
    """A request's hypothesis. `decode_s` is the wall time of the batch that held it."""

    request: DecodeRequest
    hypothesis: Hypothesis
    queue_s: float
    decode_s: float
    batch_size: int
    instead_of_asked: str | None = None
    """The model that answered in place of the one asked for, where that one did not come."""

    @property
    def model_id(self) -> str:
        """The model that answered."""
        return self.instead_of_asked or self.request.model_id


@dataclass(frozen=True, slots=True, eq=False)
class DecodeFailed:
    """A request that got no hypothesis: an error for its client, never "no speech"."""

    request: DecodeRequest
    code: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class DecodeDropped:
    """A partial (or a speculative final) that was not worth decoding any more."""

    request: DecodeRequest
    reason: str


DecodeOutcome: TypeAlias = DecodeResult | DecodeFailed | DecodeDropped


LOCAL_ID = "local"
"""Id of the model that the operator gave by its folder, whatever that is called."""


class ModelFormat(Enum):
    """How a model's weights are stored."""

    CT2 = "ct2"
    TRANSFORMERS = "transformers"


class ModelState(Enum):
    """Where a catalogue entry stands on this machine."""

    REMOTE = "remote"
    """Not on disk."""
    FETCHING = "fetching"
    """Its files are on their way, or made fit to load."""
    ON_DISK = "on_disk"
    LOADING = "loading"
    READY = "ready"
    """In memory and answering, or able to at once."""


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """An error rate that somebody published, with where and on what."""

    metric: str
    value: float
    test_set: str
    source: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One entry of `models.yaml`."""

    id: str
    name: str
    description: str
    repo: str
    format: ModelFormat
    tier: str
    recommended: bool = False
    revision: str | None = None
    language: str = "th"
    licence: str = "unknown"
    terms: str = ""
    """Conditions beyond the licence, in words for whoever chooses the model."""
    vram_mb: int | None = None
    size_mb: int | None = None
    """Of its files, in millions of bytes, where that was published."""
    embedded: bool = False
    path: str | None = None
    context_margin_ms: int = 1_500
    """Silence after the speech in the context of partials and quick finals."""
    wide_margin_ms: int = 30_000
    """The same for finals that must be right; 30 s is the full window."""
    redo_logprob: float = -0.7
    """Profile `balanced` decodes again a final less probable than this (mean per token)."""
    prompt_allowed: bool = True
    """Whether a session's glossary is given to it."""
    scores: tuple[PublishedScore, ...] = field(default=())
