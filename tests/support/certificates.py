"""Certificates of a made-up authority, for 127.0.0.1 and localhost."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs the certificates of one server, whose files lie in a folder."""

    folder: Path
    ca: trustme.CA = field(default_factory=trustme.CA)

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    def issue(self) -> bytes:
        """Write a new certificate and its key; the certificate as a client sees it (DER)."""
        made = self.ca.issue_cert("localhost", "127.0.0.1", "::1")
        chain = b"".join(part.bytes() for part in made.cert_chain_pems)
        self.certificate.write_bytes(chain)
        self.key.write_bytes(made.private_key_pem.bytes())
        return ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())

    def write_ca(self) -> Path:
        """The file that a client trusts."""
        path = self.folder / "ca.pem"
        path.write_bytes(self.ca.cert_pem.bytes())
        return path

    def client_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context

    def settings(self) -> dict[str, Any]:
        return {"tls_cert": str(self.certificate), "tls_key": str(self.key)}
