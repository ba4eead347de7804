"""What a connection's address asks for: session, role, speaker. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qs

from server.peer import Finals, Role

PATHS = ("/", "/ws/control", "/ws/audio")
"""Both ports take all of them: a proxy forwards the path it was given."""

QUERY = ("session", "role", "speaker", "events", "finals", "resume", "auth")
"""A misspelt name is refused: `?sesion=x` must not end in the session that all share."""

ROLES = (Role.SPEAKER, Role.VIEWER)
"""What can be asked for; more than that is a token's."""

SECRETS = ("token", "access_token", "auth_token", "api_key", "apikey", "key", "jwt", "password")
"""Names under which people put a token into an address, in lower case."""

DEFAULT_SESSION = "default"
_NAME = re.compile(r"[\w\u0e00-\u0e7f.\-]{1,64}")
"""Thai vowels above and below and tone marks are not among the letters of `re`."""
_SPEAKER = re.compile(r"(?! )[\w\u0e00-\u0e7f .\-]{1,64}(?<! )")


class Resume(Enum):
    """Whether a connection has a place that it can come back to."""

    NO = "no"
    NEW = "new"
    """It gets one, and a token for it in `connected`."""
    BACK = "back"
    """It had one: its first message is `resume`."""


class Auth(Enum):
    """Where a connection's token is."""

    HANDSHAKE = "handshake"
    """In the header, or among the subprotocols."""
    MESSAGE = "message"
    """In its first message, `authenticate`."""


class AddressError(ValueError):
    """A query that cannot be honoured; the handshake is answered with 400."""

    reason = "bad_query"


class TokenInAddressError(AddressError):
    """An address with a token in it. The message does not repeat it."""

    reason = "token_in_address"


@dataclass(frozen=True, slots=True)
class Address:
    """The query of a connection. `session` is None for one that names none."""

    session: str | None = None
    role: Role = Role.SPEAKER
    speaker: str | None = None
    every_event: bool = False
    finals: Finals = Finals.SINGLE
    resume: Resume = Resume.NO
    auth: Auth = Auth.HANDSHAKE


def refuse_secrets(target: str) -> None:
    """Raises TokenInAddressError for a request target that looks as if a token stood in it."""
    names = parse_qs(target.partition("?")[2], keep_blank_values=True)
    if any(name.lower() in SECRETS for name in names):
        raise TokenInAddressError(
            "a token does not belong in the address, which proxies and browsers keep in logs: send "
            "it as header, as subprotocol or as first message (docs/access.md), and replace this "
            "one by a new one"
        )


def parse_address(target: str) -> Address | None:
    """The address of a request target, None for a path that is no endpoint.

    Raises AddressError for a bad session, speaker, role, events, finals, resume or auth value.
    """
    path, _, query_text = target.partition("?")
    if path not in PATHS:
        return None
    query = {name: values[-1] for name, values in parse_qs(query_text).items()}
    unknown = query.keys() - QUERY
    if unknown:
        raise AddressError(f"no such query: {min(unknown)[:40]!r}; there are {', '.join(QUERY)}")
    role = query.get("role", Role.SPEAKER.value)
    if role not in {r.value for r in ROLES}:
        raise AddressError(f"role is speaker or viewer, not {role[:40]!r}")
    events = query.get("events", "basic")
    if events not in {"basic", "all"}:
        raise AddressError(f"events is basic or all, not {events[:40]!r}")
    finals = query.get("finals", Finals.SINGLE.value)
    if finals not in {f.value for f in Finals}:
        raise AddressError(f"finals is single or revised, not {finals[:40]!r}")
    resume = query.get("resume", Resume.NO.value)
    if resume not in {r.value for r in Resume}:
        raise AddressError(f"resume is new or back, not {resume[:40]!r}")
    auth = query.get("auth", Auth.HANDSHAKE.value)
    if auth not in {a.value for a in Auth}:
        raise AddressError(f"auth is handshake or message, not {auth[:40]!r}")
    return Address(
        session=_name("session", _NAME, query.get("session")),
        role=Role(role),
        speaker=_name("speaker", _SPEAKER, query.get("speaker")),
        every_event=events == "all" or resume != Resume.NO.value,
        finals=Finals(finals),
        resume=Resume(resume),
        auth=Auth(auth),
    )


def _name(what: str, allowed: re.Pattern[str], text: str | None) -> str | None:
    if text is not None and not allowed.fullmatch(text):
        spaces = " (a speaker's also spaces between them)" if allowed is _SPEAKER else ""
        raise AddressError(
            f"{what} is 1 to 64 letters, digits, dots, dashes or underscores{spaces}, "
            f"not {text[:40]!r}"
        )
    return text
