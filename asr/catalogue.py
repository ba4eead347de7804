"""`models.yaml`: the models that can be chosen.

Strict: a key that is unknown, missing, repeated or of the wrong type is a `CatalogueError` with
the file and the line, because a typing mistake must not silently become a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from asr.types import ModelFormat, ModelSpec, PublishedScore

Catalogue: TypeAlias = Mapping[str, ModelSpec]
"""Entries by id, in the order of the file."""

DEFAULT_TIER: Final = "custom"

_REQUIRED: Final = ("id", "name", "repo", "format")
_SCORE_KEYS: Final = ("metric", "value", "test_set", "source")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_REPO: Final = re.compile(r"{0}/{0}".format(r"\w+(?:[.-]\w+)*"), re.ASCII)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_SHORT_HASH: Final = re.compile(r"[0-9a-f]{7,39}")
_MAX_MARGIN_MS: Final = 30_000
_MAX_ERROR_RATE: Final = 1_000.0
"""Per cent. A recogniser that invents words has more errors than there are words."""
_TAG: Final = "tag:yaml.org,2002:"


class CatalogueError(ValueError):
    """A catalogue that cannot be used. The message is `file:line: what is wrong`."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


class _NodeError(Exception):
    """What is wrong with a node."""

    def __init__(self, node: yaml.Node, problem: str) -> None:
        super().__init__(problem)
        self.line: int = node.start_mark.line + 1
        self.problem = problem


def load_catalogue(path: Path) -> Catalogue:
    """Read a catalogue. Raises CatalogueError, also when the file cannot be read."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise CatalogueError(path, 1, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CatalogueError(path, 1, f"is not UTF-8: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = ", ".join(filter(None, (error.context, error.problem)))
        raise CatalogueError(path, line, f"not YAML: {reason}") from error
    except yaml.YAMLError as error:
        raise CatalogueError(path, 1, f"not YAML: {error}") from error
    if root is None:
        raise CatalogueError(path, 1, "no models: the file is empty")
    try:
        return _entries(root, path.parent)
    except _NodeError as error:
        raise CatalogueError(path, error.line, error.problem) from error


def _entries(root: yaml.Node, folder: Path) -> dict[str, ModelSpec]:
    nodes = _list(root)
    if not nodes:
        raise _NodeError(root, "no models: the list is empty")
    specs: dict[str, ModelSpec] = {}
    for node in nodes:
        spec = _entry(node, folder)
        if spec.id in specs:
            raise _NodeError(node, f"a second model with the id {spec.id!r}")
        specs[spec.id] = spec
    return specs


def _entry(node: yaml.Node, folder: Path) -> ModelSpec:
    fields = _mapping(node, allowed=_READERS, required=_REQUIRED)
    values: dict[str, Any] = {"description": "", "tier": DEFAULT_TIER}
    for key, value in fields.items():
        values[key] = _READERS[key](value)
    if values.get("path") is not None:
        values["path"] = str(folder / Path(values["path"]).expanduser())
    return ModelSpec(**values)


def _mapping(
    node: yaml.Node, *, allowed: Collection[str], required: Collection[str]
) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise _NodeError(node, f"expected keys and values, got {_kind(node)}")
    fields: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else _kind(key_node)
        if key not in allowed:
            raise _NodeError(key_node, f"unknown key {key!r}; known: {', '.join(allowed)}")
        if key in fields:
            raise _NodeError(key_node, f"the key {key!r} stands here twice")
        fields[key] = value
    missing = [key for key in required if key not in fields]
    if missing:
        raise _NodeError(node, f"missing: {', '.join(missing)}")
    return fields


def _list(node: yaml.Node) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise _NodeError(node, f"expected a list, got {_kind(node)}")
    return list(node.value)


def _scalar(node: yaml.Node, wanted: str, *tags: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag.removeprefix(_TAG) not in tags:
        raise _NodeError(node, f"expected {wanted}, got {_kind(node)}")
    text: str = node.value
    return text


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        kind = node.tag.removeprefix(_TAG)
        return "nothing" if kind == "null" else f"{kind} {node.value!r}"
    return "a list" if isinstance(node, yaml.SequenceNode) else "keys and values"


def _text(node: yaml.Node) -> str:
    text = _scalar(node, "text (in quotes if it looks like a number)", "str").strip()
    if not text:
        raise _NodeError(node, "expected text, got none")
    return text


def _description(node: yaml.Node) -> str:
    return _scalar(node, "text", "str").strip()


def _flag(node: yaml.Node) -> bool:
    return _scalar(node, "true or false", "bool").lower() in ("true", "yes", "on")


def _number(node: yaml.Node) -> float:
    text = _scalar(node, "a number", "int", "float")
    try:
        return float(text)
    except ValueError as error:
        raise _NodeError(node, f"expected a decimal number, got {text!r}") from error


def _error_rate(node: yaml.Node) -> float:
    value = _number(node)
    if not 0.0 <= value <= _MAX_ERROR_RATE:
        raise _NodeError(node, f"expected an error rate in per cent, got {value:g}")
    return value


def _revision(node: yaml.Node) -> str:
    text = _text(node)
    if _SHORT_HASH.fullmatch(text):
        raise _NodeError(
            node, f"{text!r} is a part of a commit's hash; give all 40 digits (or a branch)"
        )
    return text


def _integer(low: int, high: int) -> Callable[[yaml.Node], int]:
    def read(node: yaml.Node) -> int:
        text = _scalar(node, "a whole number", "int")
        if not text.isdecimal() or not low <= int(text) <= high:
            raise _NodeError(node, f"expected a whole number from {low} to {high}, got {text}")
        return int(text)

    return read


def _matching(pattern: re.Pattern[str], wanted: str) -> Callable[[yaml.Node], str]:
    def read(node: yaml.Node) -> str:
        text = _text(node)
        if pattern.fullmatch(text) is None:
            raise _NodeError(node, f"expected {wanted}, got {text!r}")
        return text

    return read


def _optional(read: Callable[[yaml.Node], Any]) -> Callable[[yaml.Node], Any]:
    def read_or_none(node: yaml.Node) -> Any:
        return None if node.tag == f"{_TAG}null" else read(node)

    return read_or_none


def _format(node: yaml.Node) -> ModelFormat:
    text = _text(node)
    try:
        return ModelFormat(text)
    except ValueError as error:
        known = " or ".join(known.value for known in ModelFormat)
        raise _NodeError(node, f"expected {known}, got {text!r}") from error


def _scores(node: yaml.Node) -> tuple[PublishedScore, ...]:
    scores = []
    for entry in _list(node):
        fields = _mapping(entry, allowed=_SCORE_KEYS, required=_SCORE_KEYS)
        scores.append(
            PublishedScore(
                metric=_text(fields["metric"]),
                value=_error_rate(fields["value"]),
                test_set=_text(fields["test_set"]),
                source=_text(fields["source"]),
            )
        )
    return tuple(scores)


_READERS: Final[Mapping[str, Callable[[yaml.Node], Any]]] = {
    "id": _matching(_ID, "lower-case letters, digits, dots and dashes"),
    "name": _text,
    "repo": _matching(_REPO, "owner/name"),
    "format": _format,
    "description": _description,
    "tier": _text,
    "recommended": _flag,
    "revision": _optional(_revision),
    "language": _matching(_LANGUAGE, "a language code such as th"),
    "licence": _text,
    "terms": _description,
    "vram_mb": _optional(_integer(1, 1_000_000)),
    "size_mb": _optional(_integer(1, 1_000_000)),
    "embedded": _flag,
    "path": _optional(_text),
    "context_margin_ms": _integer(0, _MAX_MARGIN_MS),
    "wide_margin_ms": _integer(0, _MAX_MARGIN_MS),
    "redo_logprob": _number,
    "prompt_allowed": _flag,
    "scores": _scores,
}
"""One reader for each field of ModelSpec."""
