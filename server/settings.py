"""Every setting of the server in one table: the fields of `Settings`.

A field's metadata says all that flags, variables, the config file, `update_config` and
docs/configuration.md need to know of it. Sources, later ones win: default, config file (TOML),
`THAI_ASR_*` variables, flags.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asr.glossary import LONGEST as LONGEST_GLOSSARY
from asr.types import Profile
from audio.types import FrontendConfig, NoiseReduction, VadKind

Value = str | int | float | bool

ENV_PREFIX = "THAI_ASR_"

AUTO_PROFILE = "auto"
"""The profile is chosen by measurement."""

LONGEST_MIN_SPEECH_MS = 5_000
"""How long speech may go unrecognised until there is enough of it; a recogniser keeps that much."""


class SettingError(ValueError):
    """A value that a setting cannot take. The message names the setting and what it takes."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.problem = message


def _set(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings. Field order is the order of `--help` and the documentation."""

    # where it listens
    host: str = _set("localhost", "address to listen on; localhost is 127.0.0.1 and ::1", flag=True)
    control_port: int = _set(
        8765, "control port and page; 0 picks a free one", flag=True, low=0, high=65535
    )
    audio_port: int = _set(8766, "audio port; 0 picks a free one", flag=True, low=0, high=65535)
    shared_default: bool = _set(
        False,
        "beyond this machine too, connections that name no session share `default`",
        flag=True,
    )
    open: bool = _set(False, "open the page in the browser once the server is ready", flag=True)
    # model
    model: str = _set(
        "biodatlab-medium-faster", "model id of the catalogue to answer with", flag=True
    )
    model_path: str = _set(
        "",
        "folder of a model on this machine: it joins the catalogue as `local`, and is the one to "
        "answer with unless `model` names another; empty for none",
        flag=True,
    )
    models_file: str = _set("models.yaml", "the model catalogue", flag=True)
    device: str = _set("auto", "where the model runs", flag=True, choices=("auto", "cpu", "cuda"))
    compute_type: str = _set(
        "auto",
        "weights and arithmetic: auto, float16, int8, int8_float16, float32 ...",
        flag=True,
        gpu="float16",
    )
    offline: bool = _set(False, "never reach out for a model", flag=True)
    profile: str = _set(
        AUTO_PROFILE,
        "how much work a final may cost; auto is measured, once for each machine and model",
        flag=True,
        choices=(AUTO_PROFILE, *(p.value for p in Profile)),
    )
    remeasure: bool = _set(
        False, "measure this machine again, whatever was measured before", flag=True
    )
    num_workers: int = _set(
        0,
        "decodes at the same time; 0 is chosen from the machine",
        flag=True,
        gpu=4,
        low=0,
        high=64,
    )
    batch_size: int = _set(
        0,
        "utterances in one decode; 0 is chosen from the machine",
        flag=True,
        gpu=8,
        low=0,
        high=64,
    )
    gpu_memory_fraction: float = _set(
        0.8,
        "part of the memory that models may take together: the GPU's, or on a CPU the machine's "
        "(a rule of admission)",
        low=0.1,
        high=1.0,
    )
    keep_model_s: float = _set(
        120.0,
        "a model that answers no more stays in memory for this long, to switch back at once",
        low=0.0,
        high=86_400.0,
    )
    cache_dir: str = _set(
        "",
        "where models made on this machine, and its measured speed, are kept; "
        "empty is the user's cache",
    )
    # log
    log_level: str = _set(
        "info", "how much is logged", flag=True, choices=("debug", "info", "warning", "error")
    )
    log_file: str = _set("server.log", "log file, rotated; empty for none", flag=True)
    # audio as sent, before any audio_config
    sample_rate: int = _set(
        16_000, "samples a second before any audio_config", low=8_000, high=96_000
    )
    channels: int = _set(1, "channels before any audio_config", low=1, high=2)
    audio_format: str = _set(
        "pcm16", "encoding before any audio_config", choices=("pcm16", "float32", "mulaw", "alaw")
    )
    chunk_size: int = _set(
        1024,
        "samples in a client's chunk, and the unit of "
        "silence_threshold and min_speech_chunks; 512 for less delay",
        low=64,
        high=16_384,
    )
    # finding speech
    vad: str = _set(
        "silero", "voice detector", session=True, choices=tuple(v.value for v in VadKind)
    )
    speech_threshold: float = _set(
        0.5, "silero: probability from which it is speech", session=True, low=0.05, high=0.95
    )
    vad_threshold: float = _set(
        0.02, "energy: RMS from which it is speech", session=True, low=0.0001, high=1.0
    )
    silence_threshold: int = _set(
        30, "energy: chunks of silence that end an utterance", session=True, low=1, high=500
    )
    min_speech_chunks: int = _set(
        20,
        "energy: chunks of speech that make an utterance (5 s at most)",
        session=True,
        low=1,
        high=500,
    )
    min_speech_ms: int = _set(
        200,
        "silero: speech that makes an utterance",
        session=True,
        low=32,
        high=LONGEST_MIN_SPEECH_MS,
    )
    end_silence_ms: int = _set(
        500, "silero: silence that ends an utterance", session=True, low=200, high=5_000
    )
    pre_roll_ms: int = _set(
        300,
        "audio before the first sound that belongs to an utterance",
        session=True,
        low=0,
        high=2_000,
    )
    soft_end_ms: int = _set(
        12_000,
        "from this length a short pause ends an utterance",
        session=True,
        low=3_000,
        high=25_000,
    )
    hard_end_ms: int = _set(
        15_000, "at this length an utterance is split", session=True, low=4_000, high=28_000
    )
    overlap_ms: int = _set(
        200, "audio heard again after a split; text said twice is removed", low=0, high=1_000
    )
    noise_reduction: str = _set(
        "vad",
        "where denoised audio goes: nowhere, to the detector, or to the recogniser too",
        session=True,
        choices=tuple(n.value for n in NoiseReduction),
    )
    # text
    glossary: str = _set(
        "",
        "names and English words that are likely to come, with spaces between; for models that "
        "take a prompt (docs/models.md)",
        session=True,
        longest=LONGEST_GLOSSARY,
    )
    # partials
    first_partial_ms: int = _set(
        250, "speech before the first partial, from its detection", low=100, high=5_000
    )
    partial_interval_ms: int = _set(1_000, "speech between partials", low=200, high=10_000)
    # bounds
    max_audio_message_bytes: int = _set(
        1_048_576, "largest message on the audio port", low=4_096, high=67_108_864
    )
    max_control_message_bytes: int = _set(
        262_144, "largest message on the control port", low=1_024, high=16_777_216
    )
    inbox_audio_s: float = _set(
        4.0, "audio of one stream that waits before its sender does", low=0.5, high=60.0
    )
    wire_partial_s: float = _set(
        1.0, "nothing on the wire in mid-utterance: a partial after this", low=0.1, high=60.0
    )
    wire_final_s: float = _set(
        2.0, "nothing on the wire in mid-utterance: its final after this", low=0.2, high=600.0
    )
    drain_s: float = _set(5.0, "longest wait for finals at shutdown", low=0.0, high=600.0)

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
        raise SettingError(name, "no such setting")
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
