"""The events that tell of models."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from server.fields import ModelId, RequestId
from server.messages import Event, LoadFigures, Opt


class ModelLoaded(Event, frozen=True, kw_only=True, tag="model_loaded"):
    """A model answers from now on."""

    model_id: ModelId
    status: Annotated[str, Meta(description="always success")] = "success"
    load_s: Annotated[float | UnsetType, Meta(description="seconds that loading took")] = UNSET
    load_figures: Annotated[LoadFigures | UnsetType, Meta(description="what it took here")] = UNSET
    request_id: RequestId = UNSET


class ModelPhase(Enum):
    """How far a model is on its way to answering.

    `model_loaded` ends it, or `failed`, or `cancelled`; `on_disk` too where another model was
    asked for meanwhile.
    """

    DOWNLOADING = "downloading"
    CONVERTING = "converting"
    ON_DISK = "on_disk"
    LOADING = "loading"
    MEASURING = "measuring"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ModelProgress(Event, frozen=True, kw_only=True, tag="model_progress"):
    """A model is on its way to answering: said when a phase begins, and while it lasts.

    `message` says why it failed. `model_loaded` follows where it did not.
    """

    model_id: ModelId
    phase: Annotated[ModelPhase, Meta(description="what goes on")]
    done_bytes: Annotated[int | UnsetType, Meta(description="fetched or converted so far")] = UNSET
    total_bytes: Annotated[int | UnsetType, Meta(description="both done and to be done")] = UNSET
    bytes_per_s: Annotated[float | UnsetType, Meta(description="at present")] = UNSET
    left_s: Annotated[float | UnsetType, Meta(description="seconds it may still take")] = UNSET
    message: Annotated[Opt, Meta(description="why it failed, for people")] = UNSET
    code: Annotated[Opt, Meta(description="why it failed, for programs")] = UNSET


class Score(Struct, frozen=True, kw_only=True):
    """A published error rate in per cent. Those of different test sets cannot be compared."""

    metric: Annotated[str, Meta(description="CER, or WER and by which word segmentation")]
    value: Annotated[float, Meta(description="per cent")]
    test_set: Annotated[str, Meta(description="what it was measured on")]
    source: Annotated[str, Meta(description="who published it")]


class ModelInfo(Struct, frozen=True, kw_only=True):
    """One model in `available_models`."""

    id: Annotated[str, Meta(description="what `load_model` takes")]
    name: Annotated[str, Meta(description="for people")]
    type: Annotated[str, Meta(description="the kind of engine")] = "faster_whisper"
    language: Annotated[str, Meta(description="language code, such as th")]
    description: Annotated[str, Meta(description="for people")]
    performance_tier: Annotated[str, Meta(description="fast, balanced, accurate, basic, custom")]
    recommended: Annotated[bool, Meta(description="one of the first to try")]
    repo: Annotated[str, Meta(description="its repository on Hugging Face")]
    licence: Annotated[str, Meta(description="licence of the weights")]
    terms: Annotated[Opt, Meta(description="conditions beyond the licence")] = UNSET
    prompt_allowed: Annotated[bool, Meta(description="it is given a session's `glossary`")] = True
    state: Annotated[str, Meta(description="remote, fetching, on_disk, loading or ready")]
    on_disk: Annotated[bool, Meta(description="needs no download")]
    current: Annotated[bool, Meta(description="it answers now")]
    vram_mb: Annotated[int | UnsetType, Meta(description="GPU memory, estimated")] = UNSET
    size_mb: Annotated[int | UnsetType, Meta(description="its files, 10^6 bytes")] = UNSET
    scores: Annotated[list[Score] | UnsetType, Meta(description="published error rates")] = UNSET
    load_figures: Annotated[LoadFigures | UnsetType, Meta(description="of its last load here")] = (
        UNSET
    )


class AvailableModels(Event, frozen=True, kw_only=True, tag="available_models"):
    """The catalogue."""

    models: Annotated[list[ModelInfo], Meta(description="in the catalogue's order")]
    request_id: RequestId = UNSET


class LoadCancelled(Event, frozen=True, kw_only=True, tag="load_cancelled"):
    """A model's files are not fetched any further. What came is kept for another time."""

    model_id: ModelId
    request_id: RequestId = UNSET


class ShadowStarted(Event, frozen=True, kw_only=True, tag="shadow_started"):
    """A second model decodes every utterance too, and nobody reads its text."""

    model_id: ModelId
    current_model: Annotated[str, Meta(description="id of the model that answers")]
    longest_s: Annotated[float, Meta(description="seconds until the run ends by itself")]
    request_id: RequestId = UNSET


class ShadowComparison(Struct, frozen=True, kw_only=True):
    """What a shadow run found so far. It says how much two models differ, not which is right."""

    utterances: Annotated[int, Meta(description="decoded by both")]
    differing: Annotated[int, Meta(description="of these, with another text")]
    difference: Annotated[float, Meta(description="characters changed over characters, no spaces")]
    skipped: Annotated[int, Meta(description="not decoded by the second, which was busy")]
    failed: Annotated[int, Meta(description="decodes of the second that failed")]
    current_s: Annotated[float | UnsetType, Meta(description="seconds of a decode, median")] = UNSET
    shadow_s: Annotated[float | UnsetType, Meta(description="the same of the second")] = UNSET


class ShadowReport(Event, frozen=True, kw_only=True, tag="shadow_report"):
    """Both models decoded one more utterance."""

    model_id: ModelId
    current_model: Annotated[str, Meta(description="id of the model that answers")]
    comparison: Annotated[ShadowComparison, Meta(description="of the run so far")]


class ShadowOutcome(Enum):
    """How a shadow run ended."""

    KEPT = "kept"
    ROLLED_BACK = "rolled_back"
    EXPIRED = "expired"
    REPLACED = "replaced"


class ShadowEnded(Event, frozen=True, kw_only=True, tag="shadow_ended"):
    """The second model decodes no more: it answers from now on, or leaves.

    `replaced`: another model was loaded meanwhile, so there was nothing to compare with any more.
    """

    model_id: ModelId
    current_model: Annotated[str, Meta(description="id of the model that answered meanwhile")]
    outcome: Annotated[ShadowOutcome, Meta(description="how the run ended")]
    comparison: Annotated[ShadowComparison, Meta(description="of the whole run")]
