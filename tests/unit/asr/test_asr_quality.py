"""The quality gate on hypotheses as engines give them, and the ladder of decodes of a final."""

from __future__ import annotations

import pytest

from asr.quality import (
    MAX_ATTEMPTS,
    Attempt,
    FinalPolicy,
    QualityGate,
    Verdict,
    VerdictKind,
)
from asr.types import DecodeOptions, Hypothesis, Profile

ACCEPT = Verdict(VerdictKind.ACCEPT)
DOUBT = Verdict(VerdictKind.DOUBT, ("low_logprob",))
LOOP = Verdict(VerdictKind.DOUBT, ("loop", "low_logprob"))
TOO_FAST = Verdict(VerdictKind.DOUBT, ("too_fast",))
SILENT = Verdict(VerdictKind.NO_SPEECH, ("empty",))


def said(
    text: str = "ผมไปกินข้าว",
    *,
    logprob: float = -0.3,
    no_speech_prob: float = 0.1,
    truncated: bool = False,
) -> Hypothesis:
    return Hypothesis(text, (1,), logprob, no_speech_prob, truncated)


def judge(hypothesis: Hypothesis, audio_s: float = 3.0, speech_s: float = 2.5) -> Verdict:
    return QualityGate().judge(hypothesis, audio_s, speech_s)


def test_plain_speech_is_accepted() -> None:
    assert judge(said()) == ACCEPT


@pytest.mark.parametrize(
    ("hypothesis", "audio_s", "reasons"),
    [
        (said("ครับ" * 10), 5.0, ("loop",)),
        (said("ผมไปกินข้าวที่บ้านเพื่อนเมื่อวานนี้"), 0.8, ("too_fast",)),
        (said(truncated=True), 3.0, ("truncated",)),
        (said(logprob=-0.61), 3.0, ("low_logprob",)),
        (
            said("ครับ" * 10, logprob=-0.9, truncated=True),
            1.0,
            ("loop", "too_fast", "truncated", "low_logprob"),
        ),
    ],
)
def test_doubt(hypothesis: Hypothesis, audio_s: float, reasons: tuple[str, ...]) -> None:
    assert judge(hypothesis, audio_s) == Verdict(VerdictKind.DOUBT, reasons)


GLOSSARY = "ทักซ์ แป้นพิมพ์ deploy server"


@pytest.mark.parametrize(
    ("hypothesis", "speech_s"),
    [
        (said("Deploy server", logprob=-0.7), 2.5),
        (said("ทักซ์ แป้นพิมพ์", no_speech_prob=0.6), 2.5),
        (said("แป้นพิมพ์ทักซ์"), 0.9),
    ],
)
def test_the_glossary_alone_on_weak_audio_is_an_echo(
    hypothesis: Hypothesis, speech_s: float
) -> None:
    verdict = QualityGate().judge(hypothesis, 3.0, speech_s, GLOSSARY)
    assert verdict.kind is VerdictKind.DOUBT
    assert "echo" in verdict.reasons
    assert QualityGate().went_astray(verdict)
    assert "echo" not in QualityGate().judge(hypothesis, 3.0, speech_s).reasons


def test_the_glossary_over_and_over_is_an_echo_on_any_audio() -> None:
    babble = said("ทักซ์ แป้นพิมพ์ ทักซ์ สเ deploy")
    assert QualityGate().judge(babble, 3.0, 2.5, GLOSSARY) == Verdict(VerdictKind.DOUBT, ("echo",))


@pytest.mark.parametrize("text", ["แป้นพิมพ์", "กดแป้นพิมพ์"])
def test_words_of_the_glossary_in_clear_speech_are_speech(text: str) -> None:
    assert QualityGate().judge(said(text), 3.0, 2.5, GLOSSARY) == ACCEPT


@pytest.mark.parametrize("text", ["", "  ", "...", "\ufffd", "♪ ♪"])
def test_nothing_to_say_is_no_speech(text: str) -> None:
    assert judge(said(text)) == Verdict(VerdictKind.NO_SPEECH, ("empty",))


@pytest.mark.parametrize(
    ("logprob", "no_speech_prob", "kind"),
    [
        (-1.1, 0.7, VerdictKind.NO_SPEECH),
        (-0.9, 0.7, VerdictKind.DOUBT),
        (-0.3, 0.9, VerdictKind.ACCEPT),
        (-1.1, 0.5, VerdictKind.DOUBT),
        (-1.3, 0.5, VerdictKind.NO_SPEECH),
        (-1.6, 0.2, VerdictKind.DOUBT),
        (-2.1, 0.2, VerdictKind.NO_SPEECH),
    ],
)
def test_no_speech_weighs_both_signs(
    logprob: float, no_speech_prob: float, kind: VerdictKind
) -> None:
    assert judge(said(logprob=logprob, no_speech_prob=no_speech_prob)).kind is kind


@pytest.mark.parametrize(
    ("hypothesis", "speech_s", "kind"),
    [
        (said("โปรดติดตามตอนต่อไป"), 2.0, VerdictKind.ACCEPT),
        (said("โปรดติดตามตอนต่อไป"), 0.9, VerdictKind.NO_SPEECH),
        (said("โปรดติดตามตอนต่อไป", logprob=-0.7), 2.0, VerdictKind.NO_SPEECH),
        (said("โปรดติดตามตอนต่อไป", no_speech_prob=0.7), 2.0, VerdictKind.NO_SPEECH),
        (said("ขอบคุณครับ"), 0.6, VerdictKind.ACCEPT),
        (said("ขอบคุณครับ", logprob=-0.7), 0.6, VerdictKind.DOUBT),
        (said("ขอบคุณครับ", no_speech_prob=0.9), 0.6, VerdictKind.ACCEPT),
        (said("ขอบคุณครับ", logprob=-0.7, no_speech_prob=0.4), 0.6, VerdictKind.NO_SPEECH),
        (said("โปรดติดตามตอนต่อไปของเรื่องนี้", logprob=-0.7), 2.0, VerdictKind.DOUBT),
    ],
)
def test_stock_phrases_need_weak_evidence(
    hypothesis: Hypothesis, speech_s: float, kind: VerdictKind
) -> None:
    assert judge(hypothesis, audio_s=3.0, speech_s=speech_s).kind is kind


@pytest.mark.parametrize(
    ("text", "logprob", "loop"),
    [
        ("สมันสมันสมัน", -1.0, True),
        ("สำคัญ สำคัญสำคัญ", -0.82, True),
        ("ครับครับครับ", -0.4, False),
        ("สมันสมัน", -1.0, False),
        ("555", -1.0, False),
    ],
)
def test_a_few_turns_are_a_loop_only_where_they_are_improbable(
    text: str, logprob: float, loop: bool
) -> None:
    verdict = judge(said(text, logprob=logprob), audio_s=3.0, speech_s=3.0)
    assert ("loop" in verdict.reasons) is loop
    assert QualityGate().went_astray(verdict) is loop


def ladder(policy: FinalPolicy, verdict: Verdict) -> list[DecodeOptions]:
    """Every decode a policy makes when each gets the same verdict."""
    attempts = [Attempt(policy.first(), said(), verdict)]
    while (options := policy.next(attempts)) is not None:
        attempts.append(Attempt(options, said(), verdict))
    return [attempt.options for attempt in attempts]


def rungs(profile: Profile, verdict: Verdict) -> list[tuple[int, int | None, int]]:
    return [
        (options.beam_size, options.context_margin_ms, options.no_repeat_ngram_size)
        for options in ladder(FinalPolicy(profile, 1_500, 3_000), verdict)
    ]


@pytest.mark.parametrize("profile", Profile)
def test_an_accepted_decode_is_the_last(profile: Profile) -> None:
    assert len(rungs(profile, ACCEPT)) == 1


QUICK = (1, 1_500, 10)
WIDE = (5, 3_000, 10)
WIDE_REPAIR, FULL_REPAIR = (5, 3_000, 6), (5, None, 6)


def test_only_balanced_asks_a_wider_context_whether_nobody_spoke() -> None:
    assert rungs(Profile.BALANCED, SILENT) == [QUICK, WIDE]
    assert len(rungs(Profile.FAST, SILENT)) == 1
    assert len(rungs(Profile.ACCURATE, SILENT)) == 1


def test_fast_redoes_only_what_went_astray() -> None:
    assert rungs(Profile.FAST, DOUBT) == [QUICK]
    assert rungs(Profile.FAST, LOOP) == [QUICK, WIDE_REPAIR, FULL_REPAIR]


@pytest.mark.parametrize(("logprob", "redone"), [(-0.71, True), (-0.69, False)])
def test_balanced_redoes_once_what_is_less_probable_than_its_limit(
    logprob: float, redone: bool
) -> None:
    policy = FinalPolicy(Profile.BALANCED, 1_500, 3_000, redo_logprob=-0.7)
    attempts = [Attempt(policy.first(), said(logprob=logprob), DOUBT)]
    again = policy.next(attempts)
    assert (again is not None) is redone
    if again is not None:
        attempts.append(Attempt(again, said(logprob=logprob), DOUBT))
        assert policy.next(attempts) is None


def test_balanced_redoes_what_went_astray_however_probable() -> None:
    assert rungs(Profile.BALANCED, LOOP) == rungs(Profile.FAST, LOOP)


def test_accurate_starts_with_beam_and_wide_context() -> None:
    assert rungs(Profile.ACCURATE, DOUBT) == [WIDE]
    assert rungs(Profile.ACCURATE, LOOP) == [WIDE, WIDE_REPAIR, FULL_REPAIR]


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("margin", [None, 1_500])
def test_no_ladder_repeats_itself_or_samples(profile: Profile, margin: int | None) -> None:
    made = ladder(FinalPolicy(profile, margin, margin), LOOP)
    assert len(made) == len(set(made)) <= MAX_ATTEMPTS
    assert all(options.temperature == 0.0 for options in made)


@pytest.mark.parametrize(("logprob", "asked"), [(-0.91, True), (-0.89, False)])
@pytest.mark.parametrize("profile", [Profile.FAST, Profile.ACCURATE])
def test_the_full_window_confirms_what_is_most_improbable(
    profile: Profile, logprob: float, asked: bool
) -> None:
    policy = FinalPolicy(profile, 1_500, 3_000)
    attempts = [Attempt(policy.first(), said(logprob=logprob), DOUBT)]
    again = policy.next(attempts)
    assert (again is not None and again.context_margin_ms is None) is asked
    if again is not None:
        attempts.append(Attempt(again, said(logprob=-1.2), DOUBT))
        assert policy.next(attempts) is None


def attempt(hypothesis: Hypothesis, verdict: Verdict) -> Attempt:
    return Attempt(DecodeOptions(), hypothesis, verdict)


POLICY = FinalPolicy(Profile.BALANCED, 1_500)


def test_the_accepted_attempt_wins_and_is_normalised() -> None:
    accepted = said("ไปน\u0e4dาครับ", logprob=-0.5)
    outcome = POLICY.best([attempt(said(logprob=-0.4), LOOP), attempt(accepted, ACCEPT)])
    assert outcome.text == "ไปนำครับ"
    assert outcome.hypothesis is accepted
    assert outcome.reason is None


def test_among_doubts_the_most_probable_wins() -> None:
    better = said("ก", logprob=-0.7)
    outcome = POLICY.best([attempt(better, DOUBT), attempt(said("ข", logprob=-0.9), DOUBT)])
    assert outcome.hypothesis is better


@pytest.mark.parametrize("verdict", [LOOP, TOO_FAST])
def test_what_no_mouth_said_is_never_chosen(verdict: Verdict) -> None:
    unlikely = said("ข", logprob=-1.5)
    outcome = POLICY.best([attempt(said(logprob=-0.1), verdict), attempt(unlikely, DOUBT)])
    assert outcome.hypothesis is unlikely


def test_nothing_but_loops_is_an_empty_text_with_its_reason() -> None:
    outcome = POLICY.best([attempt(said(), LOOP), attempt(said(), LOOP)])
    assert (outcome.text, outcome.reason) == ("", "loop")


def test_no_speech_in_the_last_attempt_is_no_speech() -> None:
    outcome = POLICY.best([attempt(said(), DOUBT), attempt(said(""), SILENT)])
    assert (outcome.text, outcome.reason) == ("", "no_speech")


def test_what_the_cut_context_took_for_no_speech_is_not_chosen() -> None:
    heard = said("ห้า", logprob=-0.9)
    outcome = POLICY.best([attempt(said("83", logprob=-0.7), SILENT), attempt(heard, DOUBT)])
    assert outcome.hypothesis is heard


@pytest.mark.parametrize("profile", Profile)
def test_an_echo_is_decoded_again_without_the_glossary(profile: Profile) -> None:
    policy = FinalPolicy(profile, 1_500, 4_000, glossary=GLOSSARY)
    first = policy.first()
    assert first.glossary == GLOSSARY
    echo = Attempt(first, said("deploy"), Verdict(VerdictKind.DOUBT, ("echo",)))
    again = policy.next([echo])
    assert again == DecodeOptions(5, 4_000, no_repeat_ngram_size=6)
    heard = Attempt(again, said("ดีพลอย", logprob=-0.5), ACCEPT)
    assert policy.next([echo, heard]) is None
    assert policy.best([echo, heard]).text == "ดีพลอย"
    silent = Attempt(again, said(""), SILENT)
    assert policy.best([echo, silent]).text == ""


def test_an_echo_is_never_the_text_however_probable() -> None:
    policy = FinalPolicy(Profile.FAST, 1_500, glossary=GLOSSARY)
    echo = Attempt(
        policy.first(), said("deploy", logprob=-0.1), Verdict(VerdictKind.DOUBT, ("echo",))
    )
    unsure = Attempt(DecodeOptions(5, None), said("ดี", logprob=-0.8), DOUBT)
    assert policy.best([echo, unsure]).text == "ดี"
    assert policy.best([echo]).text == ""
    assert policy.best([echo]).reason == "echo"


def test_a_doubtful_final_is_decoded_wider_with_the_glossary() -> None:
    policy = FinalPolicy(Profile.BALANCED, 1_500, 4_000, glossary=GLOSSARY)
    unsure = Attempt(policy.first(), said(logprob=-0.8), DOUBT)
    wider = policy.next([unsure])
    assert wider is not None
    assert (wider.beam_size, wider.glossary) == (5, GLOSSARY)
