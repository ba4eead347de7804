"""The command line: a microphone, a file or standard input goes to the server, text comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TextIO

from client.arguments import Exit, Options, read_options
from client.conversation import Conversation
from client.errors import ClientError, ConnectError
from client.exports import ExportError, Exports
from client.feed import Feed
from client.interrupts import Interrupts
from client.level import level_db
from client.microphone import Microphone, MicrophoneError, choose_device, find_backend
from client.opening import connect
from client.resumption import Resumption
from client.sources import FileError, FileSource, Source, SourceError
from client.stdin_source import StdinSource
from client.stream import AsrConnection
from client.view import PlainView, View


def run(arguments: Sequence[str], out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """Run the client and return its exit status."""
    options = read_options(arguments)
    try:
        if options.list_devices:
            return _list_devices(out)
        exports = Exports(options.exports)
        exports.check()
        source = None if options.viewer else open_source(options)
        return asyncio.run(_transcribe(options, source, exports, out, err))
    except (ClientError, SourceError, ExportError) as error:
        err.write(_told(error) + "\n")
        return exit_status(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return Exit.INTERRUPTED
    except OSError as error:  # all others are told as one of the errors above
        return _cannot_show(error, out, err)


def _cannot_show(error: OSError, out: TextIO, err: TextIO) -> Exit:
    """Whoever read the text has enough, and is told no more; or it cannot be written."""
    gone = isinstance(error, BrokenPipeError)
    if not gone:
        with contextlib.suppress(OSError):
            err.write(f"Error: cannot write the text: {error.strerror or error}\n")
    for file in (out, err):
        try:
            file.flush()
        except OSError:  # at its end the interpreter would try it again, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
    return Exit.FAILED if gone else Exit.CANNOT_WRITE


def exit_status(error: Exception) -> Exit:
    """The exit status for an error of the client."""
    match error:
        case ConnectError():
            return Exit.NO_SERVER
        case MicrophoneError():
            return Exit.NO_MICROPHONE
        case FileError():
            return Exit.BAD_INPUT
        case ExportError():
            return Exit.CANNOT_WRITE
        case _:
            return Exit.FAILED


def _told(error: Exception) -> str:
    if isinstance(error, ConnectError):
        return f"Error: WebSocket connection failed\n{error}"
    return f"Error: {error}"


def open_source(options: Options) -> Source:
    """The file, standard input or microphone asked for. Raises SourceError."""
    if options.file is not None:
        return FileSource(options.file, paced=not options.fast)
    if options.stdin:
        if sys.stdin.isatty():
            raise FileError("- reads audio from a pipe: ffmpeg -i FILE -f wav - | ... -")
        return StdinSource()
    backend = find_backend()
    return Microphone(backend, choose_device(backend.devices(), options.device))


def open_view(options: Options, out: TextIO, err: TextIO) -> View:
    """The live view on a terminal, plain lines elsewhere."""
    if options.plain or not out.isatty():
        return PlainView(out, err)
    from client.live_view import LiveView  # noqa: PLC0415 - plain lines work without rich

    return LiveView(out, err)


def _list_devices(out: TextIO) -> int:
    devices = find_backend().devices()
    choose_device(devices, None)  # raises when there is none
    for device in devices:
        mark = "*" if device.is_default else " "
        out.write(f"{mark}{device.index:3}  {device.name} ({device.default_rate_hz} Hz)\n")
    return Exit.OK


async def _transcribe(
    options: Options, source: Source | None, exports: Exports, out: TextIO, err: TextIO
) -> int:
    view = open_view(options, out, err)
    conversation = _conversation(options, source, view)
    this = asyncio.current_task()
    assert this is not None
    interrupted = asyncio.Event()

    def interrupt() -> None:
        interrupted.set()
        if conversation.begun:
            conversation.stop()
        else:
            this.cancel()

    def leave() -> None:
        try:
            if conversation.begun:
                exports.write(conversation.finals)
        finally:
            view.close()

    with Interrupts(interrupt, leave, Exit.INTERRUPTED, err):
        try:
            await conversation.hold()
        finally:
            if conversation.begun:
                for path in exports.write(conversation.finals):
                    err.write(f"Written: {path}\n")
    if conversation.failed:
        return Exit.FAILED
    return Exit.INTERRUPTED if interrupted.is_set() and options.file is not None else Exit.OK


def _conversation(options: Options, source: Source | None, view: View) -> Conversation:
    feed = None
    if source is not None:
        live = isinstance(source, Microphone)
        feed = Feed(
            source,
            hint=". Speak; Ctrl-C ends" if live else "",
            on_block=(lambda block: view.level(level_db(block))) if live else (lambda _: None),
        )

    resumption = Resumption()

    def open_connection(session: str | None) -> AbstractAsyncContextManager[AsrConnection]:
        return connect(
            options.addresses,
            session=session or options.session,
            speaker=options.speaker,
            role="viewer" if options.viewer else "speaker",
            finals="single" if isinstance(view, PlainView) else "revised",
            token=options.token,
            ca_file=options.ca_file,
            sample_rate_hz=16_000 if source is None else source.audio_format.sample_rate_hz,
            resumption=resumption if options.reconnect else None,
        )

    return Conversation(
        open_connection, feed, view, model=options.model, reconnect=options.reconnect
    )
