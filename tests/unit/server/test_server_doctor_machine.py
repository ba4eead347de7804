from __future__ import annotations

from datetime import UTC, datetime

import pytest

from asr.device import Memory
from server.doctor_machine import (
    check_clock,
    check_memory,
    check_python,
    check_system,
    check_text,
    is_wsl,
)
from server.findings import Level
from tests.support.device_probe import FakeProbe


@pytest.mark.parametrize(
    ("version", "bits", "level"),
    [
        ((3, 11, 0), 64, Level.OK),
        ((3, 14, 2), 64, Level.OK),
        ((3, 10, 9), 64, Level.PROBLEM),
        ((3, 12, 1), 32, Level.PROBLEM),
        ((3, 15, 0), 64, Level.WARNING),
    ],
)
def test_python(version: tuple[int, int, int], bits: int, level: Level) -> None:
    assert check_python(version, bits).level is level


def test_the_system_is_named_with_its_processors() -> None:
    assert "3 processor(s)" in check_system(3).detail


def test_a_linux_inside_windows_is_known() -> None:
    assert is_wsl("5.15.153.1-microsoft-standard-WSL2")
    assert not is_wsl("6.8.0-45-generic")


@pytest.mark.parametrize(
    ("memory", "level"),
    [
        (Memory(8000, 5000), Level.OK),
        (Memory(8000, 900), Level.WARNING),
        (None, Level.NOTE),
    ],
)
def test_memory(memory: Memory | None, level: Level) -> None:
    assert check_memory(FakeProbe(ram=memory)).level is level


def test_an_encoding_without_thai_is_noted() -> None:
    assert check_text({"LANG": "th_TH.UTF-8"}, "UTF-8").level is Level.OK
    found = check_text({}, "cp1252")
    assert found.level is Level.NOTE
    assert "PYTHONUTF8" in found.advice


def test_a_clock_before_this_server_was_made_is_wrong() -> None:
    assert check_clock(datetime(1970, 1, 1, tzinfo=UTC)).level is Level.WARNING
    assert check_clock(datetime(2026, 11, 27, tzinfo=UTC)).level is Level.OK
