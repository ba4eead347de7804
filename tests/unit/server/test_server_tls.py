"""Certificates: which are taken, and what stays when a new one is bad."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from server.access_file import AccessError
from server.tls import certificate_of
from tests.support.certificates import Authority


def test_tls_is_1_2_at_least(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    made = certificate_of(str(authority.certificate), str(authority.key))
    assert made is not None
    assert made.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_none_named_is_none_and_half_is_a_mistake(tmp_path: Path) -> None:
    assert certificate_of("", "") is None
    for half in (("cert.pem", ""), ("", "key.pem")):
        with pytest.raises(AccessError, match="go together"):
            certificate_of(*half)


def test_a_bad_pair_is_explained(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    with pytest.raises(AccessError, match=r"cannot read .*nowhere"):
        certificate_of(str(tmp_path / "nowhere"), str(authority.key))
    other = Authority(tmp_path / "other")
    other.folder.mkdir()
    other.issue()
    with pytest.raises(AccessError, match="no certificate and its key"):
        certificate_of(str(authority.certificate), str(other.key))
    with pytest.raises(AccessError, match="no certificate and its key"):
        certificate_of(str(authority.key), str(authority.key))


def test_a_key_with_a_password_is_refused_without_asking(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    locked = tmp_path / "locked.pem"
    key = load_pem_private_key(authority.key.read_bytes(), password=None)
    with_password = BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, with_password))
    with pytest.raises(AccessError, match="without a password"):
        certificate_of(str(authority.certificate), str(locked))


def test_a_bad_new_pair_changes_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    made = certificate_of(str(authority.certificate), str(authority.key))
    assert made is not None
    context = made.context
    for bad in (authority.certificate, authority.key):
        bad.write_text("nothing")
        with pytest.raises(AccessError):
            made.reload()
        assert made.context is context
    authority.issue()
    made.reload()
    assert made.context is context
