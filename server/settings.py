"""Every setting of the server in one table: the fields of `Settings`.

Its rows stand in the `settings_*` modules, by subject. A field's metadata says all that flags,
variables, the config file, `update_config` and docs/configuration.md need to know of it. Sources,
later ones win: default, config file (TOML), `THAI_ASR_*` variables, flags.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audio.types import FrontendConfig, NoiseReduction, VadKind
from server.setting_rows import SettingError, Value
from server.settings_access import AccessSettings
from server.settings_admission import AdmissionSettings
from server.settings_limits import LimitSettings
from server.settings_listening import ListeningSettings
from server.settings_models import ModelSettings
from server.settings_speech import LONGEST_MIN_SPEECH_MS, SpeechSettings
from server.settings_watching import WatchingSettings

ENV_PREFIX = "THAI_ASR_"


@dataclass(frozen=True, kw_only=True)
class Settings(
    WatchingSettings,
    AdmissionSettings,
    LimitSettings,
    SpeechSettings,
    ModelSettings,
    AccessSettings,
    ListeningSettings,
):
    """The server's settings; `--help` and the documentation begin with the last base."""

    def frontend(self) -> FrontendConfig:
        """What these settings mean for a stream's front end."""
        kind = VadKind(self.vad)
        energy = kind is VadKind.ENERGY
        chunk_ms = self.chunk_size * 1000 / self.sample_rate
        return FrontendConfig(
            vad=kind,
            silero_on=self.speech_threshold,
            silero_off=max(0.01, self.speech_threshold - 0.15),
            energy_threshold=self.vad_threshold,
            min_speech_ms=min(LONGEST_MIN_SPEECH_MS, round(self.min_speech_chunks * chunk_ms))
            if energy
            else self.min_speech_ms,
            end_silence_ms=max(200, round(self.silence_threshold * chunk_ms))
            if energy
            else self.end_silence_ms,
            pre_roll_ms=self.pre_roll_ms,
            soft_end_ms=min(self.soft_end_ms, self.hard_end_ms),
            hard_end_ms=self.hard_end_ms,
            noise_reduction=NoiseReduction(self.noise_reduction),
        )

    @staticmethod
    def names() -> tuple[str, ...]:
        """Every setting's name, in order."""
        return tuple(_FIELDS)

    def changed(self, changes: Mapping[str, object]) -> Settings:
        """These settings with changes, each checked. Raises SettingError for the first bad one."""
        checked: dict[str, Any] = {name: check(name, value) for name, value in changes.items()}
        return dataclasses.replace(self, **checked)


_FIELDS = {field.name: field for field in dataclasses.fields(Settings)}

SESSION_SETTINGS = tuple(name for name, f in _FIELDS.items() if f.metadata["session"])
"""Live, one value per session; the others are the server's and take a restart."""


def field_of(name: str) -> dataclasses.Field[Any]:
    """The row of a setting. Raises SettingError for a name that is none."""
    if name not in _FIELDS:
        raise SettingError(f"{name:.60}", "no such setting")
    return _FIELDS[name]


def check(name: str, value: object) -> Value:
    """The value as the setting's type, within its bounds. Raises SettingError."""
    row = field_of(name)
    kind: type = type(row.default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise SettingError(name, f"takes {_kind_name(kind)}, not {value!r:.60}")
    if row.metadata["choices"] and value not in row.metadata["choices"]:
        raise SettingError(name, f"takes one of {', '.join(row.metadata['choices'])}")
    longest = row.metadata["longest"]
    if isinstance(value, str) and longest is not None and len(value) > longest:
        raise SettingError(name, f"takes at most {longest} characters, not {len(value)}")
    low, high = row.metadata["low"], row.metadata["high"]
    if isinstance(value, int | float) and low is not None and not low <= value <= high:
        raise SettingError(name, f"takes {low} to {high}, not {value!s:.60}")
    assert isinstance(value, str | int | float | bool)
    return float(value) if kind is float else value


def parse(name: str, text: str) -> Value:
    """A setting's value from text (a flag or a variable). Raises SettingError."""
    kind: type = type(field_of(name).default)
    try:
        if kind is bool:
            return check(name, _BOOLS[text.strip().lower()])
        return check(name, kind(text))
    except (KeyError, ValueError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(name, f"takes {_kind_name(kind)}, not {text!r:.60}") from error


_BOOLS: Mapping[str, bool] = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _kind_name(kind: type) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}[kind]
