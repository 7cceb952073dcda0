"""The Ed25519 keys: the private one that signs new versions, and the public ones whose signatures are accepted.

To rotate, put the new public key beside the old one in the trusted folder, then sign with the new private key; take the old public key
away once no version that it signed is wanted any more.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from twotier.errors import ConfigurationError

TrustedKeys = Mapping[str, Ed25519PublicKey]
"""Public keys by their id."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the id of its public key."""

    id: str
    private: Ed25519PrivateKey

    def sign(self, content: bytes) -> bytes:
        """Make the signature of `content`: 64 bytes."""
        return self.private.sign(content)


def key_id(public: Ed25519PublicKey) -> str:
    """Name a key by its content: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def signing_key(path: Path, trusted: Path) -> SigningKey:
    """Read the private key at `path`; if there is none, make one and trust it.

    Raises ConfigurationError if the file is no key. Call it under the ledger's lock, so that no two processes make a key.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _create(path, trusted)
    except OSError as error:
        raise ConfigurationError(f"the signing key {path} cannot be read: {error.strerror}") from error
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigurationError(f"the signing key {path} must be an Ed25519 private key in PEM, without a password")
    return SigningKey(key_id(private.public_key()), private)


def trusted_keys(folder: Path) -> TrustedKeys:
    """Read every `*.pem` of the folder; none if it is not there. Raises ConfigurationError if a file is no key."""
    keys = {}
    for path in sorted(folder.glob("*.pem")):
        try:
            public = load_pem_public_key(path.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"the trusted key {path} cannot be read: {error.strerror}") from error
        except (ValueError, UnsupportedAlgorithm):
            public = None
        if not isinstance(public, Ed25519PublicKey):
            raise ConfigurationError(f"the trusted key {path} must be an Ed25519 public key in PEM: mend it or take it away")
        keys[key_id(public)] = public
    return keys


def copy_trusted(trusted: TrustedKeys, folder: Path) -> None:
    """Write the public keys into a new folder."""
    folder.mkdir(parents=True)
    for name, public in trusted.items():
        _write_public(folder, name, public)


def _create(path: Path, trusted: Path) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    key = SigningKey(key_id(public), private)
    for folder in (path.parent, trusted):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The public key goes first: a process killed between the two leaves a key that nobody can sign with, and no unverifiable version.
    _write_public(trusted, key.id, public)
    _write(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    return key


def _write_public(folder: Path, name: str, public: Ed25519PublicKey) -> None:
    _write(folder / f"{name}.pem", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Make the file at once or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
