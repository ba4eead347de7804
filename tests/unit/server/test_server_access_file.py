"""The access file, the variable, and new tokens."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

import pytest

from server.access import digest_of
from server.access_file import AccessError, new_entry, read_tokens
from server.arguments import read_invocation
from server.commands import Command, CommandKind, run_command
from server.peer import Role
from server.settings import Settings

TOKEN = "a-token-0123456789"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "access.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_plain_tokens_and_hashes_with_names_roles_and_namespaces(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f'[boss]\ntoken = "{TOKEN}"\nrole = "admin"\n'
        f'["ห้องตรวจ"]\nsha256 = "{digest_of("other-token-0123456789").hex().upper()}"\n'
        'role = "viewer"\nnamespace = "clinic"\n',
    )
    table = read_tokens(path, "")
    assert table is not None
    boss, other = table.find(TOKEN), table.find("other-token-0123456789")
    assert boss is not None
    assert (boss.name, boss.role, boss.namespace) == ("boss", Role.ADMIN, "boss")
    assert other is not None
    assert (other.name, other.role, other.namespace) == ("ห้องตรวจ", Role.VIEWER, "clinic")


def test_the_variable_is_an_admins_alone_or_beside_the_file(tmp_path: Path) -> None:
    alone = read_tokens(None, TOKEN)
    assert alone is not None
    admin = alone.find(TOKEN)
    assert admin is not None
    assert admin.role is Role.ADMIN
    path = written(tmp_path, '[a]\ntoken = "other-token-0123456789"\nrole = "speaker"\n')
    both = read_tokens(path, TOKEN)
    assert both is not None
    assert len(both) == 2


def test_nothing_given_asks_for_no_token() -> None:
    assert read_tokens(None, "") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names nobody"),
        ("a = \n", "line 1"),
        ("a = 1", "takes a table"),
        ('[a]\nrole = "speaker"', "either token or sha256"),
        (f'[a]\ntoken = "{TOKEN}"', "role is one of speaker, viewer, admin"),
        (f'[a]\ntoken = "{TOKEN}"\nrole = "king"', "role is one of"),
        (f'[a]\ntoken = "{TOKEN}"\nrole = "admin"\nname = "x"', "no such key 'name'"),
        (f'[a]\ntoken = "{TOKEN}"\nrole = 1', "role takes text"),
        (f'[a]\ntoken = "{TOKEN}"\nrole = "admin"\nnamespace = "a/b"', "namespace: a name is"),
        (f'["a b"]\ntoken = "{TOKEN}"\nrole = "admin"', "a name is"),
        ('[a]\ntoken = "short"\nrole = "admin"', "16 to 256"),
        ('[a]\ntoken = "with a space in it 0123"\nrole = "admin"', "no spaces"),
        ('[a]\nsha256 = "12"\nrole = "admin"', "64 hexadecimal"),
        (
            f'[a]\ntoken = "{TOKEN}"\nrole = "admin"\n[b]\ntoken = "{TOKEN}"\nrole = "viewer"',
            "two names have the same token",
        ),
        (
            f'[a]\ntoken = "{TOKEN}"\nrole = "viewer"\n["a"]\ntoken = "x"\nrole = "viewer"',
            "two entries 'a'. To replace a token, delete its old entry first",
        ),
        (f'[environment]\ntoken = "{TOKEN}"\nrole = "admin"', "two tokens have the same name"),
    ],
)
def test_a_bad_file_is_explained_without_its_tokens(tmp_path: Path, text: str, says: str) -> None:
    variable = "variable-token-0123456789" if "environment" in text else ""
    with pytest.raises(AccessError) as raised:
        read_tokens(written(tmp_path, text), variable)
    assert says in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_a_file_that_is_missing_or_no_text_names_itself(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"nowhere\.toml"):
        read_tokens(tmp_path / "nowhere.toml", "")
    (tmp_path / "access.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(AccessError, match="no UTF-8"):
        read_tokens(tmp_path / "access.toml", "")


def test_a_bad_variable_is_explained_and_not_shown() -> None:
    with pytest.raises(AccessError, match="THAI_ASR_TOKEN: a token is") as raised:
        read_tokens(None, "too-short")
    assert "too-short" not in str(raised.value)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_file_that_everybody_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    path = written(tmp_path, f'[a]\ntoken = "{TOKEN}"\nrole = "admin"\n')
    path.chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert read_tokens(path, "") is not None
    assert ("chmod" in caplog.text) is warned


def test_a_new_token_works_with_its_entry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(Command(CommandKind.NEW_TOKEN, "desk"), Settings()) == 0
    shown = capsys.readouterr()
    token = shown.err.split()[-1]
    assert token not in shown.out
    table = read_tokens(written(tmp_path, shown.out), "")
    assert table is not None
    found = table.find(token)
    assert found is not None
    assert (found.name, found.role) == ("desk", Role.SPEAKER)


def test_a_new_token_has_the_role_and_namespace_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "access.toml"
    arguments = ["--access-file", str(path), "--role", "viewer", "--namespace", "clinic"]
    for name in ("ห้อง1", "b"):
        path.touch(mode=0o600)  # as the shell makes it
        invocation = read_invocation([*arguments, "--new-token", name], {})
        assert invocation.command is not None
        assert run_command(invocation.command, invocation.settings) == 0
        shown = capsys.readouterr()
        with path.open("a", encoding="utf-8") as file:
            file.write(shown.out)
        table = read_tokens(path, "")
        assert table is not None
        found = table.find(shown.err.split()[-1])
        assert found is not None
        assert (found.name, found.role, found.namespace) == (name, Role.VIEWER, "clinic")


def test_a_name_that_is_taken_makes_no_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, new_entry("desk")[1])
    settings = Settings().changed({"access_file": str(path)})
    with pytest.raises(AccessError, match="has an entry 'desk' already"):
        run_command(Command(CommandKind.NEW_TOKEN, "desk"), settings)
    assert capsys.readouterr() == ("", "")
    with pytest.raises(AccessError, match="--namespace: a name is"):
        new_entry("desk", namespace="a b")


def test_new_tokens_are_never_alike_and_names_are_checked() -> None:
    tokens = {new_entry("a.b")[0] for _ in range(50)}
    assert len(tokens) == 50
    assert tomllib.loads(new_entry("a.b")[1]).keys() == {"a.b"}
    with pytest.raises(AccessError, match="--new-token"):
        new_entry('x"]\nrole = "admin"')
