"""Tokens, what they stand for, and how often one may guess."""

from __future__ import annotations

import hmac

import pytest

from server.access import FailedAttempts, Identity, TokenTable, digest_of, role_of
from server.lobby import Lobby
from server.peer import Role


def identity(name: str, role: Role = Role.SPEAKER, token: str = "") -> Identity:
    return Identity(name, role, name, digest_of(token or f"token-of-{name}"))


def test_a_token_finds_its_identity_and_no_other_does() -> None:
    table = TokenTable([identity("a"), identity("b")])
    assert table.find("token-of-a") == identity("a")
    assert table.find("token-of-b") == identity("b")
    for wrong in ("", "token-of-c", "token-of-a ", "TOKEN-OF-A", "a", "\ud800"):
        assert table.find(wrong) is None


def test_every_token_is_compared_in_full_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counting(known: bytes, given: bytes) -> bool:
        compared.append((len(known), len(given)))
        return compare(known, given)

    monkeypatch.setattr("server.access.hmac.compare_digest", counting)
    table = TokenTable([identity(name) for name in "abc"])
    for token in ("token-of-a", "token-of-c", "x", "y" * 10_000):
        compared.clear()
        table.find(token)
        assert compared == [(32, 32)] * 3


def test_two_of_one_name_or_one_token_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="same name"):
        TokenTable([identity("a"), identity("a", token="other")])
    with pytest.raises(ValueError, match="same token"):
        TokenTable([identity("a", token="one"), identity("b", token="one")])


def test_who_has_another_token_or_role_is_somebody_else() -> None:
    table = TokenTable([identity("a")])
    assert table.holds(identity("a"))
    assert not table.holds(identity("a", token="other"))
    assert not table.holds(identity("a", Role.ADMIN))


def test_neither_token_nor_digest_is_shown() -> None:
    shown = repr(identity("a"))
    assert "token" not in shown
    assert digest_of("token-of-a").hex()[:8] not in shown


@pytest.mark.parametrize(
    ("has", "asks", "is_"),
    [
        (Role.ADMIN, Role.SPEAKER, Role.ADMIN),
        (Role.SPEAKER, Role.SPEAKER, Role.SPEAKER),
        (Role.VIEWER, Role.SPEAKER, Role.VIEWER),
        (Role.ADMIN, Role.VIEWER, Role.VIEWER),
        (Role.SPEAKER, Role.VIEWER, Role.VIEWER),
        (Role.VIEWER, Role.VIEWER, Role.VIEWER),
    ],
)
def test_a_role_is_narrowed_by_either_side(has: Role, asks: Role, is_: Role) -> None:
    assert role_of(identity("a", has), asks) is is_


def test_an_address_waits_after_too_many_and_not_for_ever() -> None:
    attempts = FailedAttempts(limit=3, window_s=60.0)
    for now_s in (0.0, 10.0, 20.0):
        assert attempts.wait_s("192.0.2.1", now_s) == 0.0
        attempts.note("192.0.2.1", now_s)
    assert attempts.wait_s("192.0.2.1", 20.0) == 40.0
    assert attempts.wait_s("192.0.2.2", 20.0) == 0.0
    assert attempts.wait_s("192.0.2.1", 60.0) == 0.0
    attempts.note("192.0.2.1", 61.0)
    assert attempts.wait_s("192.0.2.1", 61.0) == 0.0


def test_a_site_of_ipv6_is_one_address() -> None:
    attempts = FailedAttempts(limit=2)
    attempts.note("2001:db8:0:1::1", 0.0)
    attempts.note("2001:db8:0:1:ffff::2", 0.0)
    assert attempts.wait_s("2001:db8:0:1::3", 0.0) > 0
    assert attempts.wait_s("2001:db8:0:2::1", 0.0) == 0


def test_few_addresses_are_remembered() -> None:
    attempts = FailedAttempts(limit=1, longest=2)
    for number in range(5):
        attempts.note(f"192.0.2.{number}", 0.0)
    assert len(attempts) == 2
    assert attempts.wait_s("192.0.2.0", 0.0) == 0
    assert attempts.wait_s("192.0.2.4", 0.0) > 0


def test_a_network_of_ipv6_waits_in_the_lobby_as_one_address() -> None:
    lobby = Lobby(longest=8, per_address=2)
    assert [lobby.enter(f"2001:db8::{number}") for number in (1, 2, 3)] == [True, True, False]
    assert lobby.enter("2001:db8:0:1::1")
    lobby.leave("2001:db8::1")
    assert lobby.enter("2001:db8::3")


def test_the_lobby_holds_so_many_in_all_and_of_one_address() -> None:
    lobby = Lobby(longest=3, per_address=2)
    assert [lobby.enter("a"), lobby.enter("a"), lobby.enter("a")] == [True, True, False]
    assert [lobby.enter("b"), lobby.enter("c")] == [True, False]
    lobby.leave("a")
    assert lobby.enter("c")
    for remote in "abc":
        lobby.leave(remote)
    assert len(lobby) == 0
