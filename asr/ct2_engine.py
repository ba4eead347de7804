"""Whisper in CTranslate2, several utterances in a batch: the only file that imports it.

`WhisperModel.transcribe` of faster-whisper decodes one file at a time, always in a window of 30 s;
here `ctranslate2.models.Whisper` is called directly, with the prompt and the suppressed tokens
that faster-whisper would use.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from asr.engine import EngineError, EngineInfo, Prepared, TrialLoad, TrialTime
from asr.features import FRAMES_PER_S, FULL_FRAMES, Features, context_frames, log_mel
from asr.freed_memory import return_freed_memory
from asr.tokenizer_pool import TokenizerPool
from asr.types import DecodeOptions, DecodeRequest, Hypothesis, ModelSpec

MAX_NEW_TOKENS = 224
"""Half of Whisper's text context; CTranslate2 generates no more."""

TEXT_CONTEXT = 448
"""Tokens that Whisper's decoder sees: glossary, prompt and what it writes."""

TOKENS_PER_S = 25 * 0.9
SPARE_TOKENS = 12
"""Nobody says more than 25 Thai characters a second, at 0.8 to 0.9 tokens each: a decode that
wants more is a loop, and every other utterance of its batch would wait for it."""

LIMIT_STEP_S = 5
"""In the full window, token limits go up in steps of this, so that utterances of unequal length
still share a batch."""

BEST_OF = 5
"""Samples drawn at a temperature above 0, of which the most probable is taken."""

UNLOAD_LIMIT_S = 10.0

_CUDA_LIBRARIES = ("cublas", "cudnn", "cudart")
_MEMORY_RAN_OUT = ("out of memory", "cublas_status_alloc_failed")


@dataclass(frozen=True, slots=True)
class _Key:
    """What a batch has in common. The limit is part of it: a decode must not depend on others."""

    frames: int
    options: DecodeOptions
    new_tokens: int


class Ct2Engine:
    """One loaded Whisper. Thread-safe; `workers` decodes run at the same time."""

    def __init__(
        self,
        model_dir: Path,
        spec: ModelSpec,
        *,
        device: str,
        compute_type: str,
        workers: int,
        threads_per_worker: int,
        max_batch: int,
        tokenizers: TokenizerPool | None = None,
    ) -> None:
        """Load (blocking). Raises EngineError `model_load_failed` or `out_of_memory`.

        `tokenizers` may hold the model's tokenizer already.
        """
        try:
            self._model = ctranslate2.models.Whisper(
                str(model_dir),
                device=device,
                compute_type=compute_type,
                inter_threads=workers,
                intra_threads=threads_per_worker,
            )
            self._tokenizer = Tokenizer(
                (tokenizers or TokenizerPool()).read(model_dir / "tokenizer.json"),
                self._model.is_multilingual,
                task="transcribe",
                language=spec.language,
            )
        except Exception as error:  # CTranslate2 and tokenizers raise plain exceptions
            raise _engine_error(error, "model_load_failed") from error
        self.info = EngineInfo(spec.id, device, str(self._model.compute_type), workers, max_batch)
        self._prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]
        self._suppressed = list(get_suppressed_tokens(self._tokenizer, [-1]) or ())
        self._transform = FeatureExtractor(feature_size=self._model.n_mels)

    def prepare(self, request: DecodeRequest) -> Prepared:
        """Make the features (in a DSP thread)."""
        options = request.options
        frames = context_frames(len(request.audio), options.context_margin_ms)
        features = log_mel(self._transform, request.audio, frames)
        key = _Key(frames, options, _token_limit(request, frames))
        return Prepared(request, key, features)

    def decode(self, batch: Sequence[Prepared]) -> list[Hypothesis]:
        """Decode one batch of equal keys, results in order. Raises EngineError."""
        keys = {prepared.batch_key for prepared in batch}
        if len(keys) != 1:
            raise EngineError("bad_batch", f"a batch needs one key, got {len(keys)}")
        key = keys.pop()
        assert isinstance(key, _Key)
        try:
            results = self._generate([_features(p) for p in batch], key)
        except Exception as error:  # CTranslate2 raises plain exceptions
            raise _engine_error(error, "decode_failed") from error
        return [self._hypothesis(result, key.new_tokens) for result in results]

    def time_decode(self, load: TrialLoad) -> TrialTime:
        """Time one decode of faint noise that may not end early. Raises EngineError."""
        try:
            features = ctranslate2.StorageView.from_array(
                _faint_noise(load.batch, self._model.n_mels, load.frames)
            )
            begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
            results = self._model.generate(
                features,
                [self._prompt] * load.batch,
                beam_size=load.beam_size,
                max_length=2 * load.new_tokens,  # CTranslate2 stops after half of it
                suppress_tokens=[*self._suppressed, self._tokenizer.eot],
            )
        except Exception as error:  # CTranslate2 raises plain exceptions
            raise _engine_error(error, "decode_failed") from error
        wall_s = time.perf_counter() - begun_s
        cpu_s = time.process_time() - begun_cpu_s if self.info.device == "cpu" else wall_s
        counts = {len(result.sequences_ids[0]) for result in results}
        if counts != {load.new_tokens}:
            raise EngineError("bad_trial", f"a trial of {load.new_tokens} tokens gave {counts}")
        return TrialTime(wall_s, cpu_s)

    def close(self) -> None:
        """Unload, and make sure of it: CTranslate2 ignores an unload while a job winds down."""
        deadline_s = time.monotonic() + UNLOAD_LIMIT_S
        self._model.unload_model()
        while self._model.model_is_loaded:
            if time.monotonic() > deadline_s:
                raise EngineError("unload_failed", f"{self.info.model_id} is still busy")
            time.sleep(0.01)
            self._model.unload_model()
        return_freed_memory()

    def _prompt_of(self, glossary: str) -> list[int]:
        """The prompt, after the glossary as the text before: as much of it as there is room for."""
        if not glossary:
            return self._prompt
        room = TEXT_CONTEXT - MAX_NEW_TOKENS - len(self._prompt) - 1
        words = self._tokenizer.encode(f" {glossary}")
        context = [token for token in words if token < self._tokenizer.eot][:room]
        return [self._tokenizer.sot_prev, *context, *self._prompt]

    def _generate(self, features: list[Features], key: _Key) -> list[Any]:
        # generate() encodes by itself what has n_mels rows. Encoder output would be taken for mel
        # and encoded again if it had n_mels frames.
        mel = ctranslate2.StorageView.from_array(np.stack(features))
        options = key.options
        prompt = self._prompt_of(options.glossary)
        sampling: dict[str, Any] = {"beam_size": options.beam_size}
        if options.temperature > 0:
            sampling = {
                "beam_size": 1,
                "num_hypotheses": BEST_OF,
                "sampling_topk": 0,
                "sampling_temperature": options.temperature,
            }
        results: list[Any] = self._model.generate(
            mel,
            [prompt] * len(features),
            # CTranslate2 stops after half of it, or after what the prompt leaves of it: its last
            # token counts as the first step of decoding
            max_length=max(2 * key.new_tokens, key.new_tokens + len(prompt) - 1),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            **sampling,
        )
        return results

    def _hypothesis(self, result: Any, limit: int) -> Hypothesis:
        tokens = tuple(token for token in result.sequences_ids[0] if token < self._tokenizer.eot)
        count = len(result.sequences_ids[0])
        return Hypothesis(
            text=self._tokenizer.decode(list(tokens)).strip(),
            tokens=tokens,
            avg_logprob=result.scores[0] * count / (count + 1),
            no_speech_prob=result.no_speech_prob,
            truncated=count >= limit,
        )


def _token_limit(request: DecodeRequest, frames: int) -> int:
    if request.options.max_new_tokens is not None:
        return min(MAX_NEW_TOKENS, request.options.max_new_tokens)
    margin_ms = request.options.context_margin_ms
    longest_s: float
    if margin_ms is None or frames == FULL_FRAMES:
        longest_s = LIMIT_STEP_S * math.ceil(request.audio_s / LIMIT_STEP_S)
    else:
        longest_s = float(frames) / FRAMES_PER_S - margin_ms / 1_000  # of audio in this bucket
    return min(MAX_NEW_TOKENS, int(longest_s * TOKENS_PER_S) + SPARE_TOKENS)


def _features(prepared: Prepared) -> Features:
    assert isinstance(prepared.features, np.ndarray)
    return prepared.features


def _faint_noise(batch: int, n_mels: int, frames: int) -> Features:
    """Features (batch, n_mels, frames) near the floor of what Whisper hears, always the same."""
    noise = np.random.default_rng(0).normal(-1.0, 0.1, (batch, n_mels, frames))
    return noise.astype(np.float32)


def _engine_error(error: Exception, code: str) -> EngineError:
    """What a plain exception of CTranslate2 or tokenizers means, and what to do."""
    reason = str(error) or type(error).__name__
    lowered = reason.lower()
    if isinstance(error, MemoryError) or any(words in lowered for words in _MEMORY_RAN_OUT):
        return EngineError(
            "out_of_memory", f"not enough memory ({reason}); use a smaller model or batch_size"
        )
    if "library" in lowered and any(name in lowered for name in _CUDA_LIBRARIES):
        return EngineError(
            code,
            f"a CUDA library is missing ({reason}); install it (pip install -r "
            "requirements_gpu.txt) or use --device cpu",
        )
    if code == "model_load_failed":
        reason += "; if its files are damaged, remove its folder and get the model again"
    return EngineError(code, reason)


def cuda_device_count() -> int:
    """Cards that CTranslate2 sees: none without a driver for its CUDA."""
    return int(ctranslate2.get_cuda_device_count())


def supported_compute_types(device: str) -> frozenset[str]:
    """What CTranslate2 computes in on a device, efficiently."""
    return frozenset(map(str, ctranslate2.get_supported_compute_types(device)))
