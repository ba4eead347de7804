"""The way out: what was accepted becomes finals or gaps, everybody is told, connections close."""

from __future__ import annotations

import asyncio
import logging
import os
import threading

from server.context import Context
from server.draining import ENGINE_S, FLUSH_S, HANDSHAKE_S, Draining
from server.last_words import drained
from server.listener import Listener
from server.messages import ServerShutdown
from server.problem import SHUTTING_DOWN

logger = logging.getLogger(__name__)

REASON = "the server is shutting down"
LATE_STATUS = 1


async def shut_down(context: Context, listener: Listener, draining: Draining) -> None:
    """Drain, then close every connection, each step in its time."""
    listener.refuse_new()
    context.work.close()
    context.shadow.close()
    context.registry.tell_everyone(ServerShutdown(grace_s=draining.drain_s))
    sources = [source for session in context.registry.sessions for source in session.sources()]
    if await drained(sources, draining.left_s(context.clock()), SHUTTING_DOWN):
        draining.drained()
    else:
        logger.warning("not every final was ready in %.0f s", draining.drain_s)
        draining.late()
    await asyncio.gather(context.scheduler.close(ENGINE_S), _flush_outboxes(context))
    await listener.close(draining.cause.close_code, REASON, HANDSHAKE_S)


async def _flush_outboxes(context: Context) -> None:
    """Wait until everybody has been sent everything, or does not read."""
    peers = [peer for session in context.registry.sessions for peer in session.peers]
    try:
        async with asyncio.timeout(FLUSH_S):
            await asyncio.gather(*(peer.outbox.flushed() for peer in peers))
    except TimeoutError:
        logger.warning("some clients did not read their last messages")


def end_anyhow(after_s: float) -> None:
    """End the process then, whatever holds it up: for one that has been asked to end."""
    timer = threading.Timer(after_s, _end_now)
    timer.daemon = True
    timer.name = "end anyhow"
    timer.start()


def _end_now() -> None:
    logger.critical("something held up the server's end: ending the process")
    logging.shutdown()
    os._exit(LATE_STATUS)
