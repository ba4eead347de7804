"""`--convert ID`: make a model ready for CTranslate2, with a bar."""

from __future__ import annotations

from server.settings import Settings


def convert(model_id: str, settings: Settings) -> int:
    """Convert a model of the catalogue (blocking). The exit status."""
    raise NotImplementedError(model_id, settings)
