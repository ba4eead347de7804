"""One audio connection's audio on its way to text: the only place where it meets I/O.

One task runs the connection's items in order: bytes go through the intake in a DSP thread (one
job in flight), its front-end items through the pure recognisers on the loop; decode outcomes
come back on the loop and go straight to their recogniser.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, TypeVar

from asr.effects import Effect, Retire, SpeechBegan, Submit
from asr.recogniser import StreamRecogniser
from asr.types import DecodeOutcome, DecodeRequest, DecodeResult
from audio.intake import AudioIntake, IntakeResult
from audio.types import (
    AudioError,
    AudioFormat,
    EndReason,
    FrontendConfig,
    PcmBlock,
    SpeechEnded,
)
from server.actor_ports import Decoder, Listener
from server.audio_account import AudioAccount
from server.inbox import Inbox
from server.latency import Receipts
from server.presence import Presence
from server.presenter import News
from server.problem import Problem
from server.quiet import Quiet
from server.work_estimate import Work

logger = logging.getLogger(__name__)

MAX_PENDING_FINALS = 4
"""Per stream. At this many the connection's audio waits, and so does its sender."""

ITEMS_BETWEEN_YIELDS = 64
"""About a millisecond of work: a message may hold a minute of audio, and others wait."""

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, eq=False)
class AudioBytes:
    """Audio as sent, and when (in monotonic seconds) it was received."""

    data: bytes
    received_s: float


@dataclass(frozen=True, slots=True)
class EndAudio:
    """End open utterances; `done` is called when every final so far is out."""

    done: Callable[[int], None]
    last: bool = False
    """Nothing follows: the actor ends."""


@dataclass(frozen=True, slots=True)
class SetFormat:
    """A new format, for the audio that follows. `done` is told where on the streams' clock."""

    audio_format: AudioFormat
    done: Callable[[int], object]


@dataclass(frozen=True, slots=True)
class SetFrontend:
    """New front-end settings, for the audio that follows; `take` gives the latest."""

    take: Callable[[], FrontendConfig]


Item: TypeAlias = AudioBytes | EndAudio | SetFormat | SetFrontend


@dataclass(frozen=True, slots=True)
class WireTimers:
    """What happens when nothing comes in mid-utterance."""

    partial_s: float
    final_s: float


class AudioActor:
    """Owns the intake and the recognisers of one connection. `run` is its one task."""

    def __init__(
        self,
        *,
        intake: AudioIntake,
        inbox: Inbox[Item],
        make_recogniser: Callable[[int], StreamRecogniser],
        decoder: Decoder,
        dsp: Executor,
        listener: Listener,
        timers: WireTimers,
        presence: Presence,
        more_waits: Callable[[], bool],
    ) -> None:
        """`make_recogniser(stream_index)` makes the recogniser of one stream.

        `more_waits`: a message came and waits for room, so that it is not the wire that is silent.
        """
        self.inbox = inbox
        self._intake = intake
        self._make_recogniser = make_recogniser
        self._decoder = decoder
        self._dsp = dsp
        self._listener = listener
        self._timers = timers
        self._presence = presence
        self._more_waits = more_waits
        self._receipts: list[Receipts] = []
        """One per stream."""
        self._recognisers: list[StreamRecogniser] = []
        """One per stream there ever was; each goes on with its stream's clock."""
        self._settled = asyncio.Event()
        self._account = AudioAccount(intake, self._recognisers, listener)
        self._in_haste = False
        self._quiet = Quiet()
        self._silent_steps = 0

    @property
    def audio_format(self) -> AudioFormat:
        """The format in force."""
        return self._intake.audio_format

    def audio_s(self, data: bytes) -> float:
        """About how many seconds of audio a message holds (for the inbox's bound)."""
        form = self._intake.audio_format
        frame_bytes = form.channels * form.encoding.sample_bytes
        return max(len(data), 1) / (frame_bytes * form.sample_rate_hz)

    @property
    def work(self) -> Work:
        """What was accepted and may still have to be decoded."""
        return self._account.work(self.inbox.audio_s)

    def received_s(self, stream_index: int, end_sample: int) -> float:
        """When a stream's audio before `end_sample` had been received, in monotonic seconds."""
        return self._receipts[stream_index].received_s(end_sample)

    async def run(self) -> None:
        """Process items until the last. However it ends, it lets go of its models.

        Raises AudioError `vad_failed`: what the detector did not hear is lost, and no silence.
        """
        try:
            while await self._step():
                pass
        except Exception as error:
            await self._end_failed(error)
            raise
        finally:
            for recogniser in self._recognisers:
                recogniser.abandon()

    def hurry(self) -> None:
        """The server ends: what is owed is decoded by the shortest way, and nothing else."""
        self._in_haste = True
        for index, recogniser in enumerate(self._recognisers):
            self._perform(index, recogniser.hurry())
        self._settled.set()

    def give_up(self, problem: Problem) -> None:
        """Nothing gets a final any more: all that is owed is told as lost, by its range."""
        for index, recogniser in enumerate(self._recognisers):
            self._perform(index, recogniser.give_up(problem.code, problem.message))
        self._account.lose_accepted(self.inbox.audio_s, problem)
        self.inbox.close()
        self._settled.set()

    def refuse(self, problem: Problem) -> None:
        """Audio came and was not accepted: told once, with where what was accepted ends."""
        self._account.refuse(self.inbox.audio_s, problem)

    async def one_settled(self) -> None:
        """Wait for a decode of this connection to come back, or for the server's end."""
        self._settled.clear()
        await self._settled.wait()

    async def _end_failed(self, error: Exception) -> None:
        """What was heard still becomes finals; what was not, and all that follows, is lost."""
        code = error.code if isinstance(error, AudioError) else "internal_error"
        self._account.lose_unheard(Problem(code, str(error)))
        for index, recogniser in enumerate(self._recognisers):
            ended = SpeechEnded(recogniser.heard_sample, EndReason.FLUSH)
            self._perform(index, recogniser.feed((ended,), time.monotonic()))
        await self._all_idle()

    async def _step(self) -> bool:
        item = await self._next_item()
        match item:
            case None:
                return True
            case AudioBytes():
                await self._on_audio(item)
            case EndAudio():
                await self._end_audio()
                item.done(self._intake.position_samples)
                return not item.last
            case SetFormat():
                await self._set_format(item.audio_format)
                item.done(self._intake.position_samples)
            case SetFrontend():
                config = item.take()
                await self._in_dsp(lambda: self._intake.set_config(config))
        return True

    async def _next_item(self) -> Item | None:
        """The next item, or None after a step of the wire-silence timer."""
        try:
            async with asyncio.timeout(self._wire_timeout_s()):
                item = await self.inbox.get()
        except TimeoutError:
            if not self._more_waits():
                await self._on_wire_silent()
            return None
        self._silent_steps = 0
        return item

    def _wire_timeout_s(self) -> float | None:
        if not self._intake.mid_speech:
            return None
        if self._silent_steps == 0:
            return self._timers.partial_s
        return self._timers.final_s - self._timers.partial_s

    async def _on_wire_silent(self) -> None:
        self._silent_steps += 1
        if self._silent_steps == 1:
            self._presence.look()
            now_s = time.monotonic()
            for index, recogniser in enumerate(self._recognisers):
                self._perform(index, recogniser.nudge(now_s))
            return
        if not self._presence.is_there():
            return  # it is the network that is silent, and the speaker may come back
        self._listener.on_wire_silent()
        await self._take(await self._in_dsp(self._intake.flush))

    async def _on_audio(self, first: AudioBytes) -> None:
        # the messages are one byte stream: a sender of tiny ones costs no thread hop each
        behind = self.inbox.get_audio_behind()
        messages = [item for item in (first, *behind) if isinstance(item, AudioBytes)]
        ends_bytes = tuple(accumulate(len(message.data) for message in messages))
        data, done_bytes = b"".join(message.data for message in messages), 0
        while data and not self._account.closed:
            self._account.in_hand_s = self.audio_s(data)
            size = self._slice_bytes()
            piece, data = data[:size], data[size:]
            done_bytes += len(piece)
            received_s = messages[bisect_left(ends_bytes, done_bytes)].received_s
            await self._push(piece, received_s, left_s=self.audio_s(data) if data else 0.0)
            while any(r.pending_finals >= MAX_PENDING_FINALS for r in self._recognisers):
                await self.one_settled()

    async def _push(self, piece: bytes, received_s: float, left_s: float) -> None:
        result = await self._in_dsp(lambda: self._intake.push(piece))
        self.inbox.note_progress()
        self._account.in_hand_s = left_s
        for index, position_samples in enumerate(self._intake.positions_samples):
            if index == len(self._receipts):
                self._receipts.append(Receipts())
            self._receipts[index].note(position_samples, received_s)
        await self._take(result)

    def _slice_bytes(self) -> int:
        """A second of audio in the format in force: one job must not hold a DSP thread longer."""
        form = self._intake.audio_format
        return form.sample_rate_hz * form.channels * form.encoding.sample_bytes

    async def _end_audio(self) -> None:
        await self._take(await self._in_dsp(self._intake.flush))
        await self._all_idle()

    async def _set_format(self, audio_format: AudioFormat) -> None:
        await self._end_audio()  # what was said before is told under the names of its format
        await self._take(await self._in_dsp(lambda: self._intake.set_format(audio_format)))

    async def _all_idle(self) -> None:
        while not all(recogniser.idle for recogniser in self._recognisers):
            await self.one_settled()

    async def _in_dsp(self, work: Callable[[], ResultT]) -> ResultT:
        result = await asyncio.get_running_loop().run_in_executor(self._dsp, work)
        self._account.note_received()
        return result

    async def _take(self, result: IntakeResult) -> None:
        for problem in result.problems:
            self._listener.on_problem(problem.code, problem.message)
        for index, items in enumerate(result.streams):
            if index == len(self._recognisers):
                self._recognisers.append(self._make_recogniser(index))
                if self._in_haste:
                    self._recognisers[index].hurry()
            recogniser = self._recognisers[index]
            for count, item in enumerate(items, start=1):
                if self._account.closed:
                    return
                self._perform(index, recogniser.feed((item,), time.monotonic()))
                if count % ITEMS_BETWEEN_YIELDS == 0:
                    await asyncio.sleep(0)
        self._account.note_heard()
        longest = max(result.streams, key=len)
        heard = sum(len(item.samples) for item in longest if isinstance(item, PcmBlock))
        if not self._intake.mid_speech and self._quiet.lasts(heard):
            self._listener.on_no_speech()

    def _perform(self, index: int, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Submit():
                    self._submit(index, effect.request)
                case Retire():
                    self._decoder.retire(
                        effect.stream_id, effect.epoch, effect.utterance_id, effect.kind
                    )
                case _:
                    self._tell(index, effect)

    def _tell(self, index: int, news: News) -> None:
        if isinstance(news, SpeechBegan):
            self._quiet.ended()
        self._listener.on_news(index, news)

    def _submit(self, index: int, request: DecodeRequest) -> None:
        recogniser = self._recognisers[index]

        def deliver(outcome: DecodeOutcome) -> None:
            if isinstance(outcome, DecodeResult):
                self._listener.on_decoded(outcome)
            self._perform(index, recogniser.on_outcome(outcome, time.monotonic()))
            self._settled.set()

        self._decoder.submit(request, deliver)
