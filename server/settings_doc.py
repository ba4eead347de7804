"""Writes docs/configuration.md from the settings table.

`python -m server.settings_doc > docs/configuration.md`; a test checks that it is up to date.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from typing import Any

from server.settings import ENV_PREFIX, Settings

HEAD = """\
# Configuration

Made from the tables in `server/settings_*.py` by
`python -m server.settings_doc > docs/configuration.md`.

Every setting can stand in a TOML file (`--config FILE` or `THAI_ASR_CONFIG`, lines of
`name = value`), in a variable, and some have a flag. A flag wins over a variable, a variable over
the file, the file over the default. A value out of bounds or a name that is none ends the start
with a message that says so.

*live* settings can be changed while the server runs, by `update_config` on the control port; each
session has its own value, which begins as the server's. The others belong to the server and take
a *restart*. `get_config` says which values are in force in a session.
"""

COLUMNS = ("name", "default (CPU)", "default (GPU)", "flag", "variable", "change", "of", "meaning")

PUBLISHED = """\
## The published names

The names of the section "Configuration" of the README and what they are here.

| published | here | remark |
|---|---|---|
| `SAMPLE_RATE = 16000` | `sample_rate` | The rate of audio as sent, until an `audio_config` says \
another (8000 to 96000). The recogniser always hears 16 kHz: other rates are resampled. |
| `CHUNK_SIZE = 1024` | `chunk_size` | Announced to clients in `connected`; 512 for less delay. \
The server takes chunks of any size with the same result; what counts in chunks below counts in \
chunks of this many samples at `sample_rate`. |
| `CHANNELS = 1` | `channels` | 1 or 2, until `audio_config` says another. Two are mixed, or with \
`"channel_mode": "split"` become two streams. |
| `AUDIO_FORMAT = paInt16` | `audio_format` | `pcm16`, `float32`, `mulaw` or `alaw`, until \
`audio_config` says another. |
| `gpu_memory_fraction = 0.8` | `gpu_memory_fraction` | CTranslate2 takes what a model needs and \
has no such limit, so this is a rule of admission: how much of the memory the loaded models may \
need together. |
| `compute_type = "float16"` | `compute_type` | `auto` is float16 on a GPU and int8 on a CPU. |
| `num_workers = 4` | `num_workers` | Decodes at the same time (CTranslate2's `inter_threads`). On \
a CPU several workers of one thread each beat one of several, so 0 takes one per core, 4 at the \
most. |
| `batch_size = 8` | `batch_size` | The most utterances, of all sessions, in one decode. Batches \
form while the engine is busy; nothing waits for one to fill. |
| `vad_threshold = 0.02` | `vad_threshold` | RMS energy, for `vad = "energy"` only. The default \
detector is Silero, whose `speech_threshold` is a probability. |
| `silence_threshold = 30` | `silence_threshold` | Chunks, for `vad = "energy"` only: 1.92 s at \
1024 samples and 16 kHz. Silero's is `end_silence_ms`. |
| `min_speech_chunks = 20` | `min_speech_chunks` | Chunks, for `vad = "energy"` only: 1.28 s at \
1024 samples and 16 kHz, too long for short answers. Silero's is `min_speech_ms`. |

Overlap between chunks is of no use to a recogniser that hears whole utterances; where one is too
long and must be split, `overlap_ms` of audio is heard again and text said twice is removed.
"""


def configuration_markdown() -> str:
    """The text of docs/configuration.md."""
    parts = [HEAD]
    for title, rows in _groups():
        parts.append(f"## {title}\n")
        parts.append(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        parts += [_row(row) for row in rows]
        parts.append("")
    parts.append(PUBLISHED)
    return "\n".join(parts)


def _groups() -> list[tuple[str, list[dataclasses.Field[Any]]]]:
    """The table's rows under the comments that head them."""
    rows = {row.name: row for row in dataclasses.fields(Settings)}
    groups: list[tuple[str, list[dataclasses.Field[Any]]]] = []
    for base in reversed(Settings.__mro__[1:-1]):
        for line in inspect.getsource(base).splitlines():
            text = line.strip()
            if text.startswith("# "):
                groups.append((text[2:].capitalize(), []))
            row = rows.pop(text.partition(":")[0], None)
            if row is not None:
                groups[-1][1].append(row)
    assert not rows, f"rows without a heading: {', '.join(rows)}"
    return groups


def _row(row: dataclasses.Field[Any]) -> str:
    meta = row.metadata
    gpu = row.default if meta["gpu"] is None else meta["gpu"]
    cells = (
        f"`{row.name}`",
        _value(row.default),
        _value(gpu),
        f"`--{row.name.replace('_', '-')}`" if meta["flag"] else "",
        f"`{ENV_PREFIX}{row.name.upper()}`",
        "live" if meta["session"] else "restart",
        "session" if meta["session"] else "server",
        meta["help"] + _bounds(row),
    )
    return f"| {' | '.join(cells)} |"


def _bounds(row: dataclasses.Field[Any]) -> str:
    if row.metadata["choices"]:
        return f" ({', '.join(row.metadata['choices'])})"
    if row.metadata["low"] is not None:
        return f" ({row.metadata['low']} to {row.metadata['high']})"
    if row.metadata["longest"] is not None:
        return f" (at most {row.metadata['longest']} characters)"
    return ""


def _value(value: object) -> str:
    if value == "":
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    sys.stdout.write(configuration_markdown())
