"""What the server says of itself: `server_status` and `statistics`."""

from __future__ import annotations

from server.context import Context
from server.messages import ServerStatus, optional
from server.registry import Session


def server_status(context: Context, session: Session, request_id: str | None) -> ServerStatus:
    """The server and the asker's session, now."""
    info = context.models.current_info
    current = context.models.current
    waiting = context.scheduler.stats()
    sessions = context.registry.sessions
    return ServerStatus(
        current_model=current.id if current else "",
        device=info.device if info else "",
        compute_type=info.compute_type if info else "",
        profile=context.settings.profile,
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
        notices=list(context.notices),
        request_id=optional(request_id),
    )


def statistics_snapshot(context: Context) -> dict[str, float]:
    """The server's counters with the scheduler's."""
    waiting = context.scheduler.stats()
    merged = sum(
        peer.outbox.merged for session in context.registry.sessions for peer in session.peers
    )
    return {
        **context.statistics.snapshot(),
        "decode_batches": waiting.batches,
        "decode_items": waiting.items,
        "decode_failures": waiting.failed,
        "decode_busy_s": round(waiting.busy_s, 3),
        "partials_dropped": sum(waiting.dropped.values()),
        "partials_merged_for_slow_clients": merged,
        "loop_lag_p99_ms": round(context.loop_lag.percentile_ms(0.99), 2),
        "loop_lag_worst_ms": round(context.loop_lag.worst_ms, 2),
    }
