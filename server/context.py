"""What every connection handler shares, made once by the application."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from asr.device import DeviceProbe
from asr.models import ModelManager
from asr.scheduler import Scheduler
from audio.vad import SileroModel
from server.access_control import AccessControl
from server.audio_log import AudioLog
from server.guard import Guard
from server.health import Health
from server.instruments import Instruments
from server.latency import FinalLatencies
from server.limit_messages import Limits
from server.log_ids import LogIds
from server.loop_lag import LoopLag
from server.owed_text import OwedText
from server.registry import SessionRegistry
from server.settings import Settings
from server.shadow import Shadow
from server.statistics import ServerStatistics
from server.tasks import TaskSet
from server.tuning import Recognisers
from server.work_limit import WorkLimit


@dataclass(slots=True)
class Ports:
    """The ports really bound."""

    control: int
    audio: int


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """The server's parts. Nothing here is created by a connection."""

    settings: Settings
    registry: SessionRegistry
    models: ModelManager
    scheduler: Scheduler
    recognisers: Recognisers
    shadow: Shadow
    silero: SileroModel
    dsp: Executor
    tasks: TaskSet
    ports: Ports
    access: AccessControl
    probe: DeviceProbe
    log_ids: LogIds
    loop_lag: LoopLag
    guard: Guard
    work: WorkLimit
    clock: Callable[[], float]
    wall_clock: Callable[[], datetime]
    started_s: float
    instruments: Instruments = field(default_factory=Instruments)
    final_latencies: FinalLatencies = field(default_factory=FinalLatencies)
    owed_text: OwedText = field(default_factory=OwedText)
    health: Health = field(default_factory=Health)
    audio_log: AudioLog | None = None
    notices: list[str] = field(default_factory=list)
    """What a person should know of this server's state, also said in `server_status`."""
    numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def statistics(self) -> ServerStatistics:
        """The server's counters."""
        return self.guard.statistics

    def next_id(self, prefix: str) -> str:
        """A short name, unique in this process."""
        return f"{prefix}{next(self.numbers)}"

    def repo_of(self, model_id: str) -> str:
        """A model's repository, the `model` of a final."""
        return self.models.catalogue[model_id].repo

    def limits(self) -> Limits:
        """What a client may send, and for how long it may stay."""
        settings = self.settings
        names = [name for name in Limits.__struct_fields__ if name != "max_utterance_s"]
        return Limits(
            max_utterance_s=settings.hard_end_ms / 1000,
            **{name: getattr(settings, name) for name in names},
        )
