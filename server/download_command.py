"""`--download ID`: fetch a model's files, with a bar."""

from __future__ import annotations

from server.settings import Settings


def download(model_id: str, settings: Settings) -> int:
    """Fetch a model of the catalogue (blocking). The exit status."""
    raise NotImplementedError(model_id, settings)
