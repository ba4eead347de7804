"""What one row of the settings table says of a setting."""

from __future__ import annotations

import dataclasses
from typing import Any

Value = str | int | float | bool


class SettingError(ValueError):
    """A value that a setting cannot take. The message names the setting and what it takes."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.problem = message


def row(
    default: Value,
    text: str,
    *,
    flag: bool = False,
    session: bool = False,
    gpu: Value | None = None,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    longest: int | None = None,
) -> Any:
    """One row. `session` settings are live and each session has its own value."""
    meta = {
        "help": text,
        "flag": flag,
        "session": session,
        "gpu": gpu,
        "choices": choices,
        "low": low,
        "high": high,
        "longest": longest,
    }
    return dataclasses.field(default=default, metadata=meta)
