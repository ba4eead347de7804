"""Which files of a repository a model needs, and what of them is still to be fetched. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from typing import Final

from asr.engine import EngineError
from asr.types import ModelFormat

HEADROOM_BYTES: Final = 256_000_000
"""What a download leaves free on the disk."""

VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")

_CONFIG: Final = "config.json"
_CT2_WEIGHTS: Final = "model.bin"
_SAFETENSORS: Final = "model.safetensors"
_SHARD_INDEX: Final = "model.safetensors.index.json"
_SHARD: Final = re.compile(r"model-([0-9]{5})-of-([0-9]{5})\.safetensors")
_PICKLES: Final = re.compile(r"pytorch_model.*\.bin(\.index\.json)?|.*\.(pt|pth|ckpt)")
_COMPANIONS: Final = (
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "normalizer.json",
    "vocab.json",
    "merges.txt",
)
"""Small files that belong to a model of either format and may be absent."""


@dataclass(frozen=True, slots=True)
class RepoFile:
    """A file at one commit.

    `etag` names its content: SHA-256 in hex (64 digits) of a file in LFS, else git's SHA-1 (40).
    """

    name: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class RepoListing:
    """A repository's files at the commit (40 hex digits) that a revision means now.

    `files` are those that a model may need (`may_be_needed`), `others` the names of the rest.
    """

    repo: str
    commit: str
    files: tuple[RepoFile, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What makes the model, in the order in which it is put in place: weights last.

    `held` says how many bytes of each content (by etag) the cache has; `complete` are the etags
    that are there whole.
    """

    listing: RepoListing
    files: tuple[RepoFile, ...]
    complete: frozenset[str]
    held: Mapping[str, int]

    @property
    def to_fetch(self) -> tuple[RepoFile, ...]:
        """What is not there whole, each content once."""
        by_etag = {f.etag: f for f in self.files if f.etag not in self.complete}
        return tuple(by_etag.values())

    @property
    def total_bytes(self) -> int:
        """Of all contents."""
        return sum({f.etag: f.size_bytes for f in self.files}.values())

    @property
    def missing_bytes(self) -> int:
        """What the disk still has to take; a part that is too long is begun anew."""
        return sum(f.size_bytes - self.part_bytes(f) for f in self.to_fetch)

    @property
    def done_bytes(self) -> int:
        """What is there."""
        return self.total_bytes - self.missing_bytes

    def part_bytes(self, file: RepoFile) -> int:
        """How much of an incomplete file is there and can be gone on with."""
        held = self.held.get(file.etag, 0)
        return held if held <= file.size_bytes else 0


def plan_download(
    listing: RepoListing,
    model_format: ModelFormat,
    complete: Container[str],
    parts: Mapping[str, int],
) -> DownloadPlan:
    """What to fetch, given what is there whole and in part.

    Raises EngineError `model_not_found` or `unsafe_format`, as `choose_files`.
    """
    by_name = {f.name: f for f in listing.files}
    there = by_name.keys() | set(listing.others)
    names = choose_files(listing.repo, there, model_format)
    files = tuple(by_name[name] for name in names)
    whole = frozenset(f.etag for f in files if f.etag in complete)
    held = {f.etag: parts[f.etag] for f in files if f.etag in parts}
    return DownloadPlan(listing, files, whole, held)


def may_be_needed(name: str) -> bool:
    """Whether `choose_files` can choose this name: it has no folder and is one that we know."""
    known = (_CONFIG, _CT2_WEIGHTS, *VOCABULARIES, _SAFETENSORS, _SHARD_INDEX, *_COMPANIONS)
    return name in known or _SHARD.fullmatch(name) is not None


def choose_files(repo: str, there: Collection[str], model_format: ModelFormat) -> tuple[str, ...]:
    """The names of the files that a model needs, weights last.

    Raises EngineError: `model_not_found` if a needed file is missing, `unsafe_format` if the
    weights are there as pickles only.
    """
    if model_format is ModelFormat.CT2:
        needed, weights = _ct2_files(repo, there)
    else:
        needed, weights = (), _safetensors(repo, there)
    if _CONFIG not in there:
        raise _missing(repo, _CONFIG)
    companions = tuple(name for name in _COMPANIONS if name in there)
    return (_CONFIG, *companions, *needed, *weights)


def _ct2_files(repo: str, there: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if _CT2_WEIGHTS not in there:
        hint = ""
        if any(name.endswith(".safetensors") for name in there):
            hint = "; it holds weights of the transformers library: say `format: transformers`"
        raise _missing(repo, _CT2_WEIGHTS, hint)
    vocabulary = next((name for name in VOCABULARIES if name in there), None)
    if vocabulary is None:
        raise _missing(repo, " or ".join(VOCABULARIES))
    return (vocabulary,), (_CT2_WEIGHTS,)


def _safetensors(repo: str, there: Collection[str]) -> tuple[str, ...]:
    """One file, or else all shards and, last, their index. Copies in other precisions are left."""
    if _SAFETENSORS in there:
        return (_SAFETENSORS,)
    if _SHARD_INDEX in there:
        shards = sorted(name for name in there if _SHARD.fullmatch(name))
        counts = {_SHARD.fullmatch(name)[2] for name in shards}  # type: ignore[index]
        if len(counts) != 1 or len(shards) != int(next(iter(counts))):
            raise _missing(repo, "some of its shards (model-0000N-of-0000M.safetensors)")
        return (*shards, _SHARD_INDEX)
    if any(_PICKLES.fullmatch(name) for name in there):
        raise EngineError(
            "unsafe_format",
            f"{repo} holds its weights as Python pickles only, which can run any code when they "
            "are opened, so they are never loaded here; choose a repository or a revision with "
            "model.safetensors, or ask its owner for one",
        )
    raise _missing(repo, _SAFETENSORS)


def _missing(repo: str, what: str, hint: str = "") -> EngineError:
    return EngineError(
        "model_not_found",
        f"the repository {repo} lacks {what} at this revision; check repo, revision and format of "
        f"the model in models.yaml{hint}",
    )


def check_space(plan: DownloadPlan, free_bytes: int, folder: str) -> None:
    """Raise EngineError `disk_full` if the rest of the download does not fit."""
    wanted = plan.missing_bytes + HEADROOM_BYTES
    if plan.missing_bytes and free_bytes < wanted:
        raise disk_full(folder, f"needs {megabytes(wanted)}, and {megabytes(free_bytes)} are free")


def disk_full(folder: str, why: str) -> EngineError:
    """The error for a disk without room."""
    return EngineError(
        "disk_full",
        f"the disk of {folder} is too full: the download {why}; make room there, or set HF_HOME to "
        "a folder on another disk, and try again (what was fetched is kept)",
    )


def megabytes(count: int) -> str:
    """A size in words."""
    return f"{count / 1e9:.2f} GB" if count >= 1_000_000_000 else f"{count / 1e6:.0f} MB"
