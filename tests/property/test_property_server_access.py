"""Whatever arrives, the gates decide, and decide alike."""

from __future__ import annotations

import base64
import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from server.access import FailedAttempts, Identity, TokenTable, digest_of
from server.addresses import Address
from server.callers import AllowedAddresses, TrustedProxies
from server.credentials import offered_token, without_token
from server.handshake import Handshake, Refusal, judge
from server.lobby import Lobby
from server.networks import ip_of, is_in, parse_networks
from server.origins import Pages, parse_allowed, parse_origin
from server.peer import Port, Role
from server.registry import SessionRegistry
from server.settings import Settings

ADDRESSES = st.ip_addresses().map(str)
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
TRUSTED = parse_networks("trusted_proxies", "10.0.0.0/8, 127.0.0.1, ::1")
NAMES = st.text("ab", min_size=1, max_size=2)


def handshake(remote: str, **headers: str) -> Handshake:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Handshake(Port.CONTROL, Address(), remote, named)


@given(st.sets(TOKENS, min_size=1, max_size=8), TOKENS)
def test_the_table_knows_its_tokens_and_no_others(known: set[str], asked: str) -> None:
    table = TokenTable(
        Identity(f"n{i}", Role.SPEAKER, "n", digest_of(token))
        for i, token in enumerate(sorted(known))
    )
    found = table.find(asked)
    assert (found is not None) is (asked in known)
    assert found is None or found.digest == digest_of(asked)


@given(TOKENS)
def test_a_token_comes_through_every_header_as_it_was_sent(token: str) -> None:
    text = base64.urlsafe_b64encode(token.encode()).decode()
    for spelled in (text, text.rstrip("=")):
        offered = {"sec-websocket-protocol": f"thai-asr, token.{spelled}"}
        assert offered_token(offered) == token
        assert spelled not in str(without_token(offered))
    assert offered_token({"authorization": f"Bearer {token}"}) == token


@given(HEADER_TEXT, HEADER_TEXT)
def test_no_header_breaks_the_search_for_a_token(one: str, other: str) -> None:
    headers = {"authorization": one, "sec-websocket-protocol": other}
    offered_token(headers)
    assert offered_token(without_token(headers)) is None


@given(
    st.lists(st.tuples(ADDRESSES, st.integers(0, 10)), max_size=60),
    st.integers(1, 5),
    st.integers(1, 8),
)
def test_the_table_of_failures_is_bounded_and_lets_all_in_again(
    failures: list[tuple[str, int]], limit: int, longest: int
) -> None:
    attempts = FailedAttempts(limit, 60.0, longest)
    now_s = 0.0
    for remote, step_s in failures:
        now_s += step_s
        attempts.note(remote, now_s)
        assert len(attempts) <= longest
        assert 0.0 <= attempts.wait_s(remote, now_s) <= 60.0
    for remote, _ in failures:
        assert attempts.wait_s(remote, now_s + 60.0) == 0.0


@given(ADDRESSES, st.lists(ADDRESSES, max_size=5))
def test_the_client_is_never_what_an_untrusted_hop_says(remote: str, chain: list[str]) -> None:
    verdict = TrustedProxies(TRUSTED)(handshake(remote, x_forwarded_for=", ".join(chain)))
    hops = [ip_of(hop) for hop in (*chain, remote)]
    if isinstance(verdict, Refusal):
        assert chain == []
        return
    last_untrusted = next((h for h in reversed(hops) if h and not is_in(TRUSTED, h)), hops[0])
    assert ip_of(verdict.remote) == last_untrusted


@given(ADDRESSES, HEADER_TEXT)
def test_a_client_cannot_invent_its_address(real: str, invented: str) -> None:
    """What a proxy appends comes last; nothing before it moves the verdict."""
    if is_in(TRUSTED, ip_of(real) or ipaddress.ip_address("10.0.0.1")):
        return
    told = f"{invented.replace(',', ' ')}, {real}"
    verdict = TrustedProxies(TRUSTED)(handshake("10.0.0.1", x_forwarded_for=told))
    assert isinstance(verdict, Handshake)
    assert ip_of(verdict.remote) == ip_of(real)


@given(st.one_of(ADDRESSES, HEADER_TEXT), HEADER_TEXT, HEADER_TEXT, HEADER_TEXT, st.booleans())
def test_no_header_breaks_a_gate(
    remote: str, forwarded: str, host: str, origin: str, loopback: bool
) -> None:
    allowed, every = parse_allowed("https://example.org")
    pages = Pages(loopback, True, allowed, every, lambda: (1, 2))
    gates = (
        TrustedProxies(TRUSTED),
        AllowedAddresses(parse_networks("allowed_addresses", "0.0.0.0/0, ::/0")),
        pages.check_host,
        pages.check_origin,
    )
    given_ = handshake(remote, x_forwarded_for=forwarded, host=host, origin=origin)
    verdict = judge(given_, gates)
    assert isinstance(verdict, Handshake | Refusal)


@given(NAMES, NAMES, st.booleans())
def test_beyond_this_machine_only_its_own_page_may(name: str, other: str, secure: bool) -> None:
    pages = Pages(False, True, frozenset(), False, lambda: (8765, 8766))
    scheme = "https" if secure else "http"
    asked = Handshake(
        Port.AUDIO,
        Address(),
        "192.0.2.1",
        {"host": f"{name}:8766", "origin": f"{scheme}://{other}:8765"},
        secure=secure,
    )
    assert isinstance(pages.check_origin(asked), Handshake) is (name == other)


@given(HEADER_TEXT)
def test_an_origin_is_parsed_alike_twice(text: str) -> None:
    origin = parse_origin(text)
    if origin is not None and origin.port is not None and ":" not in origin.host:
        assert parse_origin(f"{origin.scheme}://{origin.host}:{origin.port}") == origin


@given(st.lists(st.tuples(NAMES, NAMES), min_size=2, max_size=8))
def test_a_session_is_its_namespace_and_its_name(entered: list[tuple[str, str]]) -> None:
    registry = SessionRegistry(Settings(), lambda: 0.0)
    sessions = [registry.enter(name, namespace) for namespace, name in entered]
    for one, session in zip(entered, sessions, strict=True):
        for other, second in zip(entered, sessions, strict=True):
            assert (session is second) is (one == other)
    assert len(registry.sessions) == len(set(entered))
    for session in sessions:
        registry.release(session)
    assert not registry.sessions


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_the_lobby_never_holds_more_than_it_may(steps: list[tuple[str, bool]]) -> None:
    lobby = Lobby(longest=4, per_address=2)
    inside = dict.fromkeys("abc", 0)
    for remote, enters in steps:
        if enters and lobby.enter(remote):
            inside[remote] += 1
        elif not enters and inside[remote]:
            lobby.leave(remote)
            inside[remote] -= 1
        assert len(lobby) == sum(inside.values()) <= 4
        assert max(inside.values()) <= 2
