"""Which model answers first, and how the wanted one takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from functools import partial

from asr.calibration import warning
from asr.load_requests import Accept
from asr.reports import ModelError
from asr.types import ModelSpec
from server.context import Context
from server.model_requests import load_unasked, tell_failure

logger = logging.getLogger(__name__)

GIVEN_UP = ("shutting_down", "superseded", "cancelled")
"""Somebody wanted otherwise."""

PASSING = ("no_network", "hub_unavailable")
"""Another time it may work."""

POOR = "{} answers, and its Thai is poor"


class FirstModel:
    """Serves at once with what is on this machine, and with the wanted model when it is there.

    What a person should know of it is one of the server's notices, and only as long as it is true.
    A model that the operator `named` gets its turn even where it is too slow.
    """

    def __init__(self, context: Context, *, named: bool) -> None:
        self._context = context
        self._named = named
        self._retry_s = context.settings.fetch_retry_s
        self._notice: str | None = None
        self._told = ""

    async def load(self) -> str | None:
        """Load what can answer at once; the id of the wanted model if that is still to come.

        Raises ModelError where nothing can answer.
        """
        models, settings = self._context.models, self._context.settings
        wanted = models.catalogue.get(settings.model)
        if wanted is None:
            known = ", ".join(models.catalogue)
            raise ModelError(
                "unknown_model", f"no model {settings.model!r} in the catalogue: {known}"
            )
        fallback = _embedded(models.catalogue.values())
        if fallback is None or fallback.id == wanted.id:
            await models.load(wanted.id)
            return None
        if await self._is_ready(wanted.id):
            try:
                await models.load(wanted.id, self._unless_too_slow(wanted.id))
            except ModelError as error:
                await models.load(fallback.id)
                self._explain(error, fallback)
            return None
        await models.load(fallback.id)
        if settings.offline:
            self._say(
                f"{POOR.format(fallback.id)}: {wanted.id} is not on this machine, and --offline "
                "says not to fetch it"
            )
            return None
        self._say(
            f"{POOR.format(fallback.id)}, until {wanted.id} is here: it is being fetched "
            "(--offline never does)"
        )
        return wanted.id

    async def _is_ready(self, model_id: str) -> bool:
        """Whether it can be loaded at once; where that cannot be told, fetching will."""
        try:
            return await self._context.models.is_ready(model_id)
        except ModelError as error:
            logger.warning(error.message)
            return False

    def _unless_too_slow(self, model_id: str) -> Accept | None:
        """The rule for a model that nobody named: it must not take over where it is too slow."""
        return None if self._named else partial(warning, model_id)

    async def follow(self, model_id: str) -> None:
        """Fetch the wanted model beside all else and let it answer; say how that went.

        Where there is no network it is tried again every now and then, until somebody chooses.
        """
        models = self._context.models
        answering = models.current
        while models.current is answering:
            try:
                await load_unasked(self._context, model_id, self._unless_too_slow(model_id))
            except ModelError as error:
                if not self._explain(error, answering):
                    return
                await asyncio.sleep(self._retry_s)
            else:
                logger.info("%s answers from now on", model_id)
                break
        self._say(None)

    def _explain(self, error: ModelError, answering: ModelSpec | None) -> bool:
        """Say why the wanted model does not answer; True if it is to be tried again."""
        if error.code in GIVEN_UP:
            self._say(None)
            return False
        assert answering is not None
        words = f"{POOR.format(answering.id)}: {error.message}"
        if error.code == "too_slow":
            words += ". It is on this machine now: whoever wants it all the same loads it"
        elif error.message != self._told:  # told once, however often it is tried
            self._told = error.message
            tell_failure(error, self._context.registry.tell_control)
        again = error.code in PASSING and self._retry_s > 0
        if again:
            words += f" (tried again every {self._retry_s:.0f} s)"
        self._say(words)
        return again

    def _say(self, notice: str | None) -> None:
        notices = self._context.notices
        if self._notice in notices:
            notices.remove(self._notice)
        self._notice = notice
        if notice is not None:
            logger.warning(notice)
            notices.append(notice)


def _embedded(catalogue: Iterable[ModelSpec]) -> ModelSpec | None:
    return next((spec for spec in catalogue if spec.embedded), None)
