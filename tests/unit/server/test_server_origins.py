"""Pages, names, addresses, proxies, and what is open."""

from __future__ import annotations

import pytest

from server.addresses import Address
from server.callers import AllowedAddresses, TrustedProxies
from server.exposure import Exposure
from server.handshake import Handshake, Refusal
from server.networks import ip_of, is_loopback, parse_networks
from server.origins import Origin, Pages, parse_allowed, parse_origin
from server.peer import Port
from server.setting_rows import SettingError


def handshake(remote: str = "192.0.2.1", **headers: str) -> Handshake:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Handshake(Port.AUDIO, Address(), remote, named)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", None),
        ("", None),
        ("192.0.2.256", None),
        ("192.0.2.1:", None),
        ("[]", None),
    ],
)
def test_addresses_as_they_are_written(text: str, address: str | None) -> None:
    assert str(ip_of(text)) == str(address)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1"])
def test_hosts_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.2", "asr", "localhost.evil.example"]
)
def test_hosts_that_others_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "1.2.3"])
def test_networks_that_are_none(text: str) -> None:
    with pytest.raises(SettingError, match="trusted_proxies: takes addresses"):
        parse_networks("trusted_proxies", text)


PROXIES = TrustedProxies(parse_networks("trusted_proxies", "10.0.0.0/8, ::1"))


@pytest.mark.parametrize(
    ("remote", "chain", "client"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "<script>, 198.51.100.7:80", "198.51.100.7"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("192.0.2.1", "nonsense", "192.0.2.1"),
    ],
)
def test_the_client_is_the_last_that_no_trusted_proxy_is(
    remote: str, chain: str, client: str
) -> None:
    passed = PROXIES(handshake(remote, x_forwarded_for=chain))
    assert isinstance(passed, Handshake)
    assert passed.remote == client


@pytest.mark.parametrize("chain", ["", "unknown", "198.51.100.7, nonsense", "1.2.3.4,,10.0.0.2"])
def test_a_proxy_that_says_what_is_no_address_is_refused(chain: str) -> None:
    refused = PROXIES(handshake("10.0.0.1", x_forwarded_for=chain))
    assert isinstance(refused, Refusal)
    assert refused.reason == "forwarded"


@pytest.mark.parametrize(
    ("remote", "proto", "secure"),
    [
        ("10.0.0.1", "https", True),
        ("10.0.0.1", "http, https", True),
        ("10.0.0.1", "https, http", False),
        ("192.0.2.1", "https", False),
    ],
)
def test_tls_is_what_the_trusted_proxy_next_to_us_says(
    remote: str, proto: str, secure: bool
) -> None:
    given = handshake(remote, x_forwarded_for="198.51.100.7", x_forwarded_proto=proto)
    passed = PROXIES(given)
    assert isinstance(passed, Handshake)
    assert passed.secure is secure


def test_a_trusted_address_that_forwards_nobody_is_a_client() -> None:
    passed = PROXIES(handshake("10.0.0.1", x_forwarded_proto="https"))
    assert isinstance(passed, Handshake)
    assert (passed.remote, passed.proxied, passed.secure) == ("10.0.0.1", False, False)


def test_addresses_that_are_answered() -> None:
    gate = AllowedAddresses(parse_networks("allowed_addresses", "192.0.2.0/24"))
    assert isinstance(gate(handshake("192.0.2.9")), Handshake)
    for remote in ("198.51.100.1", "", "::1"):
        assert isinstance(gate(handshake(remote)), Refusal)
    assert isinstance(AllowedAddresses(())(handshake("")), Handshake)


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Example.org", Origin("https", "example.org", 443)),
        ("http://example.org:8080/", Origin("http", "example.org", 8080)),
        ("http://[::1]:80", Origin("http", "::1", 80)),
        ("chrome-extension://abc", Origin("chrome-extension", "abc", None)),
        ("null", None),
        ("file://", None),
        ("", None),
        ("https://", None),
        ("https://user@example.org", None),
        ("https://example.org/path", None),
        ("https://example.org:port", None),
        ("https://a, https://b", None),
    ],
)
def test_what_is_an_origin(text: str, origin: Origin | None) -> None:
    assert parse_origin(text) == origin


def test_allowed_origins_are_checked() -> None:
    assert parse_allowed("https://a, http://b:80 *") == (
        frozenset({Origin("https", "a", 443), Origin("http", "b", 80)}),
        True,
    )
    with pytest.raises(SettingError, match=r"not 'example\.org'"):
        parse_allowed("example.org")


def pages(*, loopback: bool = True, allowed: str = "", from_files: bool = True) -> Pages:
    origins, every = parse_allowed(allowed)
    return Pages(loopback, from_files, origins, every, lambda: (8765, 8766))


OWN = "http://asr.example:8765"


@pytest.mark.parametrize(
    ("rule", "host", "origin", "may"),
    [
        (pages(loopback=False), "asr.example:8766", OWN, True),
        (pages(loopback=False), "asr.example:9000", "http://asr.example:9000", True),
        (pages(loopback=False), "asr.example:8766", "https://asr.example:8765", False),
        (pages(loopback=False), "asr.example:8766", "http://asr.example:9000", False),
        (pages(loopback=False), "asr.example:8766", "http://evil.example:8765", False),
        (pages(loopback=False), "asr.example:8766", "http://localhost:8765", False),
        (pages(loopback=False), "asr.example:8766", "null", False),
        (pages(loopback=False), "", OWN, False),
        (pages(loopback=False, allowed="https://a"), "x", "https://a", True),
        (pages(loopback=False, allowed="*"), "x", "https://evil.example", True),
        (pages(), "localhost:8766", "http://127.0.0.1:3000", True),
        (pages(), "localhost:8766", "null", True),
        (pages(from_files=False), "localhost:8766", "null", False),
        (pages(), "localhost:8766", "ftp://localhost", False),
        (pages(), "192.168.1.5:8766", "http://192.168.1.5:8765", True),
    ],
)
def test_which_pages_may_connect(rule: Pages, host: str, origin: str, may: bool) -> None:
    verdict = rule.check_origin(handshake(host=host, origin=origin))
    assert isinstance(verdict, Handshake) is may
    assert isinstance(rule.check_origin(handshake(host=host)), Handshake)


@pytest.mark.parametrize(
    ("rule", "host", "answered"),
    [
        (pages(), "localhost", True),
        (pages(), "127.0.0.1:8765", True),
        (pages(), "[::1]:8765", True),
        (pages(), "192.168.1.5", True),
        (pages(), "", True),
        (pages(), "evil.example", False),
        (pages(), "localhost.evil.example:8765", False),
        (pages(), "a b", False),
        (pages(allowed="https://asr.example"), "asr.example", True),
        (pages(loopback=False), "whatever.example", True),
    ],
)
def test_by_which_names_the_server_is_called(rule: Pages, host: str, answered: bool) -> None:
    assert isinstance(rule.check_host(handshake(host=host)), Handshake) is answered


def exposure(host: str = "0.0.0.0", **known: bool) -> Exposure:
    facts = dict.fromkeys(("has_tokens", "has_tls", "by_proxy", "insecure"), False)
    return Exposure(host, **(facts | known))


@pytest.mark.parametrize(
    ("given", "starts", "doors"),
    [
        (exposure("localhost"), True, 0),
        (exposure("127.0.0.1"), True, 0),
        (exposure("localhost", by_proxy=True), True, 1),
        (exposure(), False, 2),
        (exposure(has_tls=True), False, 1),
        (exposure(has_tokens=True), False, 1),
        (exposure(by_proxy=True), False, 1),
        (exposure(has_tokens=True, has_tls=True), True, 0),
        (exposure(has_tokens=True, by_proxy=True), True, 0),
        (exposure(insecure=True), True, 2),
        (exposure(insecure=True, has_tokens=True), True, 1),
    ],
)
def test_beyond_this_machine_only_closed_or_on_purpose(
    given: Exposure, starts: bool, doors: int
) -> None:
    assert (given.objection() is None) is starts
    assert len(given.open_doors()) == doors


def test_the_objection_names_three_ways_out() -> None:
    text = exposure().objection()
    assert text is not None
    ways = ("leave out --host", "--access-file", "--tls-cert", "--trusted-proxies", "--insecure")
    assert [way for way in ways if way not in text] == []
