"""What is said once the server is ready."""

from __future__ import annotations

import pytest

from server.context import Ports
from server.greeting import Greeting, Reach, own_hosts, reachable

FOUND = (
    "127.0.0.1",
    "192.168.1.5",
    "169.254.7.7",
    "fe80::1%eth0",
    "2001:db8::5",
    "::1",
    "02:42:ac:11:00:02",
    "192.168.1.5",
    "10.0.0.7",
)


def greeting_of(reach: Reach) -> Greeting:
    return Greeting(
        reach=reach,
        model="scripted",
        device="cpu",
        compute_type="int8",
        profile="fast",
        open_doors=["no TLS"],
        notices=["on a CPU"],
        client="python client.py",
    )


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("0.0.0.0", ("192.168.1.5", "10.0.0.7", "desk")),
        ("::", ("2001:db8::5", "desk")),
        ("", ("192.168.1.5", "2001:db8::5", "10.0.0.7", "desk")),
    ],
)
def test_others_use_addresses_of_the_kind_that_the_server_listens_on(
    host: str, hosts: tuple[str, ...]
) -> None:
    assert reachable(host, FOUND, "desk") == hosts


def test_of_many_addresses_a_few_are_shown() -> None:
    assert len(reachable("0.0.0.0", [f"10.0.0.{n}" for n in range(1, 99)], "localhost")) == 4


def test_one_address_to_listen_on_is_the_address() -> None:
    assert own_hosts("localhost") == own_hosts("192.168.1.5") == ()


def test_the_machine_s_own_addresses_are_asked_of_the_system() -> None:
    hosts = own_hosts("0.0.0.0")
    assert "127.0.0.1" not in hosts
    assert "0.0.0.0" not in hosts


def test_every_address_shown_can_be_used() -> None:
    reach = Reach("0.0.0.0", Ports(8765, 8766), secure=True, others=("192.168.1.5", "2001:db8::5"))
    text = greeting_of(reach).text()
    assert "0.0.0.0" not in text
    for shown in (
        "  page     https://localhost:8765/\n",
        "  control  wss://localhost:8765\n",
        "  audio    wss://localhost:8766\n",
        "https://192.168.1.5:8765/\n",
        "https://[2001:db8::5]:8765/\n",
        "--url wss://192.168.1.5:8765\n",
        "python client.py --url wss://localhost:8765 [--file F]\n",
    ):
        assert shown in text, shown


@pytest.mark.parametrize(
    ("host", "ports", "secure", "options"),
    [
        ("localhost", Ports(8765, 8766), False, ""),
        ("0.0.0.0", Ports(8765, 8766), False, ""),
        ("localhost", Ports(9000, 9001), False, " --url ws://localhost:9000"),
        ("localhost", Ports(8765, 8766), True, " --url wss://localhost:8765"),
        ("192.168.1.5", Ports(8765, 8766), False, " --url ws://192.168.1.5:8765"),
        ("::", Ports(1, 2), False, " --url ws://localhost:1"),
        ("::1", Ports(1, 2), False, " --url ws://[::1]:1"),
    ],
)
def test_the_client_is_told_what_it_would_not_find(
    host: str, ports: Ports, secure: bool, options: str
) -> None:
    assert Reach(host, ports, secure).client_options == options


def test_on_this_machine_only_nothing_is_said_of_others() -> None:
    assert "other machines" not in greeting_of(Reach("localhost", Ports(1, 2), secure=False)).text()
