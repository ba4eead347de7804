"""WhisperLive with its faster-whisper backend: one model for all clients, int8 on a CPU.

Its wheel has no start script; the one here does what its documentation gives as the default for a
model of one's own: a single shared model, four clients, one OpenMP thread. A client gets the last
segments again and again: completed ones, and one that still changes. A segment is called completed
some ten repetitions after its text came to rest, so that flag is no final here: the last change of
a text is (see `matching`), which is the earlier of the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.dataset import Pcm16
from benchmarks.peers.process import free_port, running_peer
from benchmarks.peers.protocol import RefusedError, Session, Text
from benchmarks.server_process import RunningServer

REQUIREMENTS = (
    *("faster-whisper==1.2.0", "av<19", "requests", "websockets", "onnxruntime>=1.20,<2"),
    *("numpy>=1.26.4,<2.5", "scipy", "fastapi", "uvicorn", "python-multipart"),
)
"""What the server with its faster-whisper backend imports; torch has its own requirement."""

BARE_REQUIREMENTS = ("whisper-live==0.10.0",)
"""Without dependencies: among them are OpenVINO, CUDA's libraries and a tokenizers too old."""

QUIET_S = 15.0
"""As long as its own client waits."""

_OPEN: Final = "open"
_RUN = (
    "import sys; from whisper_live.server import TranscriptionServer; "
    "TranscriptionServer().run('127.0.0.1', port=int(sys.argv[1]), backend='faster_whisper', "
    "faster_whisper_custom_model_path=sys.argv[2], single_model=True)"
)


class WhisperLiveSession:
    """32-bit float chunks; every message lists the last segments."""

    def __init__(self, uid: str) -> None:
        self._uid = uid
        self._shown: dict[str, str] = {}

    def opening(self) -> str:
        """The settings that its own client sends."""
        options = {
            "uid": self._uid,
            "language": "th",
            "task": "transcribe",
            "model": "base",
            "use_vad": True,
            "send_last_n_segments": 10,
            "no_speech_thresh": 0.45,
            "clip_audio": False,
            "same_output_threshold": 10,
        }
        return json.dumps(options)

    def is_ready(self, message: dict[str, Any] | None) -> bool:
        """After SERVER_READY. A server that is full says WAIT; raises RuntimeError for ERROR."""
        if message is None:
            return False
        if message.get("status") == "WAIT":
            raise RefusedError(f"wait {message['message']:.1f} minutes")
        if message.get("status") == "ERROR":
            raise RuntimeError(message["message"])
        return bool(message.get("message") == "SERVER_READY")

    def started(self) -> None:
        """Nothing."""

    def chunk(self, samples: Pcm16) -> bytes:
        """Samples between -1 and 1, 32-bit float."""
        return (samples.astype(np.float32) / 32768).tobytes()

    def after_audio(self) -> None:
        """Nothing: END_OF_AUDIO ends the decoding of what is still due."""

    def texts(self, at_s: float, message: dict[str, Any]) -> list[Text]:
        """The segments whose text is new, and the open one emptied when it is gone."""
        if "segments" not in message:
            return []
        return list(self._changes(at_s, message["segments"]))

    def _changes(self, at_s: float, segments: list[dict[str, Any]]) -> Iterator[Text]:
        is_open = False
        for segment in segments:
            start_s, end_s = float(segment["start"]), float(segment["end"])
            key = segment["start"] if segment["completed"] else _OPEN
            is_open |= key == _OPEN
            if self._shown.get(key) != segment["text"]:
                self._shown[key] = segment["text"]
                yield Text(at_s, key, segment["text"], False, start_s, end_s)
        if not is_open and self._shown.pop(_OPEN, ""):
            yield Text(at_s, _OPEN, "", False, 0.0, 0.0)

    def is_complete(self, quiet_s: float) -> bool:
        """When nothing changed for as long as its own client waits, after a first text."""
        return bool(self._shown) and quiet_s >= QUIET_S


class WhisperLive:
    """The server in a virtual environment of its own."""

    name = "whisperlive"

    def __init__(self, python: Path, model: Path) -> None:
        self._python = python
        self._model = model

    def server(self, log: Path) -> AbstractContextManager[RunningServer]:
        """Start it on a free port; it loads the model for its first client."""
        port = free_port()
        command = [str(self._python), "-c", _RUN, str(port), str(self._model)]
        return running_peer(command, port, log, OMP_NUM_THREADS="1")

    def session(self, server: RunningServer, index: int) -> tuple[str, Session]:
        """Each connection is a client of its own."""
        return server.audio_url, WhisperLiveSession(f"peer-{index}")
