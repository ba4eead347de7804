"""What a stream's recogniser wants done or said. Frozen; the server turns these into I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from asr.types import DecodeKind, DecodeRequest, DecodeResult
from audio.types import EndReason


@dataclass(frozen=True, slots=True)
class Submit:
    """Decode this; the outcome comes back through `StreamRecogniser.on_outcome`."""

    request: DecodeRequest


@dataclass(frozen=True, slots=True)
class Retire:
    """Decodes of this kind for this utterance are not wanted any more."""

    stream_id: str
    epoch: int
    utterance_id: int
    kind: DecodeKind


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """An utterance opened; positions are samples of the stream's 16 kHz clock."""

    utterance_id: int
    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechOver:
    """An utterance closed; its one terminal effect follows."""

    utterance_id: int
    at_sample: int
    reason: EndReason


@dataclass(frozen=True, slots=True)
class PartialText:
    """What has been understood so far. `text` starts with `stable_text`."""

    utterance_id: int
    revision: int
    text: str
    stable_text: str
    start_sample: int
    end_sample: int
    model_id: str


@dataclass(frozen=True, slots=True)
class FinalText:
    """Terminal: the utterance's text. Empty text comes with a `reason`.

    `silent` finals (nothing was said and no partial was shown) are bookkeeping, and news only to
    those who heard the `QuickFinal` that this one `revises`.
    """

    utterance_id: int
    revision: int
    text: str
    start_sample: int
    end_sample: int
    end_reason: EndReason
    decode_s: float
    confidence: float
    model_id: str
    reason: str | None
    silent: bool
    revises: bool = False
    result: DecodeResult | None = field(default=None, compare=False, repr=False)
    """The decode that gave the text."""


@dataclass(frozen=True, slots=True)
class QuickFinal:
    """Not terminal: the final as it would be now, while the utterance is decoded once more."""

    so_far: FinalText


@dataclass(frozen=True, slots=True)
class DecodeProblem:
    """A decode failed. Terminal for the utterance when `kind` is FINAL.

    The range is that of the audio without a text: the whole utterance's where it is terminal.
    """

    utterance_id: int
    kind: DecodeKind
    code: str
    message: str
    start_sample: int
    end_sample: int


Effect: TypeAlias = (
    Submit
    | Retire
    | SpeechBegan
    | SpeechOver
    | PartialText
    | QuickFinal
    | FinalText
    | DecodeProblem
)
