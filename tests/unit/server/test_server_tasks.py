"""Tasks with an owner."""

from __future__ import annotations

import asyncio
import logging

import pytest

from server.tasks import TaskSet

pytestmark = pytest.mark.asyncio


async def test_a_task_runs_under_its_name_and_close_has_nothing_left_to_do() -> None:
    tasks, done = TaskSet(), asyncio.Event()

    async def work() -> None:
        done.set()

    task = tasks.spawn(work(), name="load whisper-base")
    assert task.get_name() == "load whisper-base"
    await task
    assert done.is_set()
    await tasks.close()


async def test_close_cancels_what_runs_and_waits_for_its_end() -> None:
    tasks, ended = TaskSet(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    task = tasks.spawn(work(), name="never ends")
    await asyncio.sleep(0)
    await tasks.close()
    assert ended.is_set()
    assert task.cancelled()


async def test_a_failure_is_logged_when_it_happens(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet()

    async def work() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        task = tasks.spawn(work(), name="fails")
        await asyncio.wait((task,))
        await asyncio.sleep(0)
    assert "task fails failed" in caplog.text
    assert "broken" in caplog.text
    await tasks.close()


async def test_a_cancelled_task_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    tasks = TaskSet()
    task = tasks.spawn(asyncio.Event().wait(), name="cancelled")  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await tasks.close()
    assert task.cancelled()
    assert caplog.text == ""
