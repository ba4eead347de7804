"""What clients ask of models, and what all of them hear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import UNSET

from asr.load_machine import LoadProgress
from asr.load_requests import Accept
from asr.loaded import LoadMeasurement
from asr.reports import LoadReport, ModelError, ModelListing
from asr.types import ModelState, PublishedScore
from server import protocol
from server.context import Context
from server.messages import ErrorEvent, LoadFigures, optional
from server.model_messages import (
    AvailableModels,
    LoadCancelled,
    ModelInfo,
    ModelLoaded,
    ModelPhase,
    ModelProgress,
    Score,
)
from server.peer import Peer
from server.protocol import ProtocolError
from server.shadow import ShadowError

logger = logging.getLogger(__name__)

MAX_PENDING_LOADS = 4

ASKED_IN_VAIN = frozenset(
    {"already_current", "busy", "cancelled", "no_shadow", "superseded", "unknown_model"}
)
"""Codes that say something of the request, and nothing of the server."""


class ModelRequests:
    """One control connection's requests about models."""

    def __init__(self, context: Context, peer: Peer) -> None:
        self._context = context
        self._peer = peer
        self._pending: set[asyncio.Task[None]] = set()
        """Asked for here and not answered yet; the application owns them."""

    def load(self, request: protocol.LoadModel) -> None:
        """Begin to load a model; the answer follows. Raises ProtocolError."""
        self._check_known(request.model_id, request.request_id)
        load = self._shadow if request.shadow else self._load
        self._spawn(load(request.model_id, request.request_id), request.request_id)

    def end_shadow(self, request: protocol.EndShadow) -> None:
        """End a shadow run; every control connection hears how. Raises ProtocolError."""
        self._spawn(
            self._end_shadow(request.model_id, request.keep, request.request_id),
            request.request_id,
        )

    async def cancel(self, request: protocol.CancelLoad) -> None:
        """Stop fetching a model. Raises ProtocolError where it is not being fetched."""
        self._check_known(request.model_id, request.request_id)
        if not await self._context.models.cancel(request.model_id):
            raise ProtocolError(
                "not_fetching", f"{request.model_id} is not being fetched", request.request_id
            )
        self._peer.send(
            LoadCancelled(model_id=request.model_id, request_id=optional(request.request_id))
        )

    async def list(self, request: protocol.GetModels) -> None:
        """Send the catalogue."""
        listings = await self._context.models.listing()
        current = self._context.models.current
        models = [
            _model_info(listing, current is not None and listing.spec.id == current.id)
            for listing in listings
        ]
        self._peer.send(AvailableModels(models=models, request_id=optional(request.request_id)))

    def _check_known(self, model_id: str, request_id: str | None) -> None:
        catalogue = self._context.models.catalogue
        if model_id not in catalogue:
            known = ", ".join(catalogue)
            raise ProtocolError(
                "unknown_model",
                f"no model {model_id[:60]!r} in the catalogue; there are: {known}",
                request_id,
            )

    def _spawn(self, work: Coroutine[Any, Any, None], request_id: str | None) -> None:
        self._pending = {task for task in self._pending if not task.done()}
        if len(self._pending) >= MAX_PENDING_LOADS:
            work.close()
            raise ProtocolError("busy", "this connection waits for other models", request_id)
        self._pending.add(self._context.tasks.spawn(work, name=f"models of {self._peer.id}"))

    async def _shadow(self, model_id: str, request_id: str | None) -> None:
        try:
            started = await self._context.shadow.start(model_id)
        except (ModelError, ShadowError) as error:
            tell_failure(error, self._peer.send, request_id)
            return
        self._peer.send(msgspec.structs.replace(started, request_id=optional(request_id)))
        self._context.registry.tell_control(started, but=self._peer)

    async def _end_shadow(self, model_id: str, keep: bool, request_id: str | None) -> None:
        try:
            await self._context.shadow.end(model_id, keep)
        except (ModelError, ShadowError) as error:
            tell_failure(error, self._peer.send, request_id)
            return
        if keep:
            await self._load(model_id, request_id)

    async def _load(self, model_id: str, request_id: str | None) -> None:
        try:
            report = await self._context.models.load(model_id)
        except ModelError as error:
            tell_failure(error, self._peer.send, request_id)
            return
        self._context.shadow.model_changed()
        self._peer.send(_loaded(report, request_id))
        self._context.registry.tell_of_model(_loaded(report), but=self._peer)


async def load_unasked(context: Context, model_id: str, accept: Accept | None) -> None:
    """Load a model that nobody asked for and tell everybody. Raises ModelError, told nobody."""
    report = await context.models.load(model_id, accept)
    context.shadow.model_changed()
    context.registry.tell_of_model(_loaded(report), but=None)


def tell_failure(
    error: ModelError | ShadowError,
    say: Callable[[ErrorEvent], None],
    request_id: str | None = None,
) -> None:
    """Say that a model does not answer, and why."""
    level = logging.INFO if error.code in ASKED_IN_VAIN else logging.ERROR
    logger.log(level, "Error: %s", error.message)
    say(ErrorEvent(code=error.code, message=error.message, request_id=optional(request_id)))


def model_progress(progress: LoadProgress) -> ModelProgress:
    """The event that tells how far a model is."""
    transfer = progress.transfer
    left_s = transfer.left_s if transfer else None
    bytes_per_s = transfer.bytes_per_s if transfer else None
    total_bytes = transfer.total_bytes if transfer else None
    return ModelProgress(
        model_id=progress.model_id,
        phase=ModelPhase(progress.phase.value),
        done_bytes=UNSET if transfer is None else transfer.done_bytes,
        total_bytes=UNSET if total_bytes is None else total_bytes,
        bytes_per_s=UNSET if bytes_per_s is None else round(bytes_per_s),
        left_s=UNSET if left_s is None else round(left_s, 1),
        message=optional(progress.message),
        code=optional(progress.code),
    )


def load_figures(measurement: LoadMeasurement) -> LoadFigures:
    """What a load took, for clients."""
    return LoadFigures(
        load_s=round(measurement.load_s, 2),
        warm_up_s=round(measurement.warm_up_s, 3),
        memory_mb=UNSET if measurement.memory_mb is None else measurement.memory_mb,
        rtf=UNSET if measurement.rtf is None else round(measurement.rtf, 4),
    )


def _loaded(report: LoadReport, request_id: str | None = None) -> ModelLoaded:
    return ModelLoaded(
        model_id=report.spec.id,
        load_s=round(report.measurement.load_s, 2),
        load_figures=load_figures(report.measurement),
        request_id=optional(request_id),
    )


def _score(score: PublishedScore) -> Score:
    return Score(
        metric=score.metric, value=score.value, test_set=score.test_set, source=score.source
    )


def _model_info(listing: ModelListing, current: bool) -> ModelInfo:
    spec, measurement = listing.spec, listing.measurement
    return ModelInfo(
        id=spec.id,
        name=spec.name,
        language=spec.language,
        description=spec.description,
        performance_tier=spec.tier,
        recommended=spec.recommended,
        repo=spec.repo,
        licence=spec.licence,
        terms=spec.terms or UNSET,
        prompt_allowed=spec.prompt_allowed,
        state=listing.state.value,
        on_disk=listing.state not in (ModelState.REMOTE, ModelState.FETCHING),
        current=current,
        vram_mb=UNSET if spec.vram_mb is None else spec.vram_mb,
        size_mb=UNSET if listing.size_mb is None else listing.size_mb,
        scores=[_score(score) for score in spec.scores] or UNSET,
        load_figures=UNSET if measurement is None else load_figures(measurement),
    )
