from __future__ import annotations

import json

import pytest

from server.child import ChildResult
from server.doctor_sound import check_microphone, list_devices
from server.findings import Level

LINUX = "6.8.0-45-generic"
WSL = "5.15.153.1-microsoft-standard-WSL2"


def said(output: object) -> ChildResult:
    return ChildResult(json.dumps(output), "")


def test_devices_are_named() -> None:
    found = check_microphone({}, LINUX, lambda *_: said(["USB (default)", "Webcam"]))
    assert found.level is Level.OK
    assert found.detail == "USB (default), Webcam"


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (said([]), "no input device"),
        (said("PortAudio library not found."), "PortAudio library not found;"),
        (ChildResult("", "", "it did not end in 8 s"), "did not end"),
        (ChildResult("", "ImportError: client"), "ImportError"),
    ],
)
def test_none_is_a_note_since_the_page_uses_the_browsers(result: ChildResult, words: str) -> None:
    found = check_microphone({}, LINUX, lambda *_: result)
    assert found.level is Level.NOTE
    assert words in found.detail
    assert "browser" in found.detail


@pytest.mark.parametrize(
    ("release", "environment", "words"),
    [(WSL, {}, "WSL"), (LINUX, {"SSH_CONNECTION": "1 2 3 4"}, "ssh -L")],
)
def test_where_sound_does_not_come_through_another_way_is_named(
    release: str, environment: dict[str, str], words: str
) -> None:
    assert words in check_microphone(environment, release, lambda *_: said([])).advice


def test_this_machine_is_asked_without_opening_a_device() -> None:
    found = check_microphone({}, LINUX, list_devices)
    assert found.level in {Level.OK, Level.NOTE}
    assert "Traceback" not in found.detail
