"""The server as a process of its own, as an operator starts it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 90.0
END_LIMIT_S = 30.0
COMMAND = (
    *(sys.executable, str(ROOT / "realtime_thai_asr_server.py"), "--model", "whisper-base"),
    *("--offline", "--control-port", "0", "--audio-port", "0", "--profile", "fast"),
)


@dataclass(slots=True)
class ServerProcess:
    """Its ports, and what it wrote so far."""

    process: Process
    log: Path
    control_port: int = 0
    audio_port: int = 0

    @property
    def errors(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    async def end(self) -> int:
        """Ask it to end; its status."""
        if self.process.returncode is None:
            self.send(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), END_LIMIT_S)


@asynccontextmanager
async def server_process(
    tmp_path: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[ServerProcess]:
    """A server that is ready. Everything it logs, in detail, is in a file."""
    log = tmp_path / "errors.txt"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("--log-file", str(tmp_path / "server.log"), "--log-level", "debug"),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environment or {})},
        )
    server = ServerProcess(process, log)
    try:
        async with asyncio.timeout(START_LIMIT_S):
            server.control_port = await _port(process, "control")
            server.audio_port = await _port(process, "audio")
        yield server
    finally:
        await server.end()


async def _port(process: Process, name: str) -> int:
    assert process.stdout is not None
    async for line in process.stdout:
        match = re.search(rf"{name} +wss?://.*:(\d+)", line.decode())
        if match:
            return int(match[1])
    raise AssertionError("the server ended")
