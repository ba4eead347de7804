"""The control port: one handler per connection, one method per request."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable

from msgspec import UNSET
from websockets.asyncio.server import ServerConnection

from asr.load_machine import LoadProgress
from asr.models import ModelError, ModelListing
from asr.types import ModelState, PublishedScore
from server import protocol
from server.context import Context
from server.messages import (
    AvailableModels,
    ConfigEvent,
    ConfigUpdated,
    Connected,
    ErrorEvent,
    ModelInfo,
    ModelLoaded,
    ModelPhase,
    ModelProgress,
    Pong,
    Score,
    Statistics,
    optional,
)
from server.peer import Peer, Role
from server.presenter import timestamp
from server.protocol import ProtocolError
from server.registry import Session
from server.settings import SESSION_SETTINGS, SettingError
from server.status import server_status, statistics_snapshot

logger = logging.getLogger(__name__)

MAX_PENDING_LOADS = 4

PRIVATE_SETTINGS = ("models_file", "cache_dir", "log_file")
"""Paths of the server's machine are nobody else's business."""


def connected_event(context: Context, session: Session, peer: Peer) -> Connected:
    """The first event of a connection. `current_model` is the one that really answers."""
    current = context.models.current
    settings = context.settings
    return Connected(
        current_model=current.id if current else "",
        session_id=session.id,
        audio_port=context.ports.audio,
        control_port=context.ports.control,
        role=peer.role.value,
        limits=context.limits(),
        sample_rate=settings.sample_rate,
        chunk_size=settings.chunk_size,
        channels=settings.channels,
        audio_format=settings.audio_format,
        finals=peer.finals.value,
    )


class ControlConnection:
    """One control connection of one session."""

    def __init__(self, context: Context, session: Session, peer: Peer) -> None:
        self._context = context
        self._session = session
        self._peer = peer
        self._loads: set[asyncio.Task[None]] = set()
        """Asked for here and not answered yet; the application owns them."""

    async def serve(self, socket: ServerConnection) -> None:
        """Answer requests until the client is gone."""
        self._peer.send(connected_event(self._context, self._session, self._peer))
        async for message in socket:
            await self._on_message(message)
            await asyncio.sleep(0)  # a client that floods must not starve the others

    async def _on_message(self, message: str | bytes) -> None:
        try:
            await self._answer(protocol.parse_control(message))
        except ProtocolError as error:
            self._context.statistics.add("control_messages_refused")
            self._error(error.code, error.message, error.request_id)

    async def _answer(self, request: protocol.ControlRequest) -> None:
        changes = isinstance(
            request,
            protocol.LoadModel
            | protocol.StartRecording
            | protocol.StopRecording
            | protocol.UpdateConfig,
        )
        if changes and self._peer.role is Role.VIEWER:
            raise ProtocolError("forbidden", "a viewer only listens", request.request_id)
        match request:
            case protocol.LoadModel():
                self._load_model(request)
            case protocol.GetModels():
                await self._get_models(request)
            case protocol.StartRecording():
                self._session.start(request.request_id)
            case protocol.StopRecording():
                self._session.stop(request.request_id)
            case protocol.GetStatus():
                self._peer.send(server_status(self._context, self._session, request.request_id))
            case protocol.GetConfig():
                self._get_config(request)
            case protocol.UpdateConfig():
                self._update_config(request)
            case protocol.GetStatistics():
                counters = statistics_snapshot(self._context)
                self._peer.send(
                    Statistics(counters=counters, request_id=optional(request.request_id))
                )
            case protocol.Ping():
                now = timestamp(self._context.wall_clock())
                self._peer.send(Pong(timestamp=now, request_id=optional(request.request_id)))

    # -- models -------------------------------------------------------------------------------

    def _load_model(self, request: protocol.LoadModel) -> None:
        if request.model_id not in self._context.models.catalogue:
            known = ", ".join(self._context.models.catalogue)
            raise ProtocolError(
                "unknown_model",
                f"no model {request.model_id[:60]!r} in the catalogue; there are: {known}",
                request.request_id,
            )
        self._loads = {task for task in self._loads if not task.done()}
        if len(self._loads) >= MAX_PENDING_LOADS:
            raise ProtocolError(
                "busy", "this connection waits for other models already", request.request_id
            )
        self._loads.add(
            self._context.tasks.spawn(
                load_model(self._context, request.model_id, self._peer, request.request_id),
                name=f"load {request.model_id}",
            )
        )

    async def _get_models(self, request: protocol.GetModels) -> None:
        listings = await self._context.models.listing()
        current = self._context.models.current
        models = [
            _model_info(listing, current is not None and listing.spec.id == current.id)
            for listing in listings
        ]
        self._peer.send(AvailableModels(models=models, request_id=optional(request.request_id)))

    # -- settings -----------------------------------------------------------------------------

    def _get_config(self, request: protocol.GetConfig) -> None:
        self._peer.send(
            ConfigEvent(
                settings={
                    name: value
                    for name, value in dataclasses.asdict(self._session.settings).items()
                    if name not in PRIVATE_SETTINGS
                },
                live=list(SESSION_SETTINGS),
                request_id=optional(request.request_id),
            )
        )

    def _update_config(self, request: protocol.UpdateConfig) -> None:
        for name in request.settings:
            if name in self._context.settings.names() and name not in SESSION_SETTINGS:
                raise ProtocolError(
                    "not_live",
                    f"{name} belongs to the server; it takes a restart with another value",
                    request.request_id,
                )
        try:
            self._session.change(request.settings)
        except SettingError as error:
            raise ProtocolError("bad_setting", str(error), request.request_id) from error
        self._session.broadcast(
            ConfigUpdated(settings=dict(request.settings), request_id=optional(request.request_id))
        )

    def _error(self, code: str, message: str, request_id: str | None) -> None:
        self._peer.send(ErrorEvent(code=code, message=message, request_id=optional(request_id)))


async def load_model(
    context: Context, model_id: str, asker: Peer | None, request_id: str | None
) -> None:
    """Load a model, tell the asker and every control connection how it went."""
    say: Callable[[ErrorEvent], None] = asker.send if asker else context.registry.tell_control
    try:
        report = await context.models.load(model_id)
    except ModelError as error:
        logger.error("Error: %s", error.message)
        say(ErrorEvent(code=error.code, message=error.message, request_id=optional(request_id)))
        return
    loaded = ModelLoaded(model_id=model_id, load_s=round(report.load_s, 2))
    if asker is not None:
        asker.send(
            ModelLoaded(
                model_id=model_id,
                load_s=round(report.load_s, 2),
                request_id=optional(request_id),
            )
        )
    context.registry.tell_of_model(loaded, but=asker)


def model_progress(progress: LoadProgress) -> ModelProgress:
    """The event that tells of a load's phase."""
    return ModelProgress(
        model_id=progress.model_id,
        phase=ModelPhase(progress.phase.value),
        message=optional(progress.message),
    )


def _score(score: PublishedScore) -> Score:
    return Score(
        metric=score.metric, value=score.value, test_set=score.test_set, source=score.source
    )


def _model_info(listing: ModelListing, current: bool) -> ModelInfo:
    spec = listing.spec
    return ModelInfo(
        id=spec.id,
        name=spec.name,
        language=spec.language,
        description=spec.description,
        performance_tier=spec.tier,
        recommended=spec.recommended,
        repo=spec.repo,
        licence=spec.licence,
        state=listing.state.value,
        on_disk=listing.state is not ModelState.REMOTE,
        current=current,
        vram_mb=UNSET if spec.vram_mb is None else spec.vram_mb,
        size_mb=UNSET if listing.size_mb is None else listing.size_mb,
        scores=[_score(score) for score in spec.scores] or UNSET,
    )
