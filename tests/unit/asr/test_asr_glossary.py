"""Words given to a model beforehand, and how they come back."""

from __future__ import annotations

import pytest

from asr.glossary import is_babble, is_echo, tidy

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
        "ทักซ์ แป้นพิมพ์ สเ",
        "deploys",
    ],
)
def test_its_words_a_part_of_it_or_little_else_are_an_echo(text: str) -> None:
    assert is_echo(text, GLOSSARY)


@pytest.mark.parametrize("text", ["", " . ", "กดแป้นพิมพ์ตัวอักษร", "redeploying it"])
def test_other_text_is_none(text: str) -> None:
    assert not is_echo(text, GLOSSARY)


def test_nothing_is_an_echo_of_no_glossary() -> None:
    assert not is_echo("deploy", "")


@pytest.mark.parametrize(
    ("text", "babble"),
    [
        ("แป้นพิมพ์ แป้นพิมพ์ แป้น ทักซ์ ส แป้นพิมพ์", True),
        ("Server, server สเ server ทักซ์", True),
        ("แป้นพิมพ์ ทักซ์ deploy server", True),
        ("แป้นพิมพ์ ทักซ์ deploy", False),
        ("deploy server ทุกวันจันทร์ แล้ว server ล่ม แต่ server ใหม่ไม่ล่มเลยสักครั้ง", False),
        ("ครับ ครับ ครับ", False),
        ("", False),
    ],
)
def test_many_of_its_words_and_little_else_are_babble(text: str, babble: bool) -> None:
    assert is_babble(text, GLOSSARY) is babble
    assert not is_babble(text, "")
