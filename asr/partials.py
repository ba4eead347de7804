"""From a decode of an utterance's beginning to what is shown of it. Pure."""

from __future__ import annotations

from asr.effects import DecodeProblem, PartialText
from asr.quality import QualityGate, VerdictKind
from asr.types import DecodeFailed, DecodeKind, DecodeResult
from asr.utterance import Utterance


def partial_problem(utterance: Utterance, failed: DecodeFailed) -> DecodeProblem:
    """A partial could not be decoded: its utterance goes on."""
    start, samples = utterance.audio_start_sample, len(failed.request.audio)
    return DecodeProblem(
        utterance.id, DecodeKind.PARTIAL, failed.code, failed.message, start, start + samples
    )


def hear(utterance: Utterance, result: DecodeResult, gate: QualityGate) -> PartialText | None:
    """Take a hypothesis of an open utterance; None where there is nothing (new) to show.

    Decodes may end in another order than they began: one older than what was heard is ignored.
    """
    request = result.request
    if request.revision < utterance.heard_revision:
        return None
    utterance.heard_revision = request.revision
    verdict = gate.judge(
        result.hypothesis, request.audio_s, request.audio_s, request.options.glossary
    )
    if verdict.kind is VerdictKind.NO_SPEECH or gate.went_astray(verdict):
        return None
    logprob = result.hypothesis.avg_logprob
    sure = gate.is_sure(result.hypothesis, verdict)
    better = sure and logprob >= utterance.shown_logprob + gate.better_logprob
    if better:
        utterance.shown_logprob = logprob
    text = utterance.own_text(result.hypothesis.text)
    stable = utterance.agreement.update(text, sure=sure, overwrites=better)
    if not stable.text:
        return None
    utterance.shown = True
    utterance.latest_text = stable.text
    return PartialText(
        utterance_id=utterance.id,
        revision=request.revision,
        text=stable.text,
        stable_text=stable.stable_text,
        start_sample=utterance.start_sample,
        end_sample=utterance.audio_start_sample + len(request.audio),
        model_id=result.model_id,
    )
