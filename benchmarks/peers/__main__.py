"""RealtimeSTT and WhisperLive beside our server: the same clips in the same run.

    python -m benchmarks.peers --install                  their virtual environments, once
    python -m benchmarks.peers                            all three, 1, 4 and 8 streams
    python -m benchmarks.peers --peers ours realtimestt --streams 1 --clips-per-stream 4

Every server runs the embedded Whisper base, int8, language th, voice detection on, and its own
defaults otherwise. Streams are paced in 100 ms chunks with 2.5 s of silence after each clip, after
one unmeasured clip. Servers take turns within each repeat, so that what else the machine does
falls on all alike. Writes peers.json and the servers' output to --out.

The environments lie in the user's cache folder unless --venvs says otherwise. RealtimeSTT needs
PortAudio's headers (Debian: portaudio19-dev), Python 3.11 or 3.12, and torch: a requirement such as
`--torch-requirement torch==2.13.0+cpu` spares gigabytes of CUDA libraries where pip finds it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from asr.embedded_model import default_cache_dir, ensure_embedded_model
from benchmarks.dataset import Clip, evaluation_folder, load_clips
from benchmarks.peers.install import install_all, is_installed, python_of
from benchmarks.peers.matching import match
from benchmarks.peers.ours import OurServer
from benchmarks.peers.process import Usage
from benchmarks.peers.protocol import Peer
from benchmarks.peers.realtimestt import RealtimeStt
from benchmarks.peers.report import OURS, Run, table
from benchmarks.peers.streams import stream_all
from benchmarks.peers.whisperlive import WhisperLive
from benchmarks.server_process import RunningServer
from benchmarks.streaming import assemble, share

PEERS = (OURS, "realtimestt", "whisperlive")
SETTLE_LIMIT_S = 60.0


def make_peer(name: str, venvs: Path, profile: str) -> Peer:
    """A peer by name. Raises FileNotFoundError if it is not installed."""
    if name == OURS:
        return OurServer(profile)
    if not is_installed(venvs / name):
        raise FileNotFoundError(f"{name} is not in {venvs}: run with --install first")
    model = ensure_embedded_model(default_cache_dir())
    python = python_of(venvs / name)
    return RealtimeStt(python, model) if name == "realtimestt" else WhisperLive(python, model)


def warm_up(peer: Peer, server: RunningServer, usage: Usage, clip: Clip) -> None:
    """Stream one clip, so that models are loaded, and wait until the server is idle again.

    One that stays busy is measured all the same, and said so.
    """
    asyncio.run(stream_all(peer, server, [assemble([clip])[0]]))
    give_up_s = time.monotonic() + SETTLE_LIMIT_S
    while not usage.is_idle():
        if time.monotonic() > give_up_s:
            sys.stderr.write(f"{peer.name}: not idle {SETTLE_LIMIT_S:.0f} s after its warm-up\n")
            return
        time.sleep(0.2)


def measure(peer: Peer, clips: list[list[Clip]], repeat: int, log: Path) -> Run:
    """One run against a server of its own."""
    assembled = [assemble(own) for own in clips]
    with peer.server(log) as server:
        usage = Usage(server)
        usage.start()
        warm_up(peer, server, usage, clips[0][0])
        load_average = round(os.getloadavg()[0], 2)
        streamed = asyncio.run(stream_all(peer, server, [samples for samples, _ in assembled]))
        usage.stop()
    admitted = [
        (result, len(samples) / 16_000, placed)
        for result, (samples, placed) in zip(streamed, assembled, strict=True)
        if result.refused is None
    ]
    start_s = min((result.started_s for result, _, _ in admitted), default=0.0)
    end_s = max((result.ended_s for result, _, _ in admitted), default=0.0)
    return Run(
        peer=peer.name,
        streams=len(clips),
        repeat=repeat,
        audio_s=sum(audio_s for _, audio_s, _ in admitted),
        cpu_s=usage.cpu_s(start_s, end_s),
        peak_rss_mb=usage.peak_rss_mb(),
        load_average=load_average,
        refused=tuple(result.refused for result in streamed if result.refused is not None),
        broken=tuple(result.broken for result in streamed if result.broken is not None),
        texts=tuple(match(placed, result.texts) for result, _, placed in admitted),
    )


def measure_all(arguments: argparse.Namespace, clips: Sequence[Clip]) -> list[Run]:
    """Every peer in turn, repeat by repeat; what is there is written after each run."""
    peers = [make_peer(name, arguments.venvs, arguments.profile) for name in arguments.peers]
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    for streams in arguments.streams:
        shared = share(clips, streams, arguments.clips_per_stream)
        for repeat in range(arguments.repeats):
            for peer in peers:
                run = measure(peer, shared, repeat, arguments.out / f"{peer.name}.log")
                runs.append(run)
                sys.stderr.write(f"{run.peer} {streams} {repeat} {json.dumps(run.summary())}\n")
                rows = [{"summary": each.summary(), "run": asdict(each)} for each in runs]
                (arguments.out / "peers.json").write_text(
                    json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8"
                )
    return runs


def main() -> int:
    """Parse arguments, install or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--install", action="store_true", help="install the peers and stop")
    parser.add_argument("--venvs", type=Path, default=default_cache_dir() / "peers")
    parser.add_argument("--torch-requirement", default="torch", help="for pip, with --install")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--profile", default="fast", help="of our server")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--clips-per-stream", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=Path, default=None, help="jsonl of clips")
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    if arguments.install:
        install_all(arguments.venvs, arguments.torch_requirement)
        return 0
    clips = load_clips(arguments.clips or evaluation_folder() / "dev.jsonl")
    print(table(measure_all(arguments, clips)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
