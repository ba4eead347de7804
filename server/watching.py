"""The watchdog at work: looks every second, tells, and has models opened anew."""

from __future__ import annotations

import asyncio
import logging

from asr.engine import EngineError
from server.context import Context
from server.messages import Notice
from server.watchdog import Degraded, Recovered, Reopen, Sighting, Watchdog

logger = logging.getLogger(__name__)

EVERY_S = 1.0


class Watching:
    """`run` is a task of the server's; a model that is opened anew is another."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._watchdog = Watchdog(context.settings.no_text_s)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                self.look()
            except Exception:  # who watches must not be the first to go
                logger.exception("the watchdog failed")

    def look(self) -> None:
        """Look once, and do what follows."""
        self._context.scheduler.look_after()
        for effect in self._watchdog.look(self._sighting()):
            match effect:
                case Degraded():
                    self._context.health.degraded(effect.fault, effect.message)
                    logger.error("DEGRADED: %s", effect.message)
                    self._tell("warning", effect.fault.value, effect.message)
                case Recovered():
                    self._context.health.recovered(effect.fault)
                    message = f"{effect.fault.value}: over after {effect.after_s:.0f} s"
                    logger.warning("RECOVERED: %s", message)
                    self._tell("info", effect.fault.value, message)
                case Reopen():
                    work = self._reopen(effect)
                    self._context.tasks.spawn(work, name=f"reopen {effect.model_id}")

    def _sighting(self) -> Sighting:
        context, now_s = self._context, self._context.clock()
        current = context.models.current
        health = None if current is None else context.scheduler.health(current.id)
        return Sighting(
            now_s=now_s,
            model_id=None if current is None or health is None else current.id,
            engine_lost=health is not None and health.engine_lost,
            stuck=health is not None and health.stuck,
            text_wait_s=context.owed_text.longest_wait_s(now_s),
        )

    def _tell(self, level: str, code: str, message: str) -> None:
        self._context.registry.tell_control(Notice(level=level, code=code, message=message))

    async def _reopen(self, order: Reopen) -> None:
        context = self._context
        logger.warning("model %s: opening it anew", order.model_id)
        try:
            spec = context.models.catalogue[order.model_id]
            await context.models.reopening.reopen(spec, lost=order.lost)
            context.statistics.add("models_reopened_opened")
        except EngineError as error:
            context.statistics.add("models_reopened_failed")
            logger.error("model %s: not opened anew: %s", order.model_id, error)
        finally:
            self._watchdog.reopened(context.clock())
