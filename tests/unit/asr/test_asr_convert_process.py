"""A child within its bounds: small scripts in place of the conversion."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from asr.convert_process import Bounds, Told, Usage, child_environment, run_bounded
from asr.engine import EngineError
from tests.support.children import python_children

ROOMY = Bounds(memory_mb=4_000, timeout_s=60.0)
WAITS = 'import time; print(\'{"phase": "waiting"}\', flush=True); time.sleep(600)'


def run(
    code: str,
    bounds: Bounds = ROOMY,
    heard: Callable[[Told], None] = lambda _: None,
    tick: Callable[[], None] = lambda: None,
    cancelled: threading.Event | None = None,
) -> Usage:
    return run_bounded(
        [sys.executable, "-I", "-c", code],
        child_environment(1),
        bounds=bounds,
        cancelled=cancelled or threading.Event(),
        heard=heard,
        tick=tick,
    )


def refusal(code: str, bounds: Bounds = ROOMY) -> EngineError:
    with pytest.raises(EngineError) as caught:
        run(code, bounds)
    assert_nothing_left()
    return caught.value


def assert_nothing_left() -> None:
    assert python_children() == []
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("convert-")]


def test_what_it_says_is_heard_in_order_and_prints_of_others_are_not() -> None:
    heard: list[Told] = []
    usage = run(
        'print(\'{"a": 1}\'); print("hello"); print("[1]"); print(\'{"a": 2}\')', heard=heard.append
    )
    assert heard == [{"a": 1}, {"a": 2}]
    assert usage.wall_s > 0
    assert_nothing_left()


def test_more_lines_than_wait_at_once_are_all_heard() -> None:
    heard: list[Told] = []
    run("for n in range(5000): print('{\"n\": %d}' % n)", heard=heard.append)
    assert [told["n"] for told in heard] == list(range(5000))


def test_its_own_error_is_the_error() -> None:
    error = refusal('print(\'{"error": "disk_full", "message": "no room"}\'); raise SystemExit(1)')
    assert (error.code, error.message) == ("disk_full", "no room")


def test_without_one_the_end_of_what_it_wrote_is_told() -> None:
    error = refusal("import sys; sys.stderr.write('first\\nlast words\\n'); sys.exit(7)")
    assert error.code == "conversion_failed"
    assert "ended with 7" in error.message
    assert "last words" in error.message


def test_it_cannot_be_started() -> None:
    with pytest.raises(EngineError, match="cannot be started") as caught:
        run_bounded(
            ["/nowhere/python"],
            {},
            bounds=ROOMY,
            cancelled=threading.Event(),
            heard=lambda _: None,
            tick=lambda: None,
        )
    assert caught.value.code == "conversion_failed"


def test_it_is_ended_at_its_time_limit() -> None:
    assert refusal(WAITS, Bounds(4_000, 0.3)).code == "conversion_timeout"


def test_it_is_ended_at_its_memory_limit() -> None:
    error = refusal("import time; held = b'x' * 300_000_000; time.sleep(600)", Bounds(200, 60.0))
    assert error.code == "out_of_memory"
    assert "more than the 200 MB" in error.message


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_by_the_system_is_most_likely_memory() -> None:
    assert refusal("import os; os.kill(os.getpid(), 9)").code == "out_of_memory"


def test_cancelled_it_is_gone_with_all_its_children() -> None:
    cancelled = threading.Event()
    pids: list[int] = []

    def heard(told: Told) -> None:
        pids.append(told["pid"])
        cancelled.set()

    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('{\"pid\": %d}' % child.pid, flush=True)\n"
        "time.sleep(600)"
    )
    with pytest.raises(EngineError) as caught:
        run(code, heard=heard, cancelled=cancelled)
    assert caught.value.code == "cancelled"
    assert_nothing_left()
    assert not is_running(pids[0])


def is_running(pid: int) -> bool:
    """Whether it is there a while after it was killed: that is no matter of an instant."""
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            process.wait(timeout=5)
    except psutil.NoSuchProcess:
        return False
    except psutil.TimeoutExpired:
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_an_exception_in_the_parent_ends_it_too() -> None:
    def interrupt(_: Told) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(WAITS, heard=interrupt)
    assert_nothing_left()


def test_in_between_there_is_time_to_look_about() -> None:
    ticks: list[int] = []
    cancelled = threading.Event()

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            cancelled.set()

    with pytest.raises(EngineError):
        run(WAITS, tick=tick, cancelled=cancelled)
    assert len(ticks) == 3


NICE = """
import os, time
latest_s = time.monotonic() + 10
while os.nice(0) < 10 and time.monotonic() < latest_s:
    time.sleep(0.01)  # its parent sees to that once it runs
print('{"nice": %d}' % os.nice(0))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.nice")
def test_it_is_less_important_than_who_speaks() -> None:
    heard: list[Told] = []
    run(NICE, heard=heard.append)
    assert heard[0]["nice"] >= 10


def test_its_threads_are_bounded_and_the_network_is_shut() -> None:
    environment: dict[str, Any] = child_environment(2)
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["PATH"] == os.environ["PATH"]


def test_a_parent_that_is_killed_leaves_no_child(tmp_path: Path) -> None:
    """The child reads its standard input, which ends with the parent."""
    root = Path(__file__).parents[3]
    child = (
        "import sys, os, threading, time\n"
        f"sys.path.insert(0, {str(root)!r})\n"
        "from asr.convert_child import end_with_parent\n"
        "threading.Thread(target=end_with_parent, daemon=True).start()\n"
        "print('{\"pid\": %d}' % os.getpid(), flush=True)\n"
        "time.sleep(600)\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, threading\n"
        f"sys.path.insert(0, {str(root)!r})\n"
        "from asr.convert_process import Bounds, child_environment, run_bounded\n"
        f"run_bounded([sys.executable, '-I', '-c', {child!r}], child_environment(1),\n"
        "    bounds=Bounds(4000, 600.0), cancelled=threading.Event(),\n"
        "    heard=lambda told: print(told['pid'], flush=True), tick=lambda: None)\n",
        encoding="utf-8",
    )
    parent = psutil.Popen(
        [sys.executable, str(script)], stdout=-1, env=os.environ | {"PYTHONPATH": ""}
    )
    pid = int(parent.stdout.readline())
    orphan = psutil.Process(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    psutil.wait_procs([orphan], timeout=20)
    assert not is_running(pid)
