"""RealtimeSTT's multi-user server, `example_fastapi_server` of its wheel.

Its defaults are made for CUDA and English; what is set here is the model, int8, the CPU, Thai, and
its low-memory mode (one model for interim and final texts). Interim and final messages are tied to
recordings, which its voice detector starts and ends. Segment numbers in its messages go wrong when
a final is still due while the next recording starts, so recordings are counted here: finals (and
errors in their place) come in the order of the recordings. Where decodes are late, a final may
carry a later recording's text, as the recorder takes the newest result due; it is scored as shown.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.dataset import Pcm16
from benchmarks.peers.process import free_port, running_peer
from benchmarks.peers.protocol import RefusedError, Session, Text
from benchmarks.server_process import RunningServer

REQUIREMENTS = ("RealtimeSTT[server,faster-whisper]==1.1.2", "av<19", "requests")
"""Torch comes first, from its own requirement. PyAudio is built: it wants PortAudio's headers."""

QUIET_S = 4.0


@dataclass(slots=True)
class _Recording:
    start_s: float
    end_s: float | None = None


class RealtimeSttSession:
    """Packets with a JSON head; `realtime` and `final` messages."""

    def __init__(self) -> None:
        self._recordings: list[_Recording] = []
        self._finals = 0

    def opening(self) -> None:
        """Nothing: the server speaks first."""

    def is_ready(self, message: dict[str, Any] | None) -> bool:
        """After `ready`, which says that the models are loaded."""
        if message is None:
            return False
        if message["type"] == "error" and message.get("where") == "admission":
            raise RefusedError(message["message"])
        return bool(message["type"] == "ready")

    def started(self) -> str:
        """Audio is taken after `start` only."""
        return '{"type": "start"}'

    def chunk(self, samples: Pcm16) -> bytes:
        """Length of the head, head, samples."""
        head = {
            "sampleRate": 16_000,
            "channels": 1,
            "format": "pcm_s16le",
            "frames": len(samples),
        }
        encoded = json.dumps(head).encode()
        return struct.pack("<I", len(encoded)) + encoded + samples.tobytes()

    def after_audio(self) -> None:
        """Nothing: the silence at the end ends the last recording, as it does between clips."""

    def texts(self, at_s: float, message: dict[str, Any]) -> list[Text]:
        """Texts of the recording that a message is about."""
        return list(self._texts(at_s, message))

    def _texts(self, at_s: float, message: dict[str, Any]) -> Iterator[Text]:
        match message:
            case {"type": "timeline", "event": "recording_started"}:
                self._recordings.append(_Recording(at_s))
            case {"type": "timeline", "event": "recording_ended"} if self._recordings:
                self._recordings[-1].end_s = at_s
            case {"type": "realtime", "text": str(text)} if self._recordings:
                last = len(self._recordings) - 1
                if last >= self._finals:
                    yield self._text(at_s, last, text, is_final=False)
            case {"type": "final", "text": str(text)}:
                yield from self._next_final(at_s, text)
            case {"type": "error", "where": "final"}:
                yield from self._next_final(at_s, "")

    def _next_final(self, at_s: float, text: str) -> Iterator[Text]:
        if self._finals < len(self._recordings):
            self._finals += 1
            yield self._text(at_s, self._finals - 1, text, is_final=True)

    def _text(self, at_s: float, index: int, text: str, *, is_final: bool) -> Text:
        recording = self._recordings[index]
        end_s = at_s if recording.end_s is None else recording.end_s
        return Text(at_s, str(index), text, is_final, recording.start_s, end_s)

    def is_complete(self, quiet_s: float) -> bool:
        """When every recording has its final and nothing more came."""
        return self._finals >= len(self._recordings) and quiet_s >= QUIET_S


class RealtimeStt:
    """The server in a virtual environment of its own."""

    name = "realtimestt"

    def __init__(self, python: Path, model: Path) -> None:
        self._python = python
        self._model = model

    def server(self, log: Path) -> AbstractContextManager[RunningServer]:
        """Start it on a free port."""
        port = free_port()
        command = [
            str(self._python),
            *("-m", "example_fastapi_server.server", "--host", "127.0.0.1", "--port", str(port)),
            *("--model", str(self._model), "--realtime-model", str(self._model)),
            "--use-main-model-for-realtime",
            *("--language", "th", "--device", "cpu", "--compute-type", "int8"),
        ]
        return running_peer(command, port, log)

    def session(self, server: RunningServer, index: int) -> tuple[str, Session]:
        """Each connection is a session of its own."""
        return f"{server.audio_url}/ws/transcribe", RealtimeSttSession()
