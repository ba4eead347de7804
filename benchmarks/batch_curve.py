"""What batches, workers, threads, encoder context and beam cost on this machine, for one model.

    python -m benchmarks.batch_curve                          the built-in model
    python -m benchmarks.batch_curve --quick                  fewer points, six clips, once
    python -m benchmarks.batch_curve --model my-model --batch 1 4 16 --workers 1 2 4

The engine is called in worker threads, without a server. One thing is varied at a time:
margin and beam, one utterance in a decode, over all clips, once (texts are the same each time);
batch size, over clips of one length bucket, --repeats times; then workers and threads likewise,
with the smallest and the largest batch. Ends with the settings to use on this machine, and writes
batch_curve.json and its plots to --out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from asr.catalogue import load_catalogue
from asr.device import RealProbe
from asr.engine import Engine, EngineError
from asr.loading import warm_up
from asr.types import ModelSpec
from benchmarks import plots
from benchmarks.curve_measure import (
    Sample,
    Spoken,
    make_point,
    measure,
    read_clips,
    same_bucket,
)
from benchmarks.curve_points import (
    FULL_WINDOW_MS,
    Axis,
    Point,
    Recommendation,
    Setting,
    recommend,
)
from benchmarks.curve_report import advice, table
from benchmarks.dataset import evaluation_folder, load_clips
from benchmarks.scoring import NORMALISER
from server.engines import Machine, plan_machine, usable_cpu_count
from server.model_store import ModelStore
from server.settings import Settings

FULL = "full"
REFERENCE_BEAM = 5
CATALOGUE = Path(__file__).resolve().parent.parent / "models.yaml"

LoadEngine = Callable[[int, int], Engine]
"""A warm engine with so many workers of so many threads. Raises EngineError."""


def context_settings(
    default: Setting, margins: Sequence[int | None], beams: Sequence[int]
) -> list[Setting]:
    """Margins and beams, one utterance at a time; last the full window with beam 5."""
    crossed = itertools.product(margins, sorted(beams))
    settings = [replace(default, margin_ms=margin, beam=beam) for margin, beam in crossed]
    reference = replace(default, margin_ms=None, beam=REFERENCE_BEAM)
    return [*(s for s in settings if s != reference), reference]


def speed_settings(
    default: Setting, batches: Sequence[int], shapes: Sequence[tuple[int, int]]
) -> list[Setting]:
    """Batch sizes at the default workers, then workers and threads with the ends of them."""
    sizes = sorted(set(batches))
    settings = [replace(default, batch=size) for size in sizes]
    for workers, threads in shapes:
        shape = replace(default, workers=workers, threads=threads)
        settings += [replace(shape, batch=sizes[0]), replace(shape, batch=sizes[-1])]
    return list(dict.fromkeys(settings))


def threads_of(workers: int) -> int:
    """Threads of a worker when the server is started with so many workers."""
    return plan_machine(Settings(num_workers=workers), usable_cpu_count()).threads_per_worker


def run(
    load: LoadEngine, settings: Sequence[Setting], spoken: Sequence[Spoken], repeats: int
) -> dict[Setting, list[Sample]]:
    """Every setting so often; repeats go round, so that a busy minute does not hit one alone.

    A setting whose decode fails (memory) is told and left out. Raises EngineError if a model
    cannot be loaded.
    """
    samples: dict[Setting, list[Sample]] = {}
    for shape, group in itertools.groupby(settings, key=lambda s: (s.workers, s.threads)):
        working = list(group)
        with closing(load(*shape)) as engine:
            for _ in range(repeats):
                for setting in tuple(working):
                    sys.stderr.write(f"{setting}\n")
                    try:
                        samples.setdefault(setting, []).append(measure(engine, spoken, setting))
                    except EngineError as error:
                        sys.stderr.write(f"left out: {error.message}\n")
                        working.remove(setting)
                        samples.pop(setting)
    return samples


def sweep(arguments: argparse.Namespace, spec: ModelSpec, machine: Machine) -> list[Point]:
    """All points. Raises EngineError if the model or its full window with beam 5 fails."""

    def load(workers: int, threads: int) -> Engine:
        shape = replace(machine, workers=workers, threads_per_worker=threads)
        engine = ModelStore(Settings(), shape, RealProbe()).open(spec)
        warm_up(engine)
        return engine

    threads = machine.threads_per_worker
    margin_ms = spec.context_margin_ms
    default = Setting(Axis.CONTEXT, 1, machine.workers, threads, margin_ms, 1)
    spoken = read_clips(load_clips(evaluation_folder() / "dev.jsonl")[: arguments.clips])
    context = context_settings(default, arguments.margin, arguments.beam)
    measured = run(load, context, spoken, 1)
    if context[-1] not in measured:
        raise EngineError("no_reference", "the full window with beam 5 cannot be decoded")
    reference = measured[context[-1]][0].texts
    points = [make_point(setting, made, spoken, reference) for setting, made in measured.items()]

    shapes = [(w, t) for w in arguments.workers for t in arguments.threads or [threads_of(w)]]
    most = max(machine.workers, *arguments.workers)
    alike = same_bucket(spoken, margin_ms, max(arguments.batch) * most)
    default = replace(default, axis=Axis.SPEED)
    speed = speed_settings(default, arguments.batch, shapes)
    measured = run(load, speed, alike, arguments.repeats)
    return points + [
        make_point(setting, made, alike, reference) for setting, made in measured.items()
    ]


def write(out: Path, points: Sequence[Point], advised: Recommendation, **facts: object) -> None:
    """The JSON file and its plots."""
    out.mkdir(parents=True, exist_ok=True)
    rows = {
        **facts,
        "normaliser": NORMALISER,
        "points": [asdict(point) for point in points],
        "settings": asdict(advised),
    }
    text = json.dumps(rows, ensure_ascii=False, indent=1, default=lambda axis: axis.value)
    (out / "batch_curve.json").write_text(text, encoding="utf-8")
    plots.draw(out)


def _margin(text: str) -> int | None:
    if text == FULL:
        return None
    margin_ms = int(text)
    if not 0 <= margin_ms < FULL_WINDOW_MS:
        raise argparse.ArgumentTypeError(f"takes 0 to {FULL_WINDOW_MS - 1} or {FULL}, not {text}")
    return margin_ms


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"takes 1 or more, not {text}")
    return count


def parse(given: Sequence[str] | None, machine_workers: int) -> argparse.Namespace:
    """The command line; what is not given depends on --quick and the machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default="whisper-base", help="id in models.yaml; it must be on this machine")
    add("--batch", type=_count, nargs="+", help="utterances in a decode (default: 1 2 4 8)")
    add("--workers", type=_count, nargs="+", help="decodes at a time (default: 1, 2, the server's)")
    add("--threads", type=_count, nargs="+", help="of each worker (default: what the server gives)")
    add("--margin", type=_margin, nargs="+", metavar="MS", help="ms of context, or full")
    add("--beam", type=_count, nargs="+", default=[1, 5])
    add("--clips", type=_count, help="only the first N clips")
    add("--repeats", type=_count, help="of batches and workers (default: 3)")
    add(
        "--quick",
        action="store_true",
        help="fewer points, six clips (its margin is a hint), one repeat",
    )
    add("--out", type=Path, default=Path("results"), help="folder for batch_curve.json and plots")
    arguments = parser.parse_args(given)
    quick = arguments.quick
    arguments.batch = arguments.batch or ([1, 4] if quick else [1, 2, 4, 8])
    arguments.margin = arguments.margin or (
        [500, 1500, None] if quick else [500, 1000, 1500, 2000, None]
    )
    arguments.clips = arguments.clips or (6 if quick else None)
    arguments.repeats = arguments.repeats or (1 if quick else 3)
    arguments.workers = arguments.workers or sorted({1, min(2, machine_workers), machine_workers})
    return arguments


def main() -> int:
    """Parse arguments, sweep, advise, write."""
    machine = plan_machine(Settings(), usable_cpu_count())
    arguments = parse(None, machine.workers)
    catalogue = load_catalogue(CATALOGUE)
    if arguments.model not in catalogue:
        sys.stderr.write(f"no model {arguments.model!r}; there are: {', '.join(catalogue)}\n")
        return 2
    load_before = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    try:
        points = sweep(arguments, catalogue[arguments.model], machine)
    except EngineError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    startable = {(workers, threads_of(workers)) for workers in arguments.workers}
    advised = recommend(points, startable=startable, on_gpu=machine.device == "cuda")
    print(table(points))
    print(
        f"\n{arguments.model} {machine.compute_type} on {machine.device}, "
        f"{usable_cpu_count()} cores, load average at the start {load_before}"
    )
    print(advice(arguments.model, catalogue[arguments.model].context_margin_ms, advised))
    write(
        arguments.out,
        points,
        advised,
        model=arguments.model,
        device=machine.device,
        compute_type=machine.compute_type,
        cpu_count=usable_cpu_count(),
        load_average=load_before,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
