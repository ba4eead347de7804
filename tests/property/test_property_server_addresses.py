"""Any request target is an address, no endpoint, or an AddressError."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.addresses import Address, AddressError, parse_address

NAMES = st.sampled_from(["session", "speaker", "role", "events", "finals", "x"])
QUERIES = st.lists(st.tuples(NAMES, st.text()), max_size=4).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
TARGETS = st.one_of(st.text(), QUERIES.map(lambda query: f"/?{query}"))


@given(target=TARGETS)
def test_parse_address(target: str) -> None:
    try:
        address = parse_address(target)
    except AddressError:
        return
    if not target.startswith(("/?", "/ws/")) and target != "/":
        assert address is None
        return
    assert address is None or isinstance(address, Address)
    if address is not None and address.session is not None:
        assert address.session.isprintable()
        assert 0 < len(address.session) <= 64
