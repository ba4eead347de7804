"""The control port: one handler per connection, one method per request."""

from __future__ import annotations

import asyncio
import dataclasses
import logging

from websockets.asyncio.server import ServerConnection

from server import protocol
from server.context import Context
from server.messages import (
    ConfigEvent,
    ConfigUpdated,
    ErrorEvent,
    Pong,
    Statistics,
    optional,
)
from server.model_requests import ModelRequests
from server.peer import Peer
from server.permissions import objection
from server.presenter import timestamp
from server.protocol import ProtocolError
from server.registry import Session
from server.setting_rows import SettingError
from server.settings import SESSION_SETTINGS
from server.settings_access import NETWORKS, PATHS
from server.status import server_status, statistics_snapshot

logger = logging.getLogger(__name__)

PRIVATE_SETTINGS = ("models_file", "model_path", "cache_dir", "log_file", *PATHS, *NETWORKS)
"""Paths of the server's machine, and its network, are nobody else's business."""


class ControlConnection:
    """One control connection of one session."""

    def __init__(self, context: Context, session: Session, peer: Peer) -> None:
        self._context = context
        self._session = session
        self._peer = peer
        self._models = ModelRequests(context, peer)

    async def serve(self, socket: ServerConnection) -> None:
        """Answer requests until the client is gone."""
        async for message in socket:
            await self._on_message(message)
            await asyncio.sleep(0)  # a client that floods must not starve the others

    async def _on_message(self, message: str | bytes) -> None:
        try:
            request = protocol.parse_control(message)
            with self._context.log_ids.about(request=request.request_id):
                await self._answer(request)
        except ProtocolError as error:
            self._context.statistics.add("control_messages_refused")
            if self._context.guard.answers(self._peer.id):
                self._error(error.code, error.message, error.request_id)

    async def _answer(self, request: protocol.ControlRequest) -> None:
        why_not = objection(request, self._peer.role, guarded=self._context.access.guarded)
        if why_not is not None:
            raise ProtocolError("forbidden", why_not, request.request_id)
        match request:
            case protocol.LoadModel():
                self._models.load(request)
            case protocol.CancelLoad():
                await self._models.cancel(request)
            case protocol.EndShadow():
                self._models.end_shadow(request)
            case protocol.GetModels():
                await self._models.list(request)
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
        self._context.statistics.add(f"errors_{code}")
        self._peer.send(ErrorEvent(code=code, message=message, request_id=optional(request_id)))
