"""The server's certificate, which can be replaced while it listens."""

from __future__ import annotations

import ssl
from pathlib import Path

from server.access_file import AccessError

HANDSHAKE_S = 10.0
"""A client that opens a connection and says nothing."""


class Certificate:
    """A certificate and its key, in files. Raises AccessError if they cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = self._load()

    def reload(self) -> None:
        """Read both again (blocking): handshakes from now on get what is there now.

        Connections that stand are not touched. Raises AccessError, and all stays as it is.
        """
        self._load()  # the context in use would be left with half of a bad pair
        self._load_into(self.context)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        for path in (self._certificate, self._key):
            try:
                path.open("rb").close()
            except OSError as error:
                raise AccessError(f"cannot read {path}: {error.strerror}") from error
        try:
            # without a password, OpenSSL would ask for it at the terminal
            context.load_cert_chain(self._certificate, self._key, password="")
        except (ssl.SSLError, OSError) as error:
            raise AccessError(
                f"{self._certificate} and {self._key} are no certificate and its key in PEM, "
                f"without a password ({error.strerror or error})"
            ) from error


def certificate_of(certificate: str, key: str) -> Certificate | None:
    """What the settings `tls_cert` and `tls_key` name; None if neither. Raises AccessError."""
    if not certificate and not key:
        return None
    if not certificate or not key:
        raise AccessError("tls_cert and tls_key go together: the certificate and its key")
    return Certificate(Path(certificate), Path(key))
