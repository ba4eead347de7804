"""The composition root: makes every part, starts them in order, drains them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import webbrowser
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from asr.calibration import in_words
from asr.catalogue import Catalogue
from asr.device import DeviceProbe, RealProbe
from asr.load_machine import LoadProgress
from asr.loading import Loader
from asr.model_source import ModelSource
from asr.models import ModelManager
from asr.scheduler import Scheduler
from audio.denoise import SpectralGateDenoiser
from audio.types import NoiseReduction
from audio.vad import SileroModel
from server.access_control import AccessControl
from server.admission import Admission
from server.audio_log import AudioLog
from server.audio_log_setting import open_audio_log
from server.browser import open_page, page_url
from server.context import Context, Ports
from server.download_view import view_on
from server.draining import ENGINE_S, Draining, StopCause, StopOrder
from server.engines import CPU_MESSAGE, Machine, plan_machine, usable_cpu_count
from server.fetch_console import FetchConsole
from server.first_model import FirstModel
from server.greeting import Greeting, Reach, own_hosts
from server.guard import Guard
from server.hangup import watch_hangup
from server.heap import keep_small
from server.http import Page
from server.listener import Listener
from server.log_ids import LogIds, with_fields
from server.logs import LogFormat
from server.loop_lag import LoopLag
from server.model_requests import model_progress
from server.model_store import ModelStore
from server.pacing import Pacer
from server.package_check import ROOT
from server.registry import SessionRegistry
from server.resources import catalogue_of, command_line
from server.settings import Settings
from server.settings_models import AUTO_PROFILE
from server.shadow import Shadow
from server.shutdown import end_anyhow, shut_down
from server.signals import watch_signals
from server.status import notices
from server.tasks import TaskSet
from server.tuning import Recognisers
from server.watching import Watching
from server.work_estimate import DecodeSpeed, fast_speed
from server.work_limit import WorkLimit

logger = logging.getLogger(__name__)

MAX_DSP_THREADS = 4
FEATURE_THREADS = 2
"""Of their own: the front end of one stream must not delay all decodes."""
FORCED_EXIT_STATUS = 130

MODELS_S = 0.4
"""Longest wait at the end for each of: fetches, models that leave, engines that close."""


class App:
    """The server. `run` serves until asked to stop and returns the exit status."""

    def __init__(
        self,
        settings: Settings,
        make_source: Callable[[Settings, Machine, DeviceProbe], ModelSource] = ModelStore,
        open_url: Callable[[str], bool] = webbrowser.open,
        probe: DeviceProbe | None = None,
        *,
        model_named: bool = False,
        log_ids: LogIds | None = None,
        token: str = "",
    ) -> None:
        """`model_named`: the model of the settings is somebody's choice, not the default.

        `token` is the admin's, of the environment. Raises AccessError, SettingError.
        """
        self._settings = settings
        self._make_source = make_source
        self._open_url = open_url
        self._model_named = model_named
        self._probe = probe or RealProbe()
        self._log_ids = log_ids or LogIds()
        self._stop = asyncio.Event()
        self._draining = Draining(settings.drain_s)
        self.ready = asyncio.Event()
        self.ports = Ports(settings.control_port, settings.audio_port)
        """The ports really bound, once `ready`."""
        self._access = AccessControl(
            settings, token, lambda: (self.ports.control, self.ports.audio), time.monotonic
        )
        self._reload_asked = asyncio.Event()

    async def run(self) -> None:
        """Start, serve until stopped, drain. The process is to end when this returns.

        Raises ListenError, CatalogueError, EngineError, ModelError, OSError (no page).
        """
        async with AsyncExitStack() as stack:
            await self._serve(await self._make_context(stack))
        self._draining.closed()

    async def _serve(self, context: Context) -> None:
        listener = Listener(context, Page.load(ROOT / "realtime_thai_asr_client.html"))
        listener.check()
        first = FirstModel(context, named=self._model_named)
        loading = asyncio.create_task(first.load(), name="first model")
        if not await self._unless_stopped(loading):
            return
        context.tasks.spawn(Watching(context).run(), name="watchdog")
        context.tasks.spawn(keep_small(), name="heap")
        context.tasks.spawn(self._reload_when_asked(context, listener), name="reload")
        await listener.open()
        self._greet(context)
        to_come = loading.result()
        if to_come is not None:
            context.tasks.spawn(first.follow(to_come), name=f"fetch {to_come}")
        if self._settings.open:
            url = page_url(self._settings.host, self.ports.control, secure=self._access.secure)
            open_page(url, self._open_url)
        self.ready.set()
        await self._stop.wait()
        await shut_down(context, listener, self._draining)

    def stop(self, cause: StopCause = StopCause.PERSON) -> StopOrder:
        """Ask the server to drain and end; asked twice, the process ends at once."""
        order = self._draining.stop(cause, time.monotonic())
        match order:
            case StopOrder.DRAIN:
                self._stop.set()
            case StopOrder.END_AT_ONCE:
                logger.warning("stopping at once")
                logging.shutdown()
                os._exit(FORCED_EXIT_STATUS)
        return order

    def reload(self) -> None:
        """Read tokens and certificate again; asked for while it starts, before it listens."""
        self._reload_asked.set()

    async def _reload_when_asked(self, context: Context, listener: Listener) -> None:
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            once = context.tasks.spawn(listener.reload(), name="reload once")
            await asyncio.wait({once})  # what is read last counts

    def watch_signals(self) -> None:
        """Have Ctrl-C and SIGTERM stop the server, and SIGHUP have it read tokens and certificate.

        To be called on the running loop.
        """
        watch_hangup(reload=self.reload, stop=self.stop)
        watch_signals(self._on_signal)

    def _on_signal(self, cause: StopCause) -> None:
        if self.stop(cause) is StopOrder.DRAIN:
            end_anyhow(self._draining.longest_s)

    async def _unless_stopped(self, work: asyncio.Task[Any]) -> bool:
        """Wait for something slow; False, and it is ended, if the server is stopped before."""
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if work.done():
            work.result()
            return True
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return False

    # -- making -------------------------------------------------------------------------------
    async def _make_context(self, stack: AsyncExitStack) -> Context:
        settings = self._settings
        cpu_count = usable_cpu_count()
        machine = plan_machine(settings, cpu_count, self._probe)
        dsp = _threads(stack, "dsp", min(MAX_DSP_THREADS, cpu_count))
        features = _threads(stack, "features", FEATURE_THREADS)
        hangs_s = settings.decode_timeout_s
        scheduler = Scheduler(dsp=features, clock=time.monotonic, decode_timeout_s=hangs_s)
        registry = SessionRegistry(settings, time.monotonic)
        models = self._make_manager(stack, catalogue_of(settings), machine, scheduler, registry)
        stack.push_async_callback(models.close, MODELS_S)
        stack.push_async_callback(scheduler.close, ENGINE_S)
        shadow = Shadow(models, scheduler, registry.tell_control, time.monotonic, settings.shadow_s)
        stack.callback(shadow.close)
        tasks, loop_lag = TaskSet(), LoopLag(time.monotonic)
        stack.push_async_callback(tasks.close)
        tasks.spawn(loop_lag.run(), name="loop lag")
        return Context(
            settings=settings,
            registry=registry,
            models=models,
            scheduler=scheduler,
            recognisers=Recognisers(settings, models),
            shadow=shadow,
            silero=await _open_silero(settings, dsp),
            dsp=dsp,
            tasks=tasks,
            ports=self.ports,
            access=self._access,
            probe=self._probe,
            log_ids=self._log_ids,
            loop_lag=loop_lag,
            guard=Guard(settings, registry, scheduler, models, tasks, clock=time.monotonic),
            work=WorkLimit(settings.drain_s, lambda: _speed_of(models)),
            clock=time.monotonic,
            wall_clock=lambda: datetime.now(UTC),
            started_s=time.monotonic(),
            audio_log=self._open_audio_log(stack),
            notices=_notices_of(machine),
        )

    def _open_audio_log(self, stack: AsyncExitStack) -> AudioLog | None:
        log = open_audio_log(self._settings)
        if log is not None:
            stack.push_async_callback(asyncio.to_thread, log.close)
        return log

    def _make_manager(
        self,
        stack: AsyncExitStack,
        catalogue: Catalogue,
        machine: Machine,
        scheduler: Scheduler,
        registry: SessionRegistry,
    ) -> ModelManager:
        console = FetchConsole(lambda: view_on(sys.stderr), logger.info)
        stack.callback(console.close)
        source = self._make_source(self._settings, machine, self._probe)
        admission = Admission(
            machine, self._probe, source.locate, self._settings.gpu_memory_fraction
        )
        loader = Loader(
            source,
            pacer=Pacer(self._settings, machine, source.locate),
            clock=time.monotonic,
            used_mb=admission.used_mb,
            judge=admission.judge,
        )

        def tell(progress: LoadProgress) -> None:
            registry.tell_control(model_progress(progress))
            try:
                console.show(progress)
            except (OSError, ValueError) as error:  # a terminal that is gone stops no model
                logger.debug("the terminal takes no more: %s", error)

        return ModelManager(
            catalogue=catalogue,
            source=source,
            loader=loader,
            host=scheduler,
            on_progress=tell,
            keep_s=self._settings.keep_model_s,
        )

    def _greet(self, context: Context) -> None:
        info, current = context.models.current_info, context.models.current
        pace = context.models.current_pace
        assert info is not None
        assert current is not None
        assert pace is not None
        chosen = "as set"
        if self._settings.profile == AUTO_PROFILE:
            chosen = "as measured" if pace.by_measurement else "by default"
            chosen += " (--remeasure measures again)"
        host = self._settings.host
        greeting = Greeting(
            reach=Reach(host, self.ports, self._access.secure, own_hosts(host)),
            model=current.id,
            device=info.device,
            compute_type=info.compute_type,
            profile=f"{pace.profile.value}, {chosen}: {in_words(pace, info.max_batch)}",
            open_doors=self._access.exposure.open_doors(),
            notices=notices(context),
            client=command_line("realtime_thai_asr_client.py"),
        )
        if LogFormat(self._settings.log_format) is LogFormat.JSON:
            logger.info("ready", extra=with_fields(**greeting.fields()))
            return
        sys.stdout.write(greeting.text())
        sys.stdout.flush()


def _threads(stack: AsyncExitStack, name: str, count: int) -> ThreadPoolExecutor:
    """Threads that are not waited for at the end."""
    threads = ThreadPoolExecutor(count, thread_name_prefix=name)
    stack.callback(threads.shutdown, wait=False, cancel_futures=True)
    return threads


def _speed_of(models: ModelManager) -> DecodeSpeed | None:
    """How fast the model in force decodes; None where there is none, or it was not measured."""
    pace, info = models.current_pace, models.current_info
    return None if pace is None or info is None else fast_speed(pace.costs, info)


async def _open_silero(settings: Settings, dsp: Executor) -> SileroModel:
    """The detector's model; what denoising imports, which is slow, is there afterwards, too."""
    loop = asyncio.get_running_loop()
    if settings.noise_reduction != NoiseReduction.OFF.value:
        await loop.run_in_executor(dsp, SpectralGateDenoiser)
    return await loop.run_in_executor(dsp, SileroModel)


def _notices_of(machine: Machine) -> list[str]:
    """What a person should know of where models run."""
    notices = [CPU_MESSAGE] if machine.device == "cpu" else []
    if machine.notice:
        notices.append(machine.notice)
    for notice in notices:
        logger.info(notice)
    return notices
