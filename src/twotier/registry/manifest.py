"""The manifest says what an artefact is made of, to the byte; its signature says who made it.

`manifest.json` is canonical JSON: format, family, version, created_at and, for each other file, its SHA-256 and size.
`manifest.sig` is one line: the algorithm, the id of the key and the signature of manifest.json's bytes in base64.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from cryptography.exceptions import InvalidSignature

from twotier.errors import DigestMismatch, NotServable, SignatureInvalid
from twotier.registry.keys import SigningKey, TrustedKeys

FORMAT = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
ALGORITHM = "ed25519"

Files = Mapping[str, bytes]
"""The files of one artefact by name."""


def sign(family: str, version: str, created_at: datetime, files: Files, key: SigningKey) -> Files:
    """Make the manifest of the files and its signature: the two last files, the signature last."""
    content = {
        "format": FORMAT,
        "family": family,
        "version": version,
        "created_at": created_at.isoformat(),
        "files": {name: _digest(file) for name, file in files.items()},
    }
    manifest = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    signature = f"{ALGORITHM} {key.id} {base64.b64encode(key.sign(manifest)).decode()}\n"
    return {MANIFEST: manifest, SIGNATURE: signature.encode()}


def fingerprint(files: Files) -> str:
    """SHA-256 of the manifest, and thereby of all that it lists."""
    return hashlib.sha256(files[MANIFEST]).hexdigest()


def verify(family: str, version: str, files: Files, trusted: TrustedKeys, expected: str) -> None:
    """Check that a trusted key signed exactly these files as this version, and that their fingerprint is the expected one.

    Raises SignatureInvalid or DigestMismatch; NotServable if the manifest is of a newer format.
    """
    _verify_signature(family, version, files, trusted)
    content = json.loads(files[MANIFEST])
    if content["format"] != FORMAT:
        raise NotServable(f"{family} {version}: {MANIFEST} has format {content['format']}, not {FORMAT}: upgrade twotier")
    if (content["family"], content["version"]) != (family, version):
        raise SignatureInvalid(
            f"{family} {version}: {MANIFEST} was signed for {content['family']} {content['version']}:"
            " put the right files back, or train again"
        )
    # A killed training may have left an artefact of that name, signed but never recorded: it must not take the recorded one's place.
    if fingerprint(files) != expected:
        raise DigestMismatch(f"{family} {version}: {MANIFEST} is signed, but not the one in the ledger: put that back, or train again")
    for name, signed in content["files"].items():
        if name not in files:
            raise DigestMismatch(f"{family} {version}: {name} is missing: put it back from a backup, or train again")
        if (found := _digest(files[name])) != signed:
            raise DigestMismatch(
                f"{family} {version}: {name} is not what was signed ({found['size']} bytes, SHA-256 {found['sha256']}; signed:"
                f" {signed['size']} bytes, {signed['sha256']}): put it back from a backup, or train again"
            )
    if extra := sorted(files.keys() - content["files"].keys() - {MANIFEST, SIGNATURE}):
        raise DigestMismatch(f"{family} {version}: {extra[0]} is not in the manifest: take it away")


def _verify_signature(family: str, version: str, files: Files, trusted: TrustedKeys) -> None:
    for name in (MANIFEST, SIGNATURE):
        if name not in files:
            raise SignatureInvalid(f"{family} {version}: {name} is missing, so nobody vouches for it: put it back, or train again")
    try:
        algorithm, key, encoded = files[SIGNATURE].decode("ascii").split()
        signature = base64.b64decode(encoded, validate=True)
    except ValueError:
        algorithm = key = ""
    if algorithm != ALGORITHM:
        raise SignatureInvalid(f"{family} {version}: {SIGNATURE} is not a signature of the form '{ALGORITHM} KEY BASE64': train again")
    if key not in trusted:
        raise SignatureInvalid(
            f"{family} {version}: {SIGNATURE} is by key {key[:64]}, which is not trusted (trusted: {', '.join(trusted) or 'none'}):"
            " put its public key into the folder of trusted keys if you know whose it is, or train again"
        )
    try:
        trusted[key].verify(signature, files[MANIFEST])
    except InvalidSignature:
        raise SignatureInvalid(
            f"{family} {version}: {SIGNATURE} does not fit {MANIFEST}, so one of them was changed: put them back, or train again"
        ) from None


def _digest(content: bytes) -> dict[str, str | int]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
