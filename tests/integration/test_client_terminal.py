"""The client on a terminal, as a person sees it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import Callable
from pathlib import Path

from tests.support.audio_signals import pcm16, tone, wav_bytes
from tests.support.client_program import FAKE_PYAUDIO, PROGRAM, modules
from tests.support.fake_server import FakeServer, final, partial
from tests.support.terminal import Terminal


class PtyProgram:
    """The client with a terminal for its standard streams."""

    def __init__(self, *arguments: str | Path, modules: Path | None = None) -> None:
        self.terminal = Terminal(80, 16)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 16, 80, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(modules or "")}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        self._starting = asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, *arguments, stdin=slave, stdout=slave, stderr=slave,
            env=environment, start_new_session=True,
        )  # fmt: skip
        self._slave = slave
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> PtyProgram:
        self.process = await self._starting
        os.close(self._slave)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self._reading
        os.close(self._master)

    async def _read(self) -> None:
        while True:
            try:
                data = await asyncio.to_thread(os.read, self._master, 65_536)
            except OSError:  # the other side is closed
                return
            if not data:
                return
            async with self._changed:
                self.terminal.feed(data)
                self._changed.notify_all()

    async def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        """The lines of the screen once the condition holds."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: condition(self.terminal.lines))
            return self.terminal.lines


async def test_the_live_view_shows_a_partial_and_a_final_and_leaves_the_terminal_clean(
    tmp_path: Path,
) -> None:
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav_bytes(pcm16(tone(440, 30.0))))
    async with FakeServer() as server:
        where = ("--url", server.audio_url, "--control-url", server.control_url)
        async with PtyProgram(speech, *where) as program:
            await server.until(lambda: len(server.frames) >= 3)
            server.say(partial("สวัสดีคั", "สวัสดี"))
            lines = await program.until(lambda lines: "สวัสดีคั" in lines and "/0:30, " in lines[-1])
            assert lines[-1].endswith("whisper-base (cpu)")
            server.say(final("สวัสดีครับ ผมชื่อโจน"))
            # the final is written above the live line, which follows in a write of its own
            lines = await program.until(
                lambda lines: "สวัสดีครับ ผมชื่อโจน" in lines and "latency" in lines[-1]
            )
            assert "สวัสดีคั" not in lines
            server.before_ack = [final("จบ", utterance_id=2)]
            program.process.send_signal(signal.SIGINT)
            assert await program.process.wait() == 130
            lines = await program.until(lambda lines: lines[-1] == "จบ")
            assert lines[-2:] == ["สวัสดีครับ ผมชื่อโจน", "จบ"]
            assert not program.terminal.cursor_is_hidden
            assert program.terminal.screen.cursor.x == 0
            [address] = server.addresses[next(iter(server.addresses))][:1]
            assert address.finals.value == "revised"


async def test_plain_lines_on_a_terminal_when_asked_for(tmp_path: Path) -> None:
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav_bytes(pcm16(tone(440, 0.3))))
    async with FakeServer() as server:
        server.before_ack = [partial("สวัส"), final("สวัสดีครับ")]
        where = ("--url", server.audio_url, "--control-url", server.control_url)
        async with PtyProgram(speech, "--plain", *where) as program:
            lines = await program.until(lambda lines: "สวัสดีครับ" in lines)
            assert await program.process.wait() == 0
            assert lines[-1] == "สวัสดีครับ"
            assert not any("latency" in line for line in lines)


async def test_a_microphone_shows_its_level(tmp_path: Path) -> None:
    loud = FAKE_PYAUDIO.replace('b"\\x01\\x00"', 'b"\\x00\\x04"')
    async with FakeServer() as server:
        server.before_ack = [final("จบ")]
        where = ("--url", server.audio_url, "--control-url", server.control_url)
        async with PtyProgram(*where, modules=modules(tmp_path, loud)) as program:
            lines = await program.until(lambda lines: bool(lines) and "▮" in lines[-1])
            assert lines[-1] == "▮▮▮▮▮▯▯▯▯▯  whisper-base (cpu)"
            assert "Speak; Ctrl-C ends" in lines[0]
            program.process.send_signal(signal.SIGINT)
            assert await program.process.wait() == 0
            assert (await program.until(lambda lines: lines[-1] == "จบ"))[0] == lines[0]
