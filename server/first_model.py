"""Which model answers first, and how the wanted one takes over."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from asr.calibration import Pace, warning
from asr.reports import ModelError
from asr.types import ModelSpec
from server.context import Context
from server.model_requests import load_unasked, tell_failure

logger = logging.getLogger(__name__)

POOR = "{} answers, and its Thai is poor"


class FirstModel:
    """Serves at once with what is on this machine, and with the wanted model when it is there.

    What a person should know of it is one of the server's notices, and only as long as it is true.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._notice: str | None = None

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
        if await models.is_ready(wanted.id):
            try:
                await models.load(wanted.id)
                return None
            except ModelError as error:
                tell_failure(error, self._context.registry.tell_control)
                await models.load(fallback.id)
                self._say(f"{POOR.format(fallback.id)}: {error.message}")
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

    async def follow(self, model_id: str) -> None:
        """Fetch the wanted model beside all else and let it answer; say how that went."""
        models = self._context.models
        answering = models.current
        assert answering is not None
        try:
            await load_unasked(self._context, model_id, lambda pace: _too_slow(model_id, pace))
        except ModelError as error:
            current = models.current
            if error.code in ("shutting_down", "superseded", "cancelled"):
                self._say(None)
            elif error.code == "too_slow":
                self._say(
                    f"{POOR.format(answering.id)}: {error.message}. It is on this machine now: "
                    "whoever wants it all the same loads it"
                )
            elif current is not None and current.id == answering.id:
                tell_failure(error, self._context.registry.tell_control)
                self._say(f"{POOR.format(answering.id)}: {error.message}")
        else:
            logger.info("%s answers from now on", model_id)
            self._say(None)

    def _say(self, notice: str | None) -> None:
        notices = self._context.notices
        if self._notice in notices:
            notices.remove(self._notice)
        self._notice = notice
        if notice is not None:
            logger.warning(notice)
            notices.append(notice)


def _too_slow(model_id: str, pace: Pace) -> str | None:
    return warning(model_id, pace)


def _embedded(catalogue: Iterable[ModelSpec]) -> ModelSpec | None:
    return next((spec for spec in catalogue if spec.embedded), None)
