"""`--convert ID`: make a model ready for CTranslate2, with a bar."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TextIO

from asr.convert import Converter
from asr.convert_packages import SIDE_VENV, find_convert_python
from asr.device import RealProbe
from asr.download import ModelDownloader
from asr.engine import EngineError
from asr.locate import find_model
from asr.model_files import check_transformers_folder
from asr.types import ModelFormat, ModelSpec
from server.download_command import DownloadCommand
from server.download_view import view_on
from server.engines import cache_dir_of, plan_machine, usable_cpu_count
from server.model_commands import (
    FAILED,
    INTERRUPTED,
    OK,
    USAGE,
    Telling,
    chosen,
    signals_set,
)
from server.package_check import ROOT
from server.resources import SERVER_SCRIPT, command_line
from server.settings import ENV_PREFIX, Settings

INSTALL_VARIABLE: Final = f"{ENV_PREFIX}CONVERT_INSTALL"
"""`yes`: install what conversion needs without asking."""

QUESTION: Final = f"""\
Conversion needs PyTorch and transformers: about 1.3 GB, installed once into
  {ROOT / SIDE_VENV}
and nowhere else; deleting that folder removes them. The server itself does not use them.
"""


def convert(model_id: str, settings: Settings) -> int:
    """Convert a model of the catalogue (blocking), fetched first if need be. The exit status.

    Raises CatalogueError, EngineError.
    """
    spec = chosen(model_id, settings)
    if spec is None:
        return USAGE
    machine = plan_machine(settings, usable_cpu_count(), RealProbe())
    cancelled = threading.Event()
    command = ConvertCommand(
        cache_dir_of(settings),
        machine.compute_type,
        DownloadCommand(
            ModelDownloader(offline=settings.offline),
            cache_dir_of(settings),
            sys.stdout,
            sys.stderr,
        ),
        may_install=ask,
        out=sys.stdout,
        err=sys.stderr,
    )
    with signals_set(cancelled):
        return command.run(spec, cancelled)


def ask() -> bool:
    """Whether the user wants the packages installed. Raises KeyboardInterrupt."""
    word = os.environ.get(INSTALL_VARIABLE, "")
    if not word and sys.stdin.isatty():
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # to end the question
        try:
            word = input("Install them now? [y/N] ")
        except EOFError:
            return False
        finally:
            signal.signal(signal.SIGINT, before)
    return word.strip().lower() in ("y", "yes")


def install() -> bool:
    """Install what conversion needs, showing where it is; False, after words, where it fails."""
    prepare = ROOT / "scripts" / "prepare_venv.py"
    wanted = (str(ROOT / SIDE_VENV), str(ROOT / "requirements_convert.txt"))
    return subprocess.run([sys.executable, str(prepare), *wanted], check=False).returncode == 0


class ConvertCommand:
    """Converts a model and tells of it."""

    def __init__(
        self,
        cache_dir: Path,
        compute_type: str,
        download: DownloadCommand,
        *,
        may_install: Callable[[], bool],
        out: TextIO,
        err: TextIO,
        find_python: Callable[[], Path | None] = lambda: find_convert_python(ROOT),
        install: Callable[[], bool] = install,
        hub_cache_dir: Path | None = None,
    ) -> None:
        self._cache_dir = cache_dir
        self._compute_type = compute_type
        self._download = download
        self._may_install = may_install
        self._out = out
        self._err = err
        self._find_python = find_python
        self._install = install
        self._hub_cache_dir = hub_cache_dir

    def run(self, spec: ModelSpec, cancelled: threading.Event) -> int:
        """The exit status."""
        try:
            return self._run(spec, cancelled)
        except KeyboardInterrupt:  # at the question
            return self._say_stopped()
        except EngineError as error:
            if error.code == "cancelled":
                return self._say_stopped()
            self._err.write(f"Error: {error.message}\n")
            return FAILED

    def _run(self, spec: ModelSpec, cancelled: threading.Event) -> int:
        if spec.format is not ModelFormat.TRANSFORMERS:
            self._say(f"{spec.id} is a CTranslate2 model: there is nothing to convert.")
            return OK
        source = self._source(spec)
        if source is None and spec.path is None:
            status = self._download.run(spec, cancelled)
            if status != OK:
                return status
            source = self._source(spec)
        if source is None:
            self._err.write(f"Error: the folder {spec.path} is not there\n")
            return FAILED
        done = self._converter(None).find(spec, source)
        if done is not None:
            return self._say_done(spec, done, "is converted already")
        check_transformers_folder(source)  # before anything is installed for it
        python = self._python(spec, cancelled)
        if cancelled.is_set():  # while pip was at work
            return self._say_stopped()
        return FAILED if python is None else self._convert(spec, source, python, cancelled)

    def _convert(
        self, spec: ModelSpec, source: Path, python: Path, cancelled: threading.Event
    ) -> int:
        with ExitStack() as stack:
            telling = Telling(
                lambda _: f"Converting {spec.id} for {self._compute_type} (once; takes minutes)",
                lambda: stack.enter_context(view_on(self._out)),
                self._say,
            )
            folder = self._converter(python).convert(spec, source, telling.show, cancelled)
        return self._say_done(spec, folder, "is converted")

    def _python(self, spec: ModelSpec, cancelled: threading.Event) -> Path | None:
        """A Python with the packages, installed if the user wants that; None after words."""
        python = self._find_python()
        if python is not None:
            return python
        self._say(QUESTION)
        if not self._may_install():
            again = f"{command_line(SERVER_SCRIPT)} --convert {spec.id}"
            self._err.write(
                f"Error: {spec.id} was not converted: the packages are not installed. To have them "
                f"installed, answer y, or without a terminal: {INSTALL_VARIABLE}=yes {again}\n"
            )
            return None
        python = self._find_python() if self._install() else None
        if python is None and not cancelled.is_set():
            self._err.write("Error: the packages for conversion could not be installed\n")
        return python

    def _source(self, spec: ModelSpec) -> Path | None:
        return find_model(spec, self._cache_dir, self._hub_cache_dir)

    def _converter(self, python: Path | None) -> Converter:
        return Converter(cache_dir=self._cache_dir, compute_type=self._compute_type, python=python)

    def _say_done(self, spec: ModelSpec, folder: Path, what: str) -> int:
        self._say(f"{spec.id} {what}:\n  {folder}")
        self._say(f"To use it:\n  {command_line(SERVER_SCRIPT)} --model {spec.id}")
        return OK

    def _say_stopped(self) -> int:
        self._say("Stopped. Nothing is left of the conversion; the files are kept.")
        return INTERRUPTED

    def _say(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()
