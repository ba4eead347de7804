"""One utterance from its first sound to its one terminal effect. Pure."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from asr.agreement import LocalAgreement
from asr.overlap import without_repeated_head
from asr.quality import Attempt, FinalPolicy
from asr.types import DecodeOptions, DecodeRequest, DecodeResult
from audio.types import EndReason

logger = logging.getLogger(__name__)


class Lease(Protocol):
    """A hold on a loaded model: an utterance ends on the model it began with."""

    @property
    def model_id(self) -> str:
        """The model held."""
        ...

    def release(self) -> None:
        """Let go. Called once."""
        ...


LeaseModel = Callable[[], Lease]


@dataclass(frozen=True, slots=True)
class DecodeTuning:
    """How one model is used: its policy for finals, its options and cadence for partials."""

    policy: FinalPolicy
    partial_options: DecodeOptions
    first_partial_ms: int = 250
    """Speech before the first partial, from its detection."""
    partial_interval_ms: int = 1_000
    """Speech between partials."""


TuningOf = Callable[[str], DecodeTuning]
"""By model id."""


class UtteranceState(Enum):
    """Where an utterance stands."""

    OPEN = "open"
    FINALISING = "finalising"
    """It has ended; its final is being decoded."""
    DONE = "done"
    """Its terminal effect is known, and goes out after those of earlier utterances."""


@dataclass(slots=True)
class Utterance:
    """Its bounds in samples, the text shown so far, and the decodes in flight."""

    id: int
    start_sample: int
    audio_start_sample: int
    """Where its audio begins: earlier than `start_sample` by the overlap after a split."""
    lease: Lease
    tuning: DecodeTuning
    partial_due_sample: int
    predecessor: Utterance | None = None
    """The utterance before a split whose audio overlaps this one's."""
    latest_text: str = ""
    """The newest text known for it, partial or final."""
    agreement: LocalAgreement = field(default_factory=LocalAgreement)
    state: UtteranceState = UtteranceState.OPEN
    revision: int = 0
    end_sample: int | None = None
    end_reason: EndReason | None = None
    paused: bool = False
    shown: bool = False
    shown_logprob: float = -math.inf
    """Of the hypothesis that last replaced all that was shown."""
    quick_told: bool = False
    """Its text was told once as a `QuickFinal`."""
    partial_requests: list[DecodeRequest] = field(default_factory=list)
    """Decodes in flight whose text will be shown: one partial, and finals that speech overtook."""
    partial_end_sample: int = 0
    heard_revision: int = 0
    """Of the newest hypothesis that was shown or found empty."""
    final_request: DecodeRequest | None = None
    final_end_sample: int = 0
    """End of the audio in `final_request`: a guess (at a pause) while the utterance is open."""
    early_result: DecodeResult | None = None
    """The result of a guess, kept until the endpoint confirms it."""
    attempts: list[tuple[Attempt, DecodeResult]] = field(default_factory=list)

    def become(self, state: UtteranceState) -> None:
        """Change state (the one place that does)."""
        logger.debug("utterance %d: %s -> %s", self.id, self.state.value, state.value)
        self.state = state

    def next_revision(self) -> int:
        """Number the next decode or text of this utterance."""
        self.revision += 1
        return self.revision

    def ends_at_split(self, sample: int) -> bool:
        """Whether a forced split ended it where another one starts."""
        return self.end_reason is EndReason.SPLIT and self.end_sample == sample

    def hurry(self) -> None:
        """Decode it by the shortest way from now on."""
        self.tuning = replace(self.tuning, policy=self.tuning.policy.in_haste())

    def own_text(self, text: str) -> str:
        """`text` without what the predecessor already said in the overlap."""
        if self.predecessor is None:
            return text
        return without_repeated_head(self.predecessor.latest_text, text)

    def forget_final(self) -> None:
        """Let go of the final's decode (a guess that did not hold, or one that is done)."""
        self.final_request = None
        self.early_result = None


def confidence_of(avg_logprob: float) -> float:
    """Mean token probability (geometric), in [0, 1]."""
    return round(math.exp(min(0.0, avg_logprob)), 3)
