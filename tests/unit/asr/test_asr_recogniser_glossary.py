"""What becomes of the glossary read out where nobody spoke."""

from __future__ import annotations

import pytest

from asr.effects import QuickFinal
from asr.types import DecodeKind, Profile
from tests.support.recogniser_rig import DOUBTFUL_LOGPROB, Rig, result

GLOSSARY = "ทักซ์ แป้นพิมพ์ deploy server"


def test_a_partial_that_reads_it_out_is_not_shown() -> None:
    rig = Rig(glossary=GLOSSARY)
    rig.start()
    rig.audio(700)
    (request,) = rig.open_requests
    assert (request.kind, request.options.glossary) == (DecodeKind.PARTIAL, GLOSSARY)
    rig.answer(result(request, "แป้นพิมพ์", DOUBTFUL_LOGPROB))
    assert not rig.partials


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("text", ["สวัสดีครับ", ""])
def test_a_final_that_reads_it_out_is_what_a_decode_without_it_says(
    profile: Profile, text: str
) -> None:
    rig = Rig(profile, glossary=GLOSSARY)
    rig.utterance(1_500)
    (first,) = rig.open_requests
    rig.answer(result(first, "deploy server", DOUBTFUL_LOGPROB))
    (again,) = rig.open_requests
    assert (first.options.glossary, again.options.glossary) == (GLOSSARY, "")
    assert not rig.of(QuickFinal)
    rig.answer(result(again, text))
    assert [final.text for final in rig.finals] == [text]


def test_a_word_of_it_in_clear_speech_is_a_final_at_once() -> None:
    rig = Rig(glossary=GLOSSARY)
    rig.utterance(1_500)
    (request,) = rig.open_requests
    rig.answer(result(request, "แป้นพิมพ์"))
    assert [final.text for final in rig.finals] == ["แป้นพิมพ์"]
