"""A glossary, whatever it is made of, is tidied once and recognised when it comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.glossary import is_babble, is_echo, tidy
from asr.thai_text import spoken

TEXT = st.text("abกคร\u0e31\u0e48เำ ,<|>\u200b\n\ud800Z9", max_size=30)


@given(TEXT)
def test_tidying_twice_is_tidying_once(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@given(TEXT)
def test_what_is_tidied_can_be_encoded_and_holds_no_special_token(text: str) -> None:
    tidied = tidy(text)
    tidied.encode()
    assert not {"<", "|", ">", "\n", ","} & set(tidied)
    assert tidied == tidied.strip()


@given(TEXT)
def test_any_words_of_it_in_any_order_are_an_echo(text: str) -> None:
    words = [word for word in tidy(text).split() if spoken(word)]
    if words:
        assert is_echo(" ".join(reversed(words)), tidy(text))
        assert is_echo(words[0], tidy(text))


@given(TEXT, TEXT)
def test_an_echo_has_a_character_of_the_glossary_and_babble_is_an_echo(
    text: str, glossary: str
) -> None:
    if is_echo(text, tidy(glossary)):
        assert set(spoken(text)) & set(spoken(tidy(glossary)))
    if is_babble(text, tidy(glossary)):
        assert is_echo(text, tidy(glossary))
