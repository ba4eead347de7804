"""A whole server on free ports inside the test's loop, with scripted or real models."""

from __future__ import annotations

import asyncio
import json
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from asr.device import DeviceProbe
from asr.engine import Engine, EngineError
from asr.load_machine import LoadPhase
from asr.model_source import TellFetch
from asr.scripted_engine import ScriptedEngine
from asr.transfer import Transfer
from asr.types import ModelSpec
from server.app import App
from server.log_ids import LogIds
from server.settings import Settings

EVENT_LIMIT_S = 90.0

MODELS_YAML = """\
- {id: scripted, name: Scripted, repo: test/scripted, format: ct2, embedded: true}
- {id: second, name: Second, repo: test/second, format: ct2}
- {id: broken, name: Broken, repo: test/broken, format: ct2}
- id: far
  name: Far
  repo: test/far
  format: ct2
  size_mb: 700
  licence: mit
  terms: Ask its authors.
  prompt_allowed: false
  scores: [{metric: CER, value: 9.5, test_set: FLEURS, source: a paper}]
"""


class ScriptedModels:
    """Scripted engines in place of models; `make` may be replaced by a test.

    `far` is not on disk: its fetch tells of each item of `steps` once `go_on` is set, and fails
    with `fetch_error` if there is one.
    """

    def __init__(self, make: Callable[[ModelSpec], Engine] | None = None) -> None:
        self._make = make or (lambda spec: ScriptedEngine(spec.id))
        self.steps: Sequence[Transfer] = (Transfer(0, 700), Transfer(350, 700, 50.0, 7.0))
        self.go_on = threading.Event()
        self.go_on.set()
        self.fetch_error: EngineError | None = None
        self.fetches = 0
        self._fetched = False

    def locate(self, spec: ModelSpec) -> Path | None:
        return None if spec.id == "far" and not self._fetched else Path("unused")

    def is_ready(self, spec: ModelSpec) -> bool:
        return self.locate(spec) is not None

    def fetch(self, spec: ModelSpec, tell: TellFetch, cancelled: threading.Event) -> None:
        self.fetches += 1
        for step in self.steps:
            tell(LoadPhase.DOWNLOADING, step)
            while not self.go_on.wait(0.01):
                if cancelled.is_set():
                    raise EngineError("cancelled", f"{spec.id} was cancelled")
        if self.fetch_error is not None:
            raise self.fetch_error
        self._fetched = True

    def open(self, spec: ModelSpec) -> Engine:
        if spec.id == "broken":
            raise EngineError("model_load_failed", "the file is damaged")
        return self._make(spec)


@dataclass(slots=True)
class Client:
    """One connection and every event that came."""

    socket: ClientConnection
    events: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, message: dict[str, Any] | bytes | str) -> None:
        await self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def until(
        self, kind: str, where: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any]:
        """The next event of a type (others are kept in `events`)."""
        async with asyncio.timeout(EVENT_LIMIT_S):
            while True:
                event: dict[str, Any] = json.loads(await self.socket.recv())
                self.events.append(event)
                if event["type"] == kind and where(event):
                    return event

    async def ask(self, message: dict[str, Any], answer: str) -> dict[str, Any]:
        await self.send(message)
        return await self.until(answer)

    def finals(self) -> list[dict[str, Any]]:
        return [e for e in self.events if e["type"] == "final_transcription"]

    def texts(self) -> list[str]:
        return [final["text"] for final in self.finals()]


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server's addresses."""

    app: App
    task: asyncio.Task[None]

    @property
    def control_url(self) -> str:
        return f"ws://127.0.0.1:{self.app.ports.control}"

    @property
    def audio_url(self) -> str:
        return f"ws://127.0.0.1:{self.app.ports.audio}"

    @property
    def page_url(self) -> str:
        return f"http://127.0.0.1:{self.app.ports.control}"

    @asynccontextmanager
    async def control(self, query: str = "") -> AsyncIterator[Client]:
        async with connect(f"{self.control_url}/{query}", max_size=None) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def audio(self, query: str = "?events=all") -> AsyncIterator[Client]:
        async with connect(f"{self.audio_url}/{query}", max_size=None) as socket:
            yield Client(socket)


def scripted_app(
    tmp_path: Path,
    models: ScriptedModels | None = None,
    changes: Mapping[str, object] | None = None,
    open_url: Callable[[str], bool] = webbrowser.open,
    *,
    model_named: bool = False,
    probe: DeviceProbe | None = None,
    log_ids: LogIds | None = None,
) -> App:
    """A server with scripted models for free ports."""
    catalogue = tmp_path / "models.yaml"
    catalogue.write_text(MODELS_YAML, encoding="utf-8")
    settings = Settings().changed(
        {
            "control_port": 0,
            "audio_port": 0,
            "model": "scripted",
            "profile": "balanced",
            "models_file": str(catalogue),
            "noise_reduction": "off",
            "vad": "energy",
            "min_speech_chunks": 2,
            "silence_threshold": 8,
            **(changes or {}),
        }
    )
    chosen = models or ScriptedModels()

    def make_models(*_: object) -> ScriptedModels:
        return chosen

    return App(settings, make_models, open_url, probe, model_named=model_named, log_ids=log_ids)


@asynccontextmanager
async def run_server(
    tmp_path: Path, models: ScriptedModels | None = None, **changes: object
) -> AsyncIterator[RunningServer]:
    """A server with scripted models on free ports; drained at the end."""
    async with serving(scripted_app(tmp_path, models, changes)) as server:
        yield server


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[RunningServer]:
    """Run an app until the block ends, then drain it."""
    task = asyncio.create_task(app.run(), name="server")
    ready = asyncio.create_task(app.ready.wait(), name="ready")
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        ready.cancel()
        task.result()
    try:
        yield RunningServer(app, task)
    finally:
        if not task.done():
            app.stop()
        await task
