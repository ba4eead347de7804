"""What the server says of itself: `server_status` and `statistics`."""

from __future__ import annotations

import asyncio

from msgspec import UNSET, UnsetType

from asr.calibration import Pace, warning
from server.audio_log_setting import notices_of
from server.context import Context
from server.messages import MeasuredCosts, ServerStatus, optional
from server.model_requests import load_figures
from server.registry import Session


def server_status(context: Context, session: Session, request_id: str | None) -> ServerStatus:
    """The server and the asker's session, now."""
    info = context.models.current_info
    current = context.models.current
    pace, measurement = context.models.current_pace, context.models.current_measurement
    waiting = context.scheduler.stats()
    latency_ms = context.final_latencies.median_ms()
    sessions = context.registry.sessions
    return ServerStatus(
        current_model=current.id if current else "",
        device=info.device if info else "",
        compute_type=info.compute_type if info else "",
        profile=pace.profile.value if pace else "",
        profile_setting=context.settings.profile,
        partial_interval_ms=pace.partial_interval_ms if pace else 0,
        workers=info.workers if info else 0,
        batch_size=info.max_batch if info else 0,
        ready=info is not None,
        uptime_s=round(context.clock() - context.started_s, 1),
        sessions=len(sessions),
        streams=sum(s.stream_count for s in sessions),
        clients=sum(len(s.peers) for s in sessions),
        recording_state=session.core.state.value,
        waiting_partials=waiting.waiting_partials,
        waiting_finals=waiting.waiting_finals,
        waiting_audio_s=round(waiting.waiting_audio_s, 2),
        notices=notices(context),
        load=round(waiting.load, 2),
        admission=context.guard.load.step.value,
        limits_reached=context.guard.reached(),
        refusals=context.guard.refusals(),
        final_latency_ms=UNSET if latency_ms is None else latency_ms,
        measured=_measured(pace),
        load_figures=UNSET if measurement is None else load_figures(measurement),
        request_id=optional(request_id),
    )


def notices(context: Context) -> list[str]:
    """What a person should know, of the server and of the model that answers."""
    current, pace = context.models.current, context.models.current_pace
    too_slow = warning(current.id, pace) if current and pace else None
    return [
        *notices_of(context.settings, context.audio_log),
        *context.notices,
        *context.health.faults.values(),
        *([too_slow] if too_slow else []),
    ]


def unready(context: Context) -> str:
    """Why nobody is to be sent here now, in words; empty where the server is ready."""
    if context.health.draining:
        return "draining"
    if context.models.current is None:
        return "no model loaded yet"
    faults = "; ".join(context.health.faults.values())
    return f"degraded: {faults}" if faults else ""


def _measured(pace: Pace | None) -> MeasuredCosts | UnsetType:
    costs = pace.costs if pace else None
    if costs is None:
        return UNSET
    return MeasuredCosts(
        partial_s=round(costs.partial_s, 3),
        accurate_s=_seconds(costs.accurate_s),
        batch_s=_seconds(costs.batch_s),
    )


def _seconds(value: float | None) -> float | UnsetType:
    return UNSET if value is None else round(value, 3)


def merged_events(context: Context) -> int:
    """Events of which a newer one took the place, for their client did not read them in time."""
    peers = [peer for session in context.registry.sessions for peer in session.peers]
    left = context.statistics.snapshot().get("events_merged", 0.0)
    return round(left) + sum(peer.outbox.merged for peer in peers)


def statistics_snapshot(context: Context) -> dict[str, float]:
    """The server's counters with the scheduler's."""
    waiting = context.scheduler.stats()
    return {
        **context.statistics.snapshot(),
        "tasks": len(asyncio.all_tasks()),
        "decode_batches": waiting.batches,
        "decode_items": waiting.items,
        "decode_failures": waiting.failed,
        "decode_busy_s": round(waiting.busy_s, 3),
        "partials_dropped": sum(waiting.dropped.values()),
        "partials_merged_for_slow_clients": merged_events(context),
        "handshakes_pending": context.guard.pending_handshakes,
        "loop_lag_p99_ms": round(context.loop_lag.percentile_ms(0.99), 2),
        "loop_lag_worst_ms": round(context.loop_lag.worst_ms, 2),
    }
