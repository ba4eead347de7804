"""Words given to a model beforehand, and how they come back."""

from __future__ import annotations

import pytest

from asr.glossary import is_echo, tidy

GLOSSARY = "ทักซ์ แป้นพิมพ์ deploy Server"


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("ทักซ์, deploy;server\ndatabase", "ทักซ์ deploy server database"),
        ("<|startoftranscript|> a", "startoftranscript a"),
        ("เเป้น น้ํา", "แป้น น้ำ"),
        ("ศิริ\u200bราช\u0000 \ud800x", "ศิริราช x"),
        ("C++ TCP/IP 5G", "C++ TCP/IP 5G"),
    ],
)
def test_a_glossary_becomes_words_with_single_spaces(text: str, tidied: str) -> None:
    assert tidy(text) == tidied


@pytest.mark.parametrize(
    "text",
    [
        "deploy",
        "DEPLOY SERVER.",
        "ทักซ์แป้นพิมพ์",
        "แป้นพิมพ์ ทักซ์",
        "deploy deploy server",
        "server ทักซ์",
        "แป้น",
    ],
)
def test_its_words_or_a_part_of_it_are_an_echo(text: str) -> None:
    assert is_echo(text, GLOSSARY)


@pytest.mark.parametrize("text", ["", " . ", "กดแป้นพิมพ์", "deployed", "servers down"])
def test_other_text_is_none(text: str) -> None:
    assert not is_echo(text, GLOSSARY)


def test_nothing_is_an_echo_of_no_glossary() -> None:
    assert not is_echo("deploy", "")


def test_words_that_begin_alike_take_no_time_to_tell_apart() -> None:
    glossary = " ".join("a" * length for length in range(2, 19))
    assert is_echo("a" * 2_000, glossary)
    assert not is_echo("a" * 2_000 + "b", glossary)
