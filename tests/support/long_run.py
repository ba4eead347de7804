"""Mixed traffic of a long run: who comes and goes, and how the server is watched meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import psutil
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import WebSocketException

from benchmarks.dataset import Pcm16
from benchmarks.network_cuts import LiveSpeech
from benchmarks.tcp_line import TcpLine, break_lines
from client import AsrConnection, connect
from client.addresses import Addresses
from client.conversation import Conversation
from client.errors import ClientError
from client.feed import Feed
from client.resumption import Resumption
from client.view import PlainView
from server.messages import FinalTranscription
from tests.support.bad_clients import misbehave
from tests.support.long_run_report import Counts, LongRun, Sample, Spoken
from tests.support.raw_websocket import reset_connection
from tests.support.running_server import Client
from tests.support.server_process import ServerProcess
from tests.support.thai_clock import times_of_day

SESSIONS = ("hall-1", "hall-2", "hall-3")
IDLE_LIMIT_S = 150.0
"""Conversations end by themselves, and places of lost connections are kept for `resume_s`."""

MODELS = ("again", "whisper-base")


@dataclass(slots=True)
class ListeningView(PlainView):
    """Remembers how long finals took."""

    latencies_s: list[float] = field(default_factory=list)

    def final(self, _event: FinalTranscription, latency_s: float | None = None) -> None:
        if latency_s is not None:
            self.latencies_s.append(latency_s)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much, and how bad the network is."""

    minutes: float = 120.0
    rounds: int = 6
    """Times that everybody leaves and the server is looked at."""
    speakers: int = 2
    speeches: int = 8
    viewers: int = 4
    cuts_s: Sequence[float] = (1.0, 5.0, 20.0, 50.0)
    sample_every_s: float = 60.0
    load_every_s: float = 900.0
    bad_every_s: float = 0.5
    seed: int = 1


class Traffic:
    """Speakers, viewers, bad clients, and a model load now and then, while `flowing`."""

    def __init__(self, server: ServerProcess, plan: Plan, run: LongRun) -> None:
        self._server = server
        self._plan = plan
        self._run = run
        self._chance = random.Random(plan.seed)
        self._begun_s = time.monotonic()
        self._speeches = [times_of_day(number) for number in range(plan.speeches)]
        self._expected: list[list[str]] = []
        self._numbers = iter(range(10**9))

    @property
    def now_s(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._begun_s

    async def learn(self) -> None:
        """What the server makes of each speech when nobody else is there."""
        for number, samples in enumerate(self._speeches):
            spoken = await self._converse(samples, f"alone-{number}", number, None)
            assert spoken is not None
            self._expected.append(spoken[0])

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """People come and go until the block ends; then all leave. One that fails ends it all."""
        actors = [
            *(self._speak for _ in range(self._plan.speakers)),
            *(self._view for _ in range(self._plan.viewers)),
            *(self._misbehave, self._load_models, self._look_in),
        ]
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for actor in actors:
                group.create_task(_until(stop, actor))
            yield
            stop.set()

    # -- who comes ----------------------------------------------------------------------------

    async def _speak(self) -> None:
        which = self._chance.randrange(len(self._speeches))
        samples, session = self._speeches[which], self._chance.choice(SESSIONS)
        cut = None
        if self._chance.random() < 0.35:
            at_s = self._chance.uniform(0.1, 0.8) * len(samples) / 16_000
            kind = self._chance.choice(("cut", "freeze"))
            cut = (at_s, self._chance.choice(self._plan.cuts_s), kind)
        at_s, number = self.now_s, next(self._numbers)
        spoken = await self._converse(samples, session, number, cut)
        if spoken is None:
            self._run.count("speakers refused")
        else:
            how = "whole" if cut is None else f"{cut[2]} of {cut[1]:g} s at {cut[0]:.1f} s"
            expected = self._expected[which]
            self._run.spoken.append(Spoken(at_s, number, how, expected, *spoken))
        await asyncio.sleep(self._chance.uniform(0.0, 3.0))

    async def _converse(
        self, samples: Pcm16, session: str, number: int, cut: tuple[float, float, str] | None
    ) -> tuple[list[str], bool, list[float]] | None:
        """What was heard, whether something may be lost, latencies; None if it was not let in."""
        server, speaker = self._server, f"speaker {number}"
        async with TcpLine(server.control_port) as control, TcpLine(server.audio_port) as audio:
            where = Addresses(f"ws://127.0.0.1:{control.port}", f"ws://127.0.0.1:{audio.port}")
            resumption = Resumption()

            def connecting(name: str | None) -> AbstractAsyncContextManager[AsrConnection]:
                return connect(
                    where, session=name or session, speaker=speaker, resumption=resumption
                )

            view = ListeningView(StringIO(), StringIO())
            conversation = Conversation(connecting, Feed(LiveSpeech(samples)), view)
            breaking = asyncio.create_task(break_lines(cut, (control, audio)), name="cut")
            failed = False
            try:
                await conversation.hold()
            except ClientError:
                failed = True
            finally:
                breaking.cancel()
                await asyncio.gather(breaking, return_exceptions=True)
        if not conversation.begun:
            return None
        heard = [final.text for final in conversation.finals if final.speaker == speaker]
        return heard, failed or conversation.failed, view.latencies_s

    async def _view(self) -> None:
        url = f"ws://127.0.0.1:{self._server.audio_port}/?role=viewer&session="
        leave_s = self._chance.uniform(2.0, 25.0)
        with contextlib.suppress(WebSocketException, OSError):
            async with connect_socket(url + self._chance.choice(SESSIONS)) as socket:
                self._run.count("viewers")
                match self._chance.randrange(3):
                    case 0:
                        socket.transport.pause_reading()
                        await asyncio.sleep(leave_s)
                        reset_connection(socket.transport)
                    case 1:
                        await asyncio.sleep(leave_s)
                        reset_connection(socket.transport)
                    case _:
                        await asyncio.sleep(leave_s)

    async def _misbehave(self) -> None:
        seed = self._chance.randrange(10**9)
        self._run.count("bad clients")
        await misbehave(self._server.control_port, self._server.audio_port, seed)
        await asyncio.sleep(self._plan.bad_every_s)

    async def _look_in(self) -> None:
        """A page that is opened and closed."""
        async with self._control() as control:
            await control.ask({"type": "get_models"}, "available_models")
            self._run.count("control connections")
        await asyncio.sleep(2.0)

    async def _load_models(self) -> None:
        await asyncio.sleep(1.0)
        loaded = self._run.counted.get("model loads", 0)
        if self.now_s < (loaded + 1) * self._plan.load_every_s:
            return
        async with self._control() as control:
            model_id = MODELS[loaded % len(MODELS)]
            await control.ask({"type": "load_model", "model_id": model_id}, "model_loaded")
            self._run.count("model loads")

    # -- who watches --------------------------------------------------------------------------

    async def idle(self) -> Sample:
        """The server once everybody has left and no place is kept."""
        async with asyncio.timeout(IDLE_LIMIT_S):
            while True:
                sample = await self.sample(idle=True)
                counts = sample.counts
                if (counts.sessions, counts.streams, counts.clients) == (1, 0, 1):
                    return sample
                await asyncio.sleep(1.0)

    async def sample(self, *, idle: bool = False) -> Sample:
        """The server now."""
        process = psutil.Process(self._server.process.pid)
        async with self._control("?session=watcher") as control:
            status = await control.ask({"type": "get_status"}, "server_status")
            counters = (await control.ask({"type": "get_statistics"}, "statistics"))["counters"]
            counts = Counts(
                tasks=round(counters["tasks"]),
                threads=process.num_threads(),
                fds=process.num_fds(),
                sessions=status["sessions"],
                streams=status["streams"],
                clients=status["clients"],
            )
        return Sample(
            at_s=round(self.now_s, 1),
            rss_mb=round(process.memory_info().rss / 1e6, 2),
            counts=counts,
            final_latency_ms=status.get("final_latency_ms"),
            loop_lag_p99_ms=counters["loop_lag_p99_ms"],
            idle=idle,
        )

    @asynccontextmanager
    async def _control(self, query: str = "") -> AsyncIterator[Client]:
        url = f"ws://127.0.0.1:{self._server.control_port}/{query}"
        async with connect_socket(url, max_size=None) as socket:
            yield Client(socket)


async def carry_out(server: ServerProcess, plan: Plan, run: LongRun) -> None:
    """The whole run. `minutes` include the pauses in which the server is idle."""
    traffic = Traffic(server, plan, run)
    await traffic.learn()
    for round_number in range(1, plan.rounds + 1):
        ends_s = 60 * plan.minutes * round_number / plan.rounds
        async with traffic.flowing():
            while traffic.now_s < ends_s:
                pause_s = min(plan.sample_every_s, max(0.0, ends_s - traffic.now_s))
                await asyncio.sleep(pause_s)
                run.samples.append(await traffic.sample())
        run.samples.append(await traffic.idle())


async def _until(stop: asyncio.Event, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while not stop.is_set():
        await act()
