"""The signing key and the trusted keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from twotier.errors import ConfigurationError
from twotier.registry.keys import key_id, signing_key, trusted_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the private key is to be."""
    return tmp_path / "keys" / "signing_key.pem"


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """The folder of trusted keys."""
    return tmp_path / "keys" / "trusted"


def test_made_once(path: Path, trusted: Path) -> None:
    """The first call makes the pair, for the owner alone, and trusts it; the next one reads it."""
    key = signing_key(path, trusted)
    assert key.id == signing_key(path, trusted).id
    assert {key.id: key.private.public_key()} == trusted_keys(trusted)
    modes = [oct(each.stat().st_mode & 0o777) for each in (path.parent, path, trusted, trusted / f"{key.id}.pem")]
    assert ["0o700", "0o600", "0o700", "0o644"] == modes


def test_distrusted_stays_distrusted(path: Path, trusted: Path) -> None:
    """Whoever takes the public key away is not overruled by the next publish."""
    key = signing_key(path, trusted)
    (trusted / f"{key.id}.pem").unlink()
    assert key.id == signing_key(path, trusted).id
    assert {} == trusted_keys(trusted)


def test_killed_while_making(path: Path, trusted: Path) -> None:
    """A temporary file left by a killed process is in nobody's way."""
    path.parent.mkdir()
    path.with_suffix(".tmp").write_bytes(b"half a k")
    key = signing_key(path, trusted)
    assert [path, trusted] == sorted(path.parent.iterdir())
    assert [key.id] == list(trusted_keys(trusted))


def test_no_folder(trusted: Path) -> None:
    """Without the folder nobody is trusted."""
    assert {} == trusted_keys(trusted)


@pytest.mark.parametrize("content", ["garbage", "foreign", "encrypted"])
def test_no_signing_key(path: Path, trusted: Path, content: str) -> None:
    """A file that is not an unencrypted Ed25519 private key is named, and not replaced."""
    password = BestAvailableEncryption(b"secret")
    written = {
        "garbage": b"garbage",
        "foreign": generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "encrypted": Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, password),
    }[content]
    path.parent.mkdir()
    path.write_bytes(written)
    with pytest.raises(ConfigurationError, match="signing_key.pem must be an Ed25519 private key in PEM, without a password"):
        signing_key(path, trusted)
    assert written == path.read_bytes()


def test_unreadable_signing_key(path: Path, trusted: Path) -> None:
    """A key that cannot be read is named with the reason."""
    path.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="signing_key.pem cannot be read: Is a directory"):
        signing_key(path, trusted)


@pytest.mark.parametrize("foreign", [True, False])
def test_no_trusted_key(trusted: Path, foreign: bool) -> None:
    """A file in the trusted folder that is no Ed25519 public key is named: it is not passed over."""
    public = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    trusted.mkdir(parents=True)
    (trusted / "odd.pem").write_bytes(public if foreign else b"garbage")
    with pytest.raises(ConfigurationError, match="odd.pem must be an Ed25519 public key in PEM"):
        trusted_keys(trusted)


def test_unreadable_trusted_key(trusted: Path) -> None:
    """A trusted key that cannot be read is named with the reason."""
    (trusted / "odd.pem").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="odd.pem cannot be read: Is a directory"):
        trusted_keys(trusted)


def test_key_id() -> None:
    """A key's id depends on the key alone: RFC 8032's first test key has this one."""
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert "21fe31dfa154a261" == key_id(private.public_key())
