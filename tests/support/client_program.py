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
