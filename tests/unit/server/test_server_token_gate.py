"""Tokens in handshakes, the gate that asks for them, and what each role may ask."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from websockets.typing import Subprotocol

from server import protocol
from server.access import FailedAttempts, Identity, TokenTable, digest_of
from server.addresses import (
    Address,
    AddressError,
    Auth,
    TokenInAddressError,
    parse_address,
    refuse_secrets,
)
from server.credentials import chosen_subprotocol, offered_token, without_token
from server.handshake import Handshake, Refusal
from server.peer import Port, Role
from server.permissions import NEEDS, objection
from server.token_gate import TokenGate

TOKEN = "a-token-0123456789"
DESK = Identity("desk", Role.SPEAKER, "clinic", digest_of(TOKEN))
SPOKEN = base64.urlsafe_b64encode(TOKEN.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None),
        ({"authorization": f"Bearer {TOKEN}"}, TOKEN),
        ({"authorization": f"bearer   {TOKEN} "}, TOKEN),
        ({"authorization": f"Basic {TOKEN}"}, None),
        ({"authorization": "Bearer"}, ""),
        ({"sec-websocket-protocol": f"thai-asr, token.{SPOKEN}"}, TOKEN),
        ({"sec-websocket-protocol": f"token.{SPOKEN},thai-asr"}, TOKEN),
        ({"sec-websocket-protocol": "thai-asr"}, None),
        ({"sec-websocket-protocol": "token."}, ""),
        ({"sec-websocket-protocol": "token.%%%"}, ""),
        ({"sec-websocket-protocol": "token._w"}, ""),
        ({"authorization": "Bearer x", "sec-websocket-protocol": f"token.{SPOKEN}"}, "x"),
        ({"authorization": "Basic x", "sec-websocket-protocol": f"token.{SPOKEN}"}, TOKEN),
    ],
)
def test_where_a_token_is_found(headers: dict[str, str], token: str | None) -> None:
    assert offered_token(headers) == token


def test_what_is_passed_on_holds_no_token() -> None:
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "sec-websocket-protocol": f"thai-asr, token.{SPOKEN}",
        "host": "x",
    }
    assert without_token(headers) == {"host": "x", "sec-websocket-protocol": "thai-asr"}


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["thai-asr", f"token.{SPOKEN}"], "thai-asr"),
        ([f"token.{SPOKEN}", "thai-asr"], "thai-asr"),
        ([f"token.{SPOKEN}"], None),
        (["chat"], None),
        ([], None),
    ],
)
def test_a_token_is_never_answered(offered: list[str], chosen: str | None) -> None:
    assert chosen_subprotocol([Subprotocol(name) for name in offered]) == chosen


@pytest.mark.parametrize(
    "query", ["token=x", "session=a&Token=x", "access_token=", "api_key=x", "KEY=x", "%74oken=x"]
)
def test_a_token_in_the_address_is_refused(query: str) -> None:
    with pytest.raises(TokenInAddressError) as raised:
        refuse_secrets(f"/ws/audio?{query}")
    assert raised.value.reason == "token_in_address"


def test_who_authenticates_by_message_says_so_in_the_address() -> None:
    asked = parse_address("/?auth=message")
    assert asked is not None
    assert asked.auth is Auth.MESSAGE
    with pytest.raises(AddressError, match="auth is handshake or message"):
        parse_address("/?auth=basic")


def handshake(token: str | None, address: Address | None = None) -> Handshake:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return Handshake(Port.AUDIO, address or Address(), "192.0.2.1", headers)


class Door:
    """A gate with one token, two attempts, and a clock that stands."""

    def __init__(self, table: TokenTable | None = None) -> None:
        self.table = table
        self.now_s = 0.0
        self.gate = TokenGate(
            lambda: self.table, FailedAttempts(limit=2, window_s=60.0), lambda: self.now_s
        )

    def status(self, given: Handshake) -> int:
        verdict = self.gate(given)
        return int(verdict.status) if isinstance(verdict, Refusal) else 101


def test_the_gate_finds_out_who_it_is() -> None:
    door = Door(TokenTable([DESK]))
    passed = door.gate(handshake(TOKEN))
    assert isinstance(passed, Handshake)
    assert passed.identity == DESK
    assert passed.namespace == "clinic"
    assert TOKEN not in repr(passed)
    assert "authorization" not in passed.headers
    assert door.status(handshake(None)) == 401
    assert door.status(handshake("wrong")) == 401


def test_right_and_wrong_wait_after_too_many_wrong_ones() -> None:
    door = Door(TokenTable([DESK]))
    statuses = [door.status(handshake("wrong")) for _ in range(3)]
    assert statuses == [401, 401, 429]
    refusal = door.gate(handshake(TOKEN))
    assert isinstance(refusal, Refusal)
    assert dict(refusal.headers) == {"Retry-After": "60"}
    assert door.status(dataclasses.replace(handshake(TOKEN), remote="192.0.2.2")) == 101
    door.now_s = 60.0
    assert door.status(handshake(TOKEN)) == 101


def test_no_token_at_all_is_no_attempt() -> None:
    door = Door(TokenTable([DESK]))
    assert [door.status(handshake(None)) for _ in range(5)] == [401] * 5


def test_who_promised_a_message_passes_as_nobody() -> None:
    door = Door(TokenTable([DESK]))
    passed = door.gate(handshake(TOKEN, Address(auth=Auth.MESSAGE)))
    assert isinstance(passed, Handshake)
    assert passed.identity is None


def test_without_tokens_all_pass_as_they_are() -> None:
    passed = Door().gate(handshake("anything"))
    assert isinstance(passed, Handshake)
    assert (passed.identity, passed.namespace, passed.address.role) == (None, "", Role.SPEAKER)


def test_what_changes_something_is_not_for_viewers() -> None:
    """A request that is not in the table is for everybody: a new one must be looked at here."""
    for_all = {
        protocol.GetModels,
        protocol.GetStatus,
        protocol.GetConfig,
        protocol.GetStatistics,
        protocol.Ping,
    }
    assert for_all | set(NEEDS) == set(protocol.CONTROL_REQUESTS)
    assert not for_all & set(NEEDS)


@pytest.mark.parametrize("guarded", [True, False])
def test_objections_name_the_role_that_is_needed(guarded: bool) -> None:
    load = protocol.LoadModel(model_id="m")
    start = protocol.StartRecording()
    assert objection(protocol.GetStatus(), Role.VIEWER, guarded=guarded) is None
    assert objection(start, Role.SPEAKER, guarded=guarded) is None
    assert objection(load, Role.ADMIN, guarded=guarded) is None
    refused = objection(load, Role.SPEAKER, guarded=guarded)
    assert refused == (
        "load_model needs the role admin; this token's is speaker" if guarded else None
    )
    viewer = objection(load, Role.VIEWER, guarded=guarded)
    assert viewer is not None
    assert "only listens" in viewer
    assert f"needs the role {'admin' if guarded else 'speaker'}" in viewer
