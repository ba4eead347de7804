"""The command line: a microphone or a file goes to the server, text comes back."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TextIO

from msgspec import UNSET

from client.addresses import (
    DEFAULT_AUDIO_URL,
    DEFAULT_CONTROL_URL,
    AddressError,
    Addresses,
    resolve,
)
from client.microphone import Microphone, MicrophoneError, choose_device, find_backend
from client.sources import FileError, FileSource, Source, SourceError
from client.stream import AsrConnection, ClientError, ConnectError, RequestFailedError, connect
from client.view import PlainView
from server.messages import (
    ErrorEvent,
    Event,
    FinalTranscription,
    Notice,
    RealtimeTranscription,
    ServerShutdown,
)

NOTHING_LOST = "overloaded"
"""The one error that only delays: the server waits with the audio and takes it later."""
NO_USE_GOING_ON = frozenset({"not_recording", "forbidden"})


class Exit(IntEnum):
    """Exit statuses, listed in `--help`."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_SERVER = 3
    NO_MICROPHONE = 4
    BAD_FILE = 5
    INTERRUPTED = 130


EPILOG = f"""\
examples:
  python realtime_thai_asr_client.py                      microphone, until Ctrl-C
  python realtime_thai_asr_client.py --file talk.mp3      a file, at the pace it was spoken
  python realtime_thai_asr_client.py --file talk.mp3 --fast > talk.txt

Finals are lines on standard output; everything else goes to standard error.
Ctrl-C sends audio_end, waits for the last final and ends; pressed twice, it ends at once.

exit status:
  {Exit.OK}    done (a microphone ended by Ctrl-C is done)
  {Exit.FAILED}    the server reported an error or shut down, or the connection was lost
  {Exit.USAGE}    bad arguments
  {Exit.NO_SERVER}    cannot connect
  {Exit.NO_MICROPHONE}    no microphone
  {Exit.BAD_FILE}    the file cannot be read as audio
  {Exit.INTERRUPTED}  a file was interrupted
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the arguments ask for."""

    addresses: Addresses
    file: Path | None
    fast: bool
    session: str | None
    speaker: str | None
    model: str | None
    device: str | None
    list_devices: bool


def read_options(arguments: Sequence[str]) -> Options:
    """Parse the command line. Exits with status 2 on bad arguments, 0 after `--help`."""
    parser = argparse.ArgumentParser(
        prog="realtime_thai_asr_client.py",
        description="Speak Thai, read Thai: sends a microphone or a file to the real-time server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", help=f"audio port (default: {DEFAULT_AUDIO_URL})")
    parser.add_argument(
        "--control-url",
        help=f"control port (default: {DEFAULT_CONTROL_URL}, or the port below that of --url)",
    )
    parser.add_argument("--file", type=Path, help="send this audio or video file")
    parser.add_argument("--fast", action="store_true", help="send it as fast as the server can")
    parser.add_argument("--session", help="join this session (default: the server's)")
    parser.add_argument("--speaker", help="name shown with this client's transcripts")
    parser.add_argument("--model", metavar="ID", help="have the server load this model first")
    parser.add_argument("--device", help="microphone: its number, or part of its name")
    parser.add_argument("--list-devices", action="store_true", help="list microphones and exit")
    values = parser.parse_args(arguments)
    if values.fast and values.file is None:
        parser.error("--fast goes with --file")
    if values.device is not None and values.file is not None:
        parser.error("--device and --file exclude each other")
    try:
        addresses = resolve(values.url, values.control_url)
    except AddressError as error:
        parser.error(str(error))
    return Options(
        addresses=addresses,
        file=values.file,
        fast=values.fast,
        session=values.session,
        speaker=values.speaker,
        model=values.model,
        device=values.device,
        list_devices=values.list_devices,
    )


def run(arguments: Sequence[str], out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Run the client and return its exit status."""
    options = read_options(arguments)
    live = out.isatty()
    view = PlainView(out, err, live=live, columns=lambda: shutil.get_terminal_size().columns)
    try:
        if options.list_devices:
            return _list_devices(out)
        return asyncio.run(_transcribe(options, view))
    except (ClientError, SourceError) as error:
        view.close()
        view.note(_told(error))
        return exit_status(error)
    except KeyboardInterrupt:
        view.close()
        return Exit.INTERRUPTED


def exit_status(error: Exception) -> Exit:
    """The exit status for an error of the client."""
    match error:
        case ConnectError():
            return Exit.NO_SERVER
        case MicrophoneError():
            return Exit.NO_MICROPHONE
        case FileError():
            return Exit.BAD_FILE
        case _:
            return Exit.FAILED


def _told(error: Exception) -> str:
    if isinstance(error, ConnectError):
        return f"Error: WebSocket connection failed\n{error}"
    return f"Error: {error}"


def open_source(options: Options) -> Source:
    """The file or the microphone asked for. Raises SourceError."""
    if options.file is not None:
        return FileSource(options.file, paced=not options.fast)
    backend = find_backend()
    return Microphone(backend, choose_device(backend.devices(), options.device))


def _list_devices(out: TextIO) -> int:
    devices = find_backend().devices()
    choose_device(devices, None)  # raises when there is none
    for device in devices:
        mark = "*" if device.is_default else " "
        out.write(f"{mark}{device.index:3}  {device.name} ({device.default_rate_hz} Hz)\n")
    return Exit.OK


async def _transcribe(options: Options, view: PlainView) -> int:
    source = open_source(options)
    stop = asyncio.Event()
    async with connect(
        options.addresses, session=options.session, speaker=options.speaker
    ) as connection:
        await _prepare(connection, options, source, view)
        conversation = _Conversation(connection, view)
        with _Interrupts(stop.set):
            await conversation.hold(source, stop)
    if conversation.failed:
        return Exit.FAILED
    return Exit.INTERRUPTED if stop.is_set() and options.file is not None else Exit.OK


async def _prepare(
    connection: AsrConnection, options: Options, source: Source, view: PlainView
) -> None:
    if options.model is not None:
        view.note(f"Loading {options.model} ...")
        await connection.load_model(options.model)
    configured = await connection.configure(source.sample_rate_hz)
    view.own_streams = tuple(configured.stream_ids)
    status = await connection.status()
    for notice in status.notices:
        view.note(notice)
    until = "" if options.file is not None else ". Speak; Ctrl-C ends"
    view.note(f"{source.name} -> {status.current_model} ({status.device}){until}")


class _Conversation:
    """One source's audio to the server, and its events to the view."""

    def __init__(self, connection: AsrConnection, view: PlainView) -> None:
        self.failed = False
        """The server reported an error."""
        self._told_overloaded = False
        self._shutdown = asyncio.Event()
        self._connection = connection
        self._view = view

    async def hold(self, source: Source, stop: asyncio.Event) -> None:
        """Send everything, or until `stop`; returns when every final is shown.

        Raises ClientError, SourceError.
        """
        showing = asyncio.create_task(self._show(), name="show events")
        speaking = asyncio.create_task(self._speak(source, stop), name="send audio")
        tasks = (showing, speaking)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await showing  # speaking closes the connection, which ends showing
            await speaking
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._view.close()

    async def _speak(self, source: Source, stop: asyncio.Event) -> None:
        try:
            failure = await self._send_until(stop, source)
            await self._connection.end()
        finally:
            await self._connection.close()
        if failure is not None:
            raise failure

    async def _send_until(self, stop: asyncio.Event, source: Source) -> SourceError | None:
        """Send; a failure of the source comes back, so that what it gave still becomes text."""
        sending = asyncio.create_task(self._send(source), name="send blocks")
        stopping = asyncio.create_task(stop.wait(), name="wait for Ctrl-C")
        draining = asyncio.create_task(self._shutdown.wait(), name="wait for a shutdown")
        tasks = (sending, stopping, draining)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if sending.cancelled() and not stop.is_set():
            self.failed = True
            self._view.note(f"Error: the rest of {source.name} was not recognised.")
        failure = None if sending.cancelled() else sending.exception()
        if failure is None or isinstance(failure, SourceError):
            return failure
        raise failure

    async def _send(self, source: Source) -> None:
        async with aclosing(source.blocks()) as blocks:
            async for block in blocks:
                await self._connection.send(block)

    async def _show(self) -> None:
        async for event in self._connection:
            self._show_one(event)

    def _show_one(self, event: Event) -> None:
        match event:
            case RealtimeTranscription():
                self._view.partial(event)
            case FinalTranscription():
                self._view.final(event)
            case Notice():
                self._view.note(event.message)
            case ErrorEvent():
                self._on_error(event)
            case ServerShutdown():
                self._view.note(f"The server is shutting down, within {event.grace_s:.0f} s.")
                self._shutdown.set()

    def _on_error(self, event: ErrorEvent) -> None:
        if event.stream_id is not UNSET and event.utterance_id is not UNSET:
            self._view.utterance_lost(event.stream_id)
        if event.code == NOTHING_LOST:
            if not self._told_overloaded:
                self._view.note(f"Warning: {event.message}")
            self._told_overloaded = True
            return
        self.failed = True
        if event.code == "shutting_down" and not event.fatal:
            self._shutdown.set()  # finals of what was taken before still come
        elif event.fatal or event.code in NO_USE_GOING_ON:
            raise RequestFailedError(event.code, event.message)
        self._view.note(f"Error: {event.message} ({event.code})")


class _Interrupts:
    """Ctrl-C calls `first` once; a second one ends the process, whatever it is waiting for."""

    def __init__(self, first: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._first = first
        self._interrupted = False

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._on_signal)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, *_: object) -> None:
        if self._interrupted:
            os._exit(Exit.INTERRUPTED)
        self._interrupted = True
        self._loop.call_soon_threadsafe(self._first)
