"""The server's state as Prometheus metrics. No names of sessions or speakers, and no text."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from asr.device import DeviceProbe
from server.capacity import Step
from server.context import Context
from server.peer import Port
from server.status import merged_events, unready
from server.watchdog import Fault

PREFIX = "thai_asr_"
CONTENT_TYPE = CONTENT_TYPE_LATEST

COUNTED = {
    "finals": "Finals sent",
    "finals_provisional": "Provisional finals sent",
    "finals_audio_s": "Seconds of audio in finals",
    "gaps": "Ranges of audio that got no text",
    "gaps_audio_s": "Seconds of audio in them, where their end is known",
    "audio_received_s": "Seconds of audio taken",
    "audio_received_bytes": "Bytes of audio taken",
    "events_realtime_transcription": "Partials sent",
    "connections_resumed": "Connections that came back to their place",
    "handshakes_refused": "Handshakes refused, for any reason",
    "control_messages_refused": "Messages of the control port that were answered with an error",
    "audio_messages_refused": "Messages of the audio port that were answered with an error",
    "overloads": "Times that audio could not be taken for 5 s",
    "reads_limited": "Times that a connection was read more slowly, for it sent too fast",
    "audio_slowed_s": "Time that audio waited for it came faster than it is spoken",
    "wrong_messages_unanswered": "Wrong messages that were not answered one by one",
    "slow_clients_closed": "Connections closed because they did not read",
}
"""Counters of `statistics` with names of their own; they are there from the start."""

BY_LABEL = {
    "handshakes_refused_": ("handshakes_refused_by_reason", "reason", "Handshakes refused"),
    "handshakes_failed_": ("handshakes_failed", "reason", "Connections that came to no handshake"),
    "streams_refused_": ("streams_refused", "reason", "Connections closed at their first audio"),
    "limit_closes_": ("closed_by_limit", "reason", "Connections closed by a limit"),
    "admission_": ("admission_steps", "step", "Times that a step of admission began"),
    "connections_": ("connections", "port", "Connections that joined a session"),
    "models_reopened_": (
        "models_reopened",
        "outcome",
        "Times a broken model was opened anew",
    ),
    "errors_": ("errors", "code", "Errors told"),
    "audio_problems_": ("audio_problems", "code", "Audio that could not be used as sent"),
}
"""Counters of `statistics` whose names end in the value of a label."""

UNITS = {"_s": "_seconds", "_bytes": "_bytes"}


class Metrics:
    """Answers scrapes."""

    def __init__(self, context: Context, probe: DeviceProbe) -> None:
        self._context = context
        self._probe = probe
        self._one_at_a_time = asyncio.Lock()
        self._now = _Now()
        context.instruments.registry.register(self._now)

    async def page(self) -> bytes:
        """Everything, in the text format. Read on the loop, written in a thread."""
        async with self._one_at_a_time:
            context = self._context
            self._now.families = [
                *_counters(context),
                *_gauges(context),
                *_labelled_gauges(context),
            ]
            device = self._context.models.current_info
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, self._write, device.device if device else "")

    def _write(self, device: str) -> bytes:
        memory = self._probe.memory(device) if device else None
        if memory is not None:
            of_device = GaugeMetricFamily(
                f"{PREFIX}device_memory_bytes",
                "Memory of the device that the model runs on",
                labels=["device", "state"],
            )
            of_device.add_metric([device, "total"], memory.total_mb * 2**20)
            of_device.add_metric([device, "free"], memory.free_mb * 2**20)
            self._now.families.append(of_device)
        return generate_latest(self._context.instruments.registry)


class _Now(Collector):
    """What was read for the scrape that is being answered."""

    def __init__(self) -> None:
        self.families: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """The metrics of this scrape."""
        return self.families


def _counters(context: Context) -> Iterator[Metric]:
    counted = context.statistics.snapshot()
    for name, text in COUNTED.items():
        yield CounterMetricFamily(PREFIX + _with_unit(name), text, value=counted.get(name, 0.0))
    for prefix, (name, label, text) in BY_LABEL.items():
        values = {
            key.removeprefix(prefix): value
            for key, value in counted.items()
            if key.startswith(prefix) and key not in COUNTED
        }
        yield _labelled(CounterMetricFamily(PREFIX + name, text, labels=[label]), values)
    decoding = context.scheduler.stats()
    for name, text, value in (
        (
            "audio_log_left_out_seconds",
            "Audio that the log of it could not take",
            0.0 if context.audio_log is None else context.audio_log.left_out_s,
        ),
        ("events_merged", "Events that gave way to newer ones", merged_events(context)),
        ("decode_batches", "Decodes", decoding.batches),
        ("decode_items", "Utterances in decodes; by decodes, how full these were", decoding.items),
        ("decode_failures", "Utterances whose decode failed", decoding.failed),
        ("decode_busy_seconds", "Wall time of decodes", decoding.busy_s),
    ):
        yield CounterMetricFamily(PREFIX + name, text, value=value)
    dropped = CounterMetricFamily(
        f"{PREFIX}partials_dropped", "Partials that were not worth decoding", labels=["reason"]
    )
    yield _labelled(dropped, decoding.dropped)
    lost = CounterMetricFamily(
        f"{PREFIX}decode_threads_lost", "Decode threads that were replaced", labels=["reason"]
    )
    yield _labelled(lost, decoding.threads_lost)


def _gauges(context: Context) -> Iterator[Metric]:
    sessions = context.registry.sessions
    decoding = context.scheduler.stats()
    lag, now_s = context.loop_lag, context.clock()
    guard, owed, log = context.guard, context.owed_text, context.audio_log
    info, current = context.models.current_info, context.models.current
    decodes = None if current is None else context.scheduler.health(current.id)
    for name, text, value in (
        ("sessions", "Sessions somebody is in", len(sessions)),
        ("handshakes_pending", "TCP connections without a handshake", guard.pending_handshakes),
        ("streams", "Audio connections that may send", sum(s.stream_count for s in sessions)),
        ("waiting_audio_seconds", "Audio in the finals that wait", decoding.waiting_audio_s),
        ("worker_load", "Busy share of the decode workers, 0 to 1", decoding.load),
        ("workers", "Decodes that can run at once", info.workers if info else 0),
        ("decode_threads_hanging", "In a decode", decodes.abandoned if decodes else 0),
        ("loop_lag_p99_seconds", "How late the loop runs", lag.percentile_ms(0.99) / 1_000),
        ("loop_lag_worst_seconds", "The worst since start", lag.worst_ms / 1_000),
        ("tasks", "Tasks of the loop", len(asyncio.all_tasks())),
        ("uptime_seconds", "Since start", now_s - context.started_s),
        ("ready", "1 while the server is ready, as /readyz says", float(not unready(context))),
        ("audio_logging", "1 while what is heard is written to disk", float(log is not None)),
        ("draining", "1 while the server ends", float(context.health.draining)),
        ("waiting_utterances", "Utterances that ended and have no text yet", owed.utterances),
        (
            "silence_seconds",
            "For how long somebody who has spoken has been told nothing",
            owed.longest_wait_s(now_s),
        ),
    ):
        yield GaugeMetricFamily(PREFIX + name, text, value=value)


def _labelled_gauges(context: Context) -> Iterator[Metric]:
    sessions, decoding = context.registry.sessions, context.scheduler.stats()
    clients = Counter(peer.port.value for session in sessions for peer in session.peers)
    of_port = GaugeMetricFamily(f"{PREFIX}clients", "Connections now", labels=["port"])
    yield _labelled(of_port, {port.value: clients[port.value] for port in Port})
    degraded = GaugeMetricFamily(f"{PREFIX}degraded", "1 while it is so", labels=["reason"])
    faults = context.health.faults
    yield _labelled(degraded, {fault.value: float(fault in faults) for fault in Fault})
    step = context.guard.load.step
    admission = GaugeMetricFamily(f"{PREFIX}admission", "1 for the step in force", labels=["step"])
    yield _labelled(admission, {each.value: float(each is step) for each in Step})
    waiting = GaugeMetricFamily(f"{PREFIX}waiting", "Decodes that wait", labels=["kind"])
    kinds = {"partial": decoding.waiting_partials, "final": decoding.waiting_finals}
    yield _labelled(waiting, kinds)
    info, current = context.models.current_info, context.models.current
    if info is not None and current is not None:
        model = {"id": current.id, "device": info.device, "compute_type": info.compute_type}
        yield InfoMetricFamily(f"{PREFIX}model", "The model that answers", value=model)


def _labelled(
    family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[str, float]
) -> Metric:
    for label, value in values.items():
        family.add_metric([label], value)
    return family


def _with_unit(name: str) -> str:
    for short, unit in UNITS.items():
        if name.endswith(short):
            return name.removesuffix(short) + unit
    return name
