"""Our server, with profile `fast`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.dataset import Pcm16
from benchmarks.peers.protocol import Session, Text
from benchmarks.server_process import RunningServer, running_server


class OurSession:
    """Plain 16-bit chunks; every text comes with an utterance and its range in the audio."""

    def __init__(self) -> None:
        self._is_acknowledged = False

    def opening(self) -> None:
        """Nothing: the address says it all."""

    def is_ready(self, message: dict[str, Any] | None) -> bool:
        """At once."""
        return True

    def started(self) -> None:
        """Nothing."""

    def chunk(self, samples: Pcm16) -> bytes:
        """The samples as they are."""
        return samples.tobytes()

    def after_audio(self) -> str:
        """`audio_end`."""
        return '{"type": "audio_end"}'

    def texts(self, at_s: float, message: dict[str, Any]) -> list[Text]:
        """Partial and final texts; errors are raised as RuntimeError."""
        kind = message["type"]
        if kind == "error":
            raise RuntimeError(f"our server: {message}")
        self._is_acknowledged |= kind == "audio_end_ack"
        if kind not in ("realtime_transcription", "final_transcription"):
            return []
        return [
            Text(
                at_s=at_s,
                key=str(message["utterance_id"]),
                text=message["text"],
                is_final=kind == "final_transcription",
                start_s=message["start_ms"] / 1000,
                end_s=message["end_ms"] / 1000,
            )
        ]

    def is_complete(self, quiet_s: float) -> bool:
        """When the end of the audio is acknowledged."""
        return self._is_acknowledged


class OurServer:
    """A server of this checkout."""

    name = "ours"

    def __init__(self, profile: str) -> None:
        self._profile = profile

    def server(self, log: Path) -> AbstractContextManager[RunningServer]:
        """Start it; its warnings go to this process's error output, not to `log`."""
        return running_server(["--model=whisper-base", f"--profile={self._profile}"])

    def session(self, server: RunningServer, index: int) -> tuple[str, Session]:
        """Each stream is a session of its own."""
        return f"{server.audio_url}/?session=peer-{index}&events=all", OurSession()
