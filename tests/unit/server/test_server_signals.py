"""Signals tell who asks the server to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from server.draining import StopCause
from server.signals import watch_signals

pytestmark = pytest.mark.asyncio


class LoopOfWindows:
    """A loop that knows no signal handlers; the rest is the running one's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.call_soon_threadsafe = loop.call_soon_threadsafe

    def add_signal_handler(self, *_: object) -> None:
        raise NotImplementedError


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process on Windows")
@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize(
    ("number", "cause"),
    [(signal.SIGINT, StopCause.PERSON), (signal.SIGTERM, StopCause.SUPERVISOR)],
)
async def test_each_signal_has_its_cause(
    monkeypatch: pytest.MonkeyPatch, number: int, cause: StopCause, windows: bool
) -> None:
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[StopCause] = asyncio.Queue()
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    with monkeypatch.context() as patched:
        if windows:
            patched.setattr(asyncio, "get_running_loop", lambda: LoopOfWindows(loop))
        watch_signals(heard.put_nowait)
    try:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5.0):
            assert await heard.get() is cause
    finally:
        for each, handler in before.items():
            loop.remove_signal_handler(each)
            signal.signal(each, handler)
