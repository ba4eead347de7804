"""Any value is taken as the setting's own type, or refused by name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.setting_rows import SettingError
from server.settings import Settings, check, parse

NAMES = st.sampled_from(Settings.names())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 100_000),
    st.integers(-(10**4_000), 10**4_000),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["auto", "cpu", "silero", "off", "fast", "pcm16"]),
)


@given(name=NAMES | st.text(), value=SCALARS)
def test_check(name: str, value: object) -> None:
    outcome = outcome_of(name, value)
    if isinstance(outcome, SettingError):
        assert outcome.name == name
        assert str(outcome).startswith(f"{name}: ")
        return
    assert type(outcome) is type(getattr(Settings(), name))
    assert outcome == value


@given(name=NAMES, value=SCALARS)
def test_a_value_survives_being_written_as_text(name: str, value: object) -> None:
    outcome = outcome_of(name, value)
    if not isinstance(outcome, SettingError):
        assert parse(name, str(outcome)) == outcome


@given(name=NAMES, text=st.text())
def test_parse(name: str, text: str) -> None:
    said: SettingError | None = None
    try:
        value = parse(name, text)
    except SettingError as error:
        said = error
    else:
        assert type(value) is type(getattr(Settings(), name))
    assert said is None or said.name == name


def outcome_of(name: str, value: object) -> object:
    try:
        return check(name, value)
    except SettingError as error:
        return error
