"""Certificates that the client trusts, and what to do where the server does not let it in."""

from __future__ import annotations

import ssl
from http import HTTPStatus
from pathlib import Path

from client.errors import ConnectError

TOKEN_HINT = (
    "Give this client the token that the server's operator gave you: --token, or better the "
    "variable THAI_ASR_TOKEN."
)
HINTS = {
    HTTPStatus.UNAUTHORIZED: TOKEN_HINT,
    HTTPStatus.FORBIDDEN: "The server, or a proxy before it, does not let this client in from "
    "here; its operator can say who may.",
    HTTPStatus.TOO_MANY_REQUESTS: "Wait before the next try; if it was a wrong token, get the "
    "right one first.",
}


def trusting(ca_file: Path | None) -> ssl.SSLContext | None:
    """The certificates to trust: those in a PEM file beside the system's; None for the system's.

    Raises ConnectError.
    """
    if ca_file is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (ssl.SSLError, OSError) as error:
        raise ConnectError(
            f"{ca_file}: no certificates to trust in PEM ({error.strerror or error})",
            may_pass=False,
        ) from error
    return context


def refusal_hint(status: int) -> str:
    """For the user, a line of its own, behind what the server answered; empty if there is none."""
    hint = HINTS.get(HTTPStatus(status)) if status in HINTS else None
    return f"\n{hint}" if hint else ""


def tls_hint(url: str, error: Exception) -> str | None:
    """For the user where a connection failed at its encryption; None where it did not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            "The server's certificate is not trusted here. If it is the server you mean, get the "
            "certificate of whoever signed it and give it with --ca-file."
        )
    if isinstance(error, ssl.SSLError):
        return "The server seems not to speak TLS at this address: try ws:// in place of wss://."
    if url.startswith("ws:") and "valid HTTP" in str(error):
        return "If the server has a certificate, its address begins with wss://."
    return None
