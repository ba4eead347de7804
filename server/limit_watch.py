"""What a connection is told of limits while it stays, and how it ends by one."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from server.buckets import AnswerBudget
from server.connection import Connection
from server.last_words import drained
from server.log_ids import with_fields
from server.messages import ErrorEvent, Notice
from server.peer import Peer
from server.problem import SESSION_OVER
from server.registry import Session
from server.settings import Settings
from server.statistics import ServerStatistics
from server.stay import Stay, StayStep

logger = logging.getLogger(__name__)

IDLE_CODE = 4031
SESSION_OVER_CODE = 4032
TRY_AGAIN_LATER = 1013

LIMITED_TOLD_EVERY_S = 60.0
OMITTED_TOLD_AFTER_S = 1.0
FAREWELL_S = 1.0


class LimitWatch:
    """One connection's. `run` is a task beside its handler; `end` once that is over."""

    def __init__(
        self,
        connection: Connection,
        peer: Peer,
        session: Session,
        *,
        settings: Settings,
        clock: Callable[[], float],
        statistics: ServerStatistics,
    ) -> None:
        self._connection = connection
        self._peer = peer
        self._session = session
        self._settings = settings
        self._clock = clock
        self._statistics = statistics
        self._stay = Stay(settings.idle_s, settings.max_session_s, clock())
        self._answers = AnswerBudget(settings.max_errors_per_s, 2 * settings.max_errors_per_s)
        self._omitted: asyncio.TimerHandle | None = None
        self._limited_told_s = -math.inf
        connection.on_limited = self._on_limited

    def answers(self) -> bool:
        """Whether a wrong message is answered by itself; the others are told of in one error."""
        if self._answers.allows(self._clock()):
            return True
        if self._omitted is None:
            loop = asyncio.get_running_loop()
            self._omitted = loop.call_later(OMITTED_TOLD_AFTER_S, self._tell_omitted)
        return False

    async def run(self) -> None:
        """Warn, and close, when it is time. Cancelled when the connection is lost."""
        while True:
            now_s = self._clock()
            due = self._stay.due(now_s, now_s - self._connection.unused_s)
            match due.step:
                case StayStep.WAIT:
                    await asyncio.sleep(math.inf if due.left_s is None else due.left_s)
                case StayStep.WARN_IDLE:
                    self._notice("idle", "nothing is sent or heard here", due.left_s)
                    await self._flushed()
                    self._stay.warned_of_idleness(self._clock())
                case StayStep.WARN_END:
                    self._notice("session_ending", "this connection has lasted long", due.left_s)
                    self._stay.warned_of_end()
                case StayStep.CLOSE_IDLE:
                    await self.close("idle", IDLE_CODE, "idle: no message went either way")
                    return
                case StayStep.END:
                    await self._finish_speech()
                    await self.close("session_over", SESSION_OVER_CODE, "session over; reconnect")
                    return

    async def close(self, reason: str, code: int, text: str) -> None:
        """Close by a limit, once what was said is sent. What comes meanwhile is not taken."""
        self.take_no_more()
        self._statistics.add(f"limit_closes_{reason}")
        port, peer = self._peer.port.value, self._peer.id
        logger.info("%s %s: closed (%s)", port, peer, reason, extra=with_fields(reason=reason))
        await self._flushed()
        await self._connection.close(code, text)

    def take_no_more(self) -> None:
        """What comes from now on is dropped."""
        self._connection.take_no_more()

    def end(self) -> None:
        """The connection is lost."""
        if self._omitted is not None:
            self._omitted.cancel()
        self._connection.on_limited = lambda: None

    async def _finish_speech(self) -> None:
        """What was said becomes finals first; audio is taken no more."""
        sources = self._session.sources(self._peer.id)
        if not await drained(sources, self._settings.drain_s, SESSION_OVER):
            logger.warning("%s: not every final was ready at its end", self._peer.id)

    async def _flushed(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._peer.outbox.flushed()
        except TimeoutError:
            logger.info("%s does not read", self._peer.id)

    def _on_limited(self) -> None:
        self._statistics.add("reads_limited")
        now_s = self._clock()
        if now_s < self._limited_told_s + LIMITED_TOLD_EVERY_S:
            return
        self._limited_told_s = now_s
        self._error(
            "rate_limited",
            "messages come faster than they are read (connected.limits); they wait, and nothing "
            "is lost",
        )

    def _tell_omitted(self) -> None:
        self._omitted = None
        omitted = self._answers.take_omitted()
        self._statistics.add("wrong_messages_unanswered", omitted)
        self._error("errors_omitted", f"{omitted} more messages were wrong and are not answered")

    def _error(self, code: str, message: str) -> None:
        self._peer.send(ErrorEvent(code=code, message=message, session_id=self._session.id))

    def _notice(self, code: str, message: str, left_s: float | None) -> None:
        left_s = round(left_s or 0.0, 1)
        self._peer.send(
            Notice(
                level="warning",
                code=code,
                message=f"{message}; it is closed in {left_s:g} s",
                left_s=left_s,
                session_id=self._session.id,
            )
        )
