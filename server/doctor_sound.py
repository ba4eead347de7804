"""`--doctor`: the microphones that the Python client would find. None is opened."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence

from server.child import ChildResult, last_line, run_python
from server.doctor_machine import is_wsl
from server.findings import Finding, note, ok

LIMIT_S = 8.0

LIST_DEVICES = """\
import json
from client.microphone import MicrophoneError, find_backend
try:
    devices = find_backend().devices()
    print(json.dumps([d.name + (" (default)" if d.is_default else "") for d in devices]))
except (MicrophoneError, OSError) as error:
    print(json.dumps(str(error).splitlines()[0]))
"""
"""An audio system that is set up badly hangs, or writes to standard error by itself."""

PAGE = "the page needs none here: it uses the browser's microphone"


def list_devices(arguments: Sequence[str], limit_s: float) -> ChildResult:
    """Ask in a process of its own."""
    return run_python(arguments, limit_s)


def check_microphone(
    environment: Mapping[str, str],
    release: str = platform.release(),
    run: Callable[[Sequence[str], float], ChildResult] = list_devices,
) -> Finding:
    """The input devices, or why there is none. Never more than a note: the server needs none."""
    result = run(["-c", LIST_DEVICES], LIMIT_S)
    try:
        found = json.loads(last_line(result.output))
    except ValueError:
        found = result.ending or last_line(result.errors)
    if isinstance(found, list) and found:
        return ok("microphone", ", ".join(map(str, found)))
    reason = "no input device was found" if isinstance(found, list) else str(found).rstrip(".")
    return note("microphone", f"{reason}; {PAGE}", _advice(environment, release))


def _advice(environment: Mapping[str, str], release: str) -> str:
    if is_wsl(release):
        return "in WSL use the page in a browser of Windows, or run the client in Windows"
    if environment.get("SSH_CONNECTION"):
        return (
            "over SSH use the page in a browser of your own machine "
            "(ssh -L 8765:localhost:8765 -L 8766:localhost:8766), or run the client there"
        )
    if sys.platform == "darwin":
        return "plug one in; System Settings, Privacy & Security, Microphone: allow your terminal"
    if sys.platform == "win32":
        return "plug one in; Settings, Privacy, Microphone: let desktop apps use it"
    return "for the Python client: sudo apt install libportaudio2, and a microphone"
