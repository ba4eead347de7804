from __future__ import annotations

import asyncio
import io
import os
import signal

import pytest

from client.exports import ExportError
from client.interrupts import Interrupts

ASKING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@pytest.mark.parametrize("number", [getattr(signal, n) for n in ASKING if hasattr(signal, n)])
async def test_every_signal_ends_like_ctrl_c(number: int) -> None:
    first = asyncio.Event()
    given = signal.signal(number, signal.SIG_DFL)  # it is ignored where nohup runs the tests
    try:
        with Interrupts(first.set, lambda: None, 130, io.StringIO()):
            signal.raise_signal(number)
            async with asyncio.timeout(5):
                await first.wait()
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, given)


async def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interrupts(lambda: None, lambda: None, 130, io.StringIO()):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_second_signal_ends_at_once_and_says_what_was_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    err = io.StringIO()

    def last() -> None:
        raise ExportError("cannot write a.txt")

    with Interrupts(lambda: None, last, 130, err):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert ended[:1] == [130]
    assert err.getvalue() == "Error: cannot write a.txt\n"
