"""Whether the machine has room for one more speaker, by what it shows. Pure.

Finals that wait long, and more speech than the workers can decode, are signs of overload. New
streams are refused then, so that those inside keep their latency; nobody inside is thrown out.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import Final

logger = logging.getLogger(__name__)

RECENT_S: Final = 10.0
"""Finals that tell how late they are now; and how long a newcomer may take to begin."""
FEW_FINALS: Final = 3
"""Fewer than these say nothing."""
KEPT_FINALS: Final = 512

DEMAND_S: Final = 30.0
"""Over how much time a stream's share of speech is taken."""
SPEECH_SHARE: Final = 0.6
"""Of a newcomer's time, until it is known."""
KNOWN_COST_AFTER_S: Final = 20.0
"""Audio decoded, before what it took counts instead of what was measured at the model's load."""

FEW_SPEAKERS: Final = 2
"""No more than these are let in whatever is foretold: on a slow machine they try."""

FULL: Final = 0.8
"""Of the workers' time for finals; the rest is for partials, and for chance."""
ROOM_AGAIN: Final = 0.7
WAITING_SHARE: Final = 0.7
"""Of the audio that may wait to become finals."""
STRETCHED_LOAD: Final = 0.9
RELAXED_LOAD: Final = 0.75
CALM_S: Final = 5.0
"""How long signs must be good before newcomers are let in again."""


class Step(Enum):
    """How the server meets its load."""

    ADMITTING = "admitting"
    STRETCHED = "stretched"
    """Everybody may come; partials come less often than they should."""
    REFUSING = "refusing"
    """New streams are refused."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What the machine shows."""

    load: float
    """Share of the workers' time of late that was busy."""
    late_s: float
    """How long a final waits for a worker."""
    waiting_share: float
    """Of the audio that may wait to become finals."""
    demand: float
    """Share of the workers' time that the finals of those here, and of one more, take."""


class Overload:
    """The step in force, with hysteresis. `limit_s` is how late finals may be."""

    def __init__(self, limit_s: float, on_step: Callable[[Step], object]) -> None:
        self.step = Step.ADMITTING
        self._limit_s = limit_s
        self._on_step = on_step
        self._calm_since_s: float | None = None

    def look(self, signs: Signs, now_s: float) -> Step:
        """The step that these signs lead to."""
        over = self._over(signs)
        if over is not None:
            self._calm_since_s = None
            self._become(Step.REFUSING, over)
        elif self.step is not Step.REFUSING or self._is_calm(signs, now_s):
            self._relax(signs)
        return self.step

    def _over(self, signs: Signs) -> str | None:
        """What is too much."""
        if signs.late_s > self._limit_s:
            return f"finals wait {signs.late_s:.1f} s for a worker"
        if signs.waiting_share > WAITING_SHARE:
            return "too much audio waits to become finals"
        if signs.demand > FULL:
            return f"one more would ask for {signs.demand:.0%} of the decode workers"
        return None

    def _is_calm(self, signs: Signs, now_s: float) -> bool:
        calm = (
            signs.late_s < self._limit_s / 2
            and signs.waiting_share < WAITING_SHARE / 2
            and signs.demand < ROOM_AGAIN
        )
        if not calm:
            self._calm_since_s = None
            return False
        if self._calm_since_s is None:
            self._calm_since_s = now_s
        return now_s - self._calm_since_s >= CALM_S

    def _relax(self, signs: Signs) -> None:
        if signs.load > STRETCHED_LOAD:
            self._become(Step.STRETCHED, f"the decode workers are {signs.load:.0%} busy")
        elif self.step is Step.REFUSING or signs.load < RELAXED_LOAD:
            self._become(Step.ADMITTING, "there is room")

    def _become(self, step: Step, why: str) -> None:
        if step is self.step:
            return
        logger.warning("load: %s -> %s (%s)", self.step.value, step.value, why)
        self.step = step
        self._calm_since_s = None
        self._on_step(step)


@dataclass(slots=True)
class _Line:
    """One stream's finals: when those open were asked for, and when the last one was answered."""

    open: dict[int, float] = field(default_factory=dict)
    answered_s: float = 0.0


class FinalWaits:
    """How long a stream's next final waits for a worker, whatever that stream itself has queued.

    So a file, whose finals wait for each other, does not look like an overload. Bound: open
    finals, which their streams bound, and the last 512 answers.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._waits: deque[tuple[float, float]] = deque(maxlen=KEPT_FINALS)
        """When, and how long."""
        self._decodes_s: deque[float] = deque(maxlen=50)

    def asked(self, stream: str, request: int, now_s: float) -> None:
        """A final was asked for."""
        self._lines.setdefault(stream, _Line()).open[request] = now_s

    def answered(self, stream: str, request: int, decode_s: float, now_s: float) -> None:
        """Its text came, after a decode of so long."""
        line = self._lines.get(stream)
        if line is None:
            return
        since_s = max(line.open.pop(request, now_s), line.answered_s)
        line.answered_s = now_s
        self._waits.append((now_s, max(0.0, now_s - decode_s - since_s)))
        self._decodes_s.append(decode_s)

    def dropped(self, stream: str, request: int) -> None:
        """It is not wanted any more, or failed."""
        line = self._lines.get(stream)
        if line is not None:
            line.open.pop(request, None)

    def forget(self, stream: str) -> None:
        """The stream is over."""
        self._lines.pop(stream, None)

    def late_s(self, now_s: float) -> float:
        """The median of the last seconds' waits, or the longest that lasts."""
        recent = [wait for at_s, wait in self._waits if at_s > now_s - RECENT_S]
        usual_s = median(recent) if len(recent) >= FEW_FINALS else 0.0
        decode_s = median(self._decodes_s) if self._decodes_s else 0.0
        lasting = [
            now_s - decode_s - max(min(line.open.values()), line.answered_s)
            for line in self._lines.values()
            if line.open
        ]
        return max(usual_s, max(lasting, default=0.0))


@dataclass(slots=True)
class _Speaker:
    began_s: float
    decoded: deque[tuple[float, float]] = field(default_factory=deque)
    """When, and seconds of audio."""


class Demand:
    """What share of the workers' time the finals of all speakers take.

    A speaker counts as one at most, however fast it sends. Bound: connections, and of each speaker
    the finals of half a minute.
    """

    def __init__(self) -> None:
        self._expected: dict[Hashable, float] = {}
        """Who is here and has not begun, and when it was let in."""
        self._speakers: dict[str, _Speaker] = {}
        self._costs: deque[tuple[float, float]] = deque(maxlen=KEPT_FINALS)
        """Seconds of audio, and seconds of one worker."""

    def admitted(self, visitor: Hashable, now_s: float) -> None:
        """Somebody may send, and has not begun."""
        self._expected[visitor] = now_s

    def named(self, visitor: Hashable, speaker: str) -> None:
        """Which speaker a visitor is, if it is expected to speak."""
        if visitor in self._expected:
            self._expected[speaker] = self._expected.pop(visitor)

    def left(self, visitor: Hashable) -> None:
        """Its connection is lost: it does not begin."""
        self._expected.pop(visitor, None)

    def began(self, speaker: str, now_s: float) -> bool:
        """A speaker's first audio; whether it was admitted just now, and so counts already."""
        self._forget_expected(now_s)
        expected = self._expected.pop(speaker, None) is not None
        self._speakers[speaker] = _Speaker(now_s)
        return expected

    def gone(self, speaker: str) -> None:
        """It will not send any more."""
        self._speakers.pop(speaker, None)

    def decoded(self, speaker: str, audio_s: float, cost_s: float, now_s: float) -> None:
        """A final of so much audio took so much of one worker's time."""
        self._costs.append((audio_s, cost_s))
        known = self._speakers.get(speaker)
        if known is not None:
            known.decoded.append((now_s, audio_s))

    def forget_costs(self) -> None:
        """Another model answers."""
        self._costs.clear()

    def anybody(self, now_s: float) -> bool:
        """Whether somebody is here who could be harmed."""
        self._forget_expected(now_s)
        return bool(self._expected or self._speakers)

    def share(self, prior_cost: float, workers: int, now_s: float) -> float:
        """With one newcomer. `prior_cost`: a worker's seconds for one of audio, before any came."""
        self._forget_expected(now_s)
        if len(self._speakers) + len(self._expected) < FEW_SPEAKERS:
            return 0.0
        audio_s = sum(audio for audio, _ in self._costs)
        cost = prior_cost
        if audio_s >= KNOWN_COST_AFTER_S:
            cost = sum(cost_s for _, cost_s in self._costs) / audio_s
        speech = sum(_speech_share(speaker, now_s) for speaker in self._speakers.values())
        speech += SPEECH_SHARE * (len(self._expected) + 1)
        return cost * speech / max(1, workers)

    def _forget_expected(self, now_s: float) -> None:
        late = [who for who, at_s in self._expected.items() if at_s <= now_s - RECENT_S]
        for who in late:
            del self._expected[who]


def _speech_share(speaker: _Speaker, now_s: float) -> float:
    while speaker.decoded and speaker.decoded[0][0] <= now_s - DEMAND_S:
        speaker.decoded.popleft()
    age_s = max(now_s - speaker.began_s, RECENT_S)
    share = min(1.0, sum(audio_s for _, audio_s in speaker.decoded) / min(DEMAND_S, age_s))
    return max(share, SPEECH_SHARE) if age_s <= RECENT_S else share
