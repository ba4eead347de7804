"""Tokens from a file and from the environment."""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.access import Identity, TokenTable, digest_of
from server.peer import Role

logger = logging.getLogger(__name__)

TOKEN_VARIABLE = "THAI_ASR_TOKEN"
ENVIRONMENT_NAME = "environment"
"""Whom the variable's token stands for; its namespace, too."""

TOKEN_BYTES = 24
MIN_LENGTH = 16
MAX_LENGTH = 256

REPLACE = "To replace a token, delete its old entry first; for one more, take another name."

_NAME = re.compile(r"[\w\u0e00-\u0e7f.\-]{1,64}")
_HEADER = re.compile(r"""^[ \t]*\[[ \t]*["']?([\w\u0e00-\u0e7f.\-]+)["']?[ \t]*\]""", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = ("token", "sha256", "role", "namespace")


class AccessError(Exception):
    """Who may come in cannot be told. The message says what to do, and holds no token."""


def read_tokens(path: Path | None, variable: str) -> TokenTable | None:
    """Every token there is, of the file and of the variable; None where neither is given.

    Blocking. Raises AccessError.
    """
    identities = [] if path is None else _read_file(path)
    if variable:
        _check_token(variable, TOKEN_VARIABLE)
        identities.append(
            Identity(ENVIRONMENT_NAME, Role.ADMIN, ENVIRONMENT_NAME, digest_of(variable))
        )
    if not identities:
        return None
    try:
        return TokenTable(identities)
    except ValueError as error:
        raise AccessError(f"{path}: {error}") from error


def new_entry(name: str, role: Role = Role.SPEAKER, namespace: str = "") -> tuple[str, str]:
    """A new token, and what the file says of it. Raises AccessError for a bad name."""
    _check_name(name, "--new-token")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    entry = f'["{name}"]\nsha256 = "{digest_of(token).hex()}"\nrole = "{role.value}"\n'
    if namespace:
        _check_name(namespace, "--namespace")
        entry += f'namespace = "{namespace}"\n'
    return token, entry


def check_unused(name: str, path: Path) -> None:
    """See whether an access file has room for an entry of this name; it may be empty, or not there.

    Blocking. Raises AccessError.
    """
    if path.exists() and name in _tables(path):
        raise AccessError(f"{path} has an entry {name!r} already. {REPLACE}")


def _read_file(path: Path) -> list[Identity]:
    tables = _tables(path)
    if not tables:
        raise AccessError(f"{path} names nobody: --new-token NAME makes an entry")
    return [_identity(f"{path}, {name}", name, entry) for name, entry in tables.items()]


def _tables(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except OSError as error:
        raise AccessError(f"cannot read the access file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AccessError(f"the access file {path} is no UTF-8") from error
    if os.name == "posix" and mode & stat.S_IROTH:
        logger.warning("everybody on this machine can read %s: chmod o= %s", path, path)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        names = _HEADER.findall(text)
        for name in names:
            if names.count(name) > 1:
                raise AccessError(f"{path} has two entries {name!r}. {REPLACE}") from error
        raise AccessError(f"{path}: {error}") from error


def _identity(where: str, name: str, entry: Any) -> Identity:
    _check_name(name, where)
    if not isinstance(entry, Mapping):
        raise AccessError(f'{where}: takes a table, ["{name}"] and below it role = "speaker"')
    for key, value in entry.items():
        if key not in _KEYS:
            raise AccessError(f"{where}: no such key {key!r}; there are {', '.join(_KEYS)}")
        if not isinstance(value, str):
            raise AccessError(f"{where}: {key} takes text")
    namespace = entry.get("namespace", name)
    _check_name(namespace, f"{where}, namespace")
    roles = {role.value: role for role in Role}
    if entry.get("role") not in roles:
        raise AccessError(f"{where}: role is one of {', '.join(roles)}")
    return Identity(name, roles[entry["role"]], namespace, _digest(where, entry))


def _digest(where: str, entry: Mapping[str, str]) -> bytes:
    if ("token" in entry) == ("sha256" in entry):
        raise AccessError(f"{where}: takes either token or sha256")
    if "token" in entry:
        _check_token(entry["token"], where)
        return digest_of(entry["token"])
    text = entry["sha256"].lower()
    if not _SHA256.fullmatch(text):
        raise AccessError(f"{where}: sha256 is 64 hexadecimal digits")
    return bytes.fromhex(text)


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise AccessError(
            f"{where}: a name is 1 to 64 letters, digits, dots, dashes or underscores"
        )


def _check_token(token: str, where: str) -> None:
    fits = MIN_LENGTH <= len(token) <= MAX_LENGTH
    if not fits or not token.isascii() or not token.isprintable() or " " in token:
        raise AccessError(
            f"{where}: a token is {MIN_LENGTH} to {MAX_LENGTH} letters, digits and punctuation, "
            "no spaces (--new-token NAME makes one)"
        )
