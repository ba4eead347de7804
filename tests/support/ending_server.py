"""A server in a process of its own, to be ended by signals.

`python -m tests.support.ending_server JSON` runs it, with scripted engines whose costs, hangs and
slow loads are in the JSON. It prints its ports when it is ready.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asr.engine import Engine, Prepared, TrialLoad, TrialTime
from asr.load_machine import LoadPhase
from asr.model_source import TellFetch
from asr.scripted_engine import ScriptedEngine
from asr.transfer import Transfer
from asr.types import DecodeKind, ModelSpec
from realtime_thai_asr_server import leave
from server.app import App
from server.logs import set_up_logging
from tests.support.running_server import ScriptedModels, scripted_app

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`cost`: seconds of a decode for a second of audio. `hangs`: what never comes to an end."""

    cost: float = 0.0
    trial_cost: float | None = None
    """What it seems to be when it is measured."""
    workers: int = 1
    hangs: bool = False
    """Every decode of a final does, once it serves."""
    load_hangs: bool = False
    fetch_hangs: bool = False
    """It does not even look whether it is cancelled."""


class Models(ScriptedModels):
    """Models that behave so."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(self._engine)
        self._behaviour = behaviour
        self.serves = False

    def open(self, spec: ModelSpec) -> Engine:
        if self._behaviour.load_hangs:
            print(json.dumps({"loading": spec.id}), flush=True)
            threading.Event().wait()
        return super().open(spec)

    def fetch(self, spec: ModelSpec, tell: TellFetch, cancelled: threading.Event) -> None:
        if self._behaviour.fetch_hangs:
            tell(LoadPhase.DOWNLOADING, Transfer(0, 700))
            threading.Event().wait()
        super().fetch(spec, tell, cancelled)

    def _engine(self, spec: ModelSpec) -> ScriptedEngine:
        behaviour = self._behaviour

        def delay_s(batch: Sequence[Prepared]) -> float:
            requests = [prepared.request for prepared in batch]
            if (
                behaviour.hangs
                and self.serves
                and any(r.kind is DecodeKind.FINAL for r in requests)
            ):
                time.sleep(600.0)
            return behaviour.cost * sum(request.audio_s for request in requests)

        def trial(load: TrialLoad) -> TrialTime:
            cost = behaviour.cost if behaviour.trial_cost is None else behaviour.trial_cost
            seconds = max(0.001, 5.0 * cost * load.batch)
            return TrialTime(wall_s=seconds, cpu_s=seconds)

        return ScriptedEngine(
            spec.id, workers=behaviour.workers, max_batch=4, delay=delay_s, trial=trial
        )


async def serve(app: App, models: Models) -> None:
    app.watch_signals()
    serving = asyncio.create_task(app.run(), name="server")
    ready = asyncio.create_task(app.ready.wait(), name="ready")
    await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        models.serves = True
        print(json.dumps({"control": app.ports.control, "audio": app.ports.audio}), flush=True)
    ready.cancel()
    await serving


def main(arguments: Mapping[str, Any]) -> int:
    set_up_logging("info", "")
    with TemporaryDirectory() as folder:
        models = Models(Behaviour(**arguments["behaviour"]))
        asyncio.run(serve(scripted_app(Path(folder), models, arguments["settings"]), models))
    return 0


@dataclass(frozen=True, slots=True)
class EndingServer:
    """The process, and what it printed first."""

    process: asyncio.subprocess.Process
    first_line: Mapping[str, Any]
    log: Path

    @property
    def audio_url(self) -> str:
        return f"ws://127.0.0.1:{self.first_line['audio']}"

    @property
    def control_url(self) -> str:
        return f"ws://127.0.0.1:{self.first_line['control']}"

    async def ended(self, within_s: float) -> float:
        """Seconds until it ended. Raises TimeoutError."""
        began_s = time.monotonic()
        async with asyncio.timeout(within_s):
            await self.process.wait()
        return time.monotonic() - began_s


@asynccontextmanager
async def ending_server(
    tmp_path: Path, behaviour: Mapping[str, Any], **settings: object
) -> AsyncIterator[EndingServer]:
    """The process, killed at the end if it is still there."""
    arguments = json.dumps({"behaviour": behaviour, "settings": settings})
    log = tmp_path / "server.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.ending_server", arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while not (line := await process.stdout.readline()).startswith(b"{"):
                assert line or process.returncode is None, log.read_text()
        yield EndingServer(process, json.loads(line), log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


if __name__ == "__main__":
    leave(main(json.loads(sys.argv[1])))
