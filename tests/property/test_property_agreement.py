"""What holds for any run of hypotheses: stable text only grows and is always safely cut."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from asr.agreement import LocalAgreement, align_prefix
from asr.thai_text import clusters, find_loop, is_loop, leans_back, normalise

CHARACTERS = st.one_of(
    st.characters(min_codepoint=0x0E01, max_codepoint=0x0E5B),
    st.sampled_from("ัิ่้์ำะเแไาคนรบ"),
    st.sampled_from("ab19 ,.\ufffd\u200b"),
)
TEXT = st.lists(CHARACTERS, max_size=30).map("".join)


@st.composite
def growing_hypotheses(draw: st.DrawFn) -> list[str]:
    """Prefixes of one sentence at any byte (as tokens cut it), now and then disturbed."""
    data = draw(TEXT).encode()
    lengths = sorted(draw(st.lists(st.integers(0, len(data)), min_size=1, max_size=6)))
    texts = [data[:length].decode(errors="replace") for length in lengths]
    return [draw(st.sampled_from([text, text, text + draw(TEXT)])) for text in texts]


HYPOTHESES = st.one_of(growing_hypotheses(), st.lists(TEXT, max_size=6))


JUDGED = HYPOTHESES.flatmap(
    lambda texts: st.tuples(
        *(st.tuples(st.just(text), st.booleans(), st.booleans()) for text in texts)
    )
)
"""With whether each is sure, and overwrites what is shown."""


@given(JUDGED)
def test_stable_text_only_grows_and_every_text_starts_with_it(
    hypotheses: tuple[tuple[str, bool, bool], ...],
) -> None:
    agreement = LocalAgreement()
    stable = ""
    for hypothesis, sure, overwrites in hypotheses:
        shown = agreement.update(hypothesis, sure=sure, overwrites=overwrites)
        assert shown.stable_text.startswith(stable)
        assert shown.text.startswith(shown.stable_text)
        stable = shown.stable_text


@given(JUDGED)
def test_both_texts_are_cut_safely(hypotheses: tuple[tuple[str, bool, bool], ...]) -> None:
    agreement = LocalAgreement()
    for hypothesis, sure, overwrites in hypotheses:
        shown = agreement.update(hypothesis, sure=sure, overwrites=overwrites)
        assert "\ufffd" not in shown.text
        assert not shown.text.endswith(tuple("เแโใไ"))
        assert not shown.stable_text.endswith(tuple("เแโใไ"))
        if shown.text:
            assert not leans_back(shown.text[0])
        if shown.stable_text and len(shown.text) > len(shown.stable_text):
            assert not leans_back(shown.text[len(shown.stable_text)])


@given(HYPOTHESES)
def test_what_becomes_stable_was_in_the_newest_text_twice(hypotheses: list[str]) -> None:
    agreement = LocalAgreement()
    before = agreement.update("")
    for hypothesis in hypotheses:
        shown = agreement.update(hypothesis)
        if shown.stable_text != before.stable_text:
            assert before.text.startswith(shown.stable_text)
        before = shown


@given(HYPOTHESES)
def test_stable_text_never_grows_into_a_latin_word_or_number(hypotheses: list[str]) -> None:
    agreement = LocalAgreement()
    before = ""
    for hypothesis in hypotheses:
        shown = agreement.update(hypothesis)
        stable, rest = shown.stable_text, shown.text[len(shown.stable_text) :]
        if rest and stable != before and stable[-1] in "ab19":
            assert rest[0] not in "ab19"
        before = stable


@given(HYPOTHESES, TEXT)
def test_loops_never_become_stable(hypotheses: list[str], unit: str) -> None:
    agreement = LocalAgreement()
    before = agreement.update("")
    for hypothesis in hypotheses:
        before = agreement.update(hypothesis)
    loop = normalise("ก" + unit) * 8
    if is_loop(loop):
        for _ in range(2):
            after = agreement.update(loop)
            assert after.stable_text == before.stable_text
            assert len(after.text) <= len(before.text) + len(loop) // 4


@given(st.lists(st.sampled_from(["ไป", "น้ำ", "เดี๋ยว", "ค่ะ", " ", "กัน"]), min_size=1, max_size=12))
def test_a_repeated_hypothesis_is_stable_but_for_its_last_piece(words: list[str]) -> None:
    pieces = clusters(normalise("".join(words)))
    assume(find_loop([piece for piece in pieces if piece != " "]) is None)
    agreement = LocalAgreement()
    agreement.update("".join(words))
    assert agreement.update("".join(words)).stable_text == "".join(pieces[:-1]).rstrip()


def slow_distance(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for index, one in enumerate(first):
        above, row = row, [index + 1]
        for column, other in enumerate(second):
            row.append(min(row[-1] + 1, above[column + 1] + 1, above[column] + (one != other)))
    return row[-1]


@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_align_prefix_agrees_with_the_textbook(head: str, text: str) -> None:
    distance, length = align_prefix(head, text)
    assert distance == slow_distance(head, text[:length])
    assert distance == min(slow_distance(head, text[:end]) for end in range(len(text) + 1))
