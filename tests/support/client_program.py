"""The client as a user starts it: a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "realtime_thai_asr_client.py"
RESULT_LIMIT_S = 40


FAKE_PYAUDIO = """
import threading, time
paInt16, paContinue = 8, 0
class PyAudio:
    info = {"index": 0, "name": "Fake Mic", "maxInputChannels": 1, "defaultSampleRate": 48000.0}
    def get_default_input_device_info(self): return self.info
    def get_device_count(self): return 1
    def get_device_info_by_index(self, index): return self.info
    def is_format_supported(self, rate, **_): return True
    def open(self, stream_callback, frames_per_buffer, **_):
        self.running = True
        def record():
            while self.running:
                stream_callback(b"\\x01\\x00" * frames_per_buffer, frames_per_buffer, {}, 0)
                time.sleep(0.01)
        self.thread = threading.Thread(target=record, daemon=True)
        self.thread.start()
        return self
    def stop_stream(self):
        self.running = False
        self.thread.join()
    def close(self): pass
"""
NO_LIBRARY = "raise ImportError('not here')"


def modules(tmp_path: Path, pyaudio: str) -> Path:
    """A folder with this for PyAudio, and without sounddevice."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "pyaudio.py").write_text(pyaudio)
    (folder / "sounddevice.py").write_text(NO_LIBRARY)
    return folder


class HasPorts(Protocol):
    """A server, real or fake."""

    @property
    def control_url(self) -> str: ...

    @property
    def audio_url(self) -> str: ...


@dataclass
class ClientProgram:
    """A running client program."""

    process: asyncio.subprocess.Process

    @classmethod
    async def start(
        cls, server: HasPorts, *arguments: str | Path, modules: Path | None = None
    ) -> ClientProgram:
        addresses = ("--url", server.audio_url, "--control-url", server.control_url)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            PROGRAM,
            *addresses,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(modules or "")},
        )
        return cls(process)

    async def error_line(self, part: str) -> str:
        """The next line of standard error with this in it; the ones before are gone."""
        assert self.process.stderr is not None
        async with asyncio.timeout(RESULT_LIMIT_S):
            while line := (await self.process.stderr.readline()).decode():
                if part in line:
                    return line
        raise AssertionError(f"standard error ended without {part!r}")

    async def result(self, stdin: bytes | None = None) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        try:
            async with asyncio.timeout(RESULT_LIMIT_S):
                out, err = await self.process.communicate(stdin)
        finally:
            if self.process.returncode is None:
                self.process.kill()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()
