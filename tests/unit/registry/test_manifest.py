"""The manifest and its signature."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from twotier.errors import DigestMismatch, NotServable, SignatureInvalid
from twotier.registry.keys import SigningKey, key_id
from twotier.registry.manifest import fingerprint, sign, verify

Change = Callable[[dict[str, bytes]], None]

MOMENT = datetime(2026, 11, 21, tzinfo=UTC)


def key() -> SigningKey:
    """A fresh key."""
    private = Ed25519PrivateKey.generate()
    return SigningKey(key_id(private.public_key()), private)


KEY, OTHER = key(), key()
TRUSTED = {each.id: each.private.public_key() for each in (OTHER, KEY)}
CONTENT = {"model.pkl": b"model", "card.json": b"{}"}


def signed(signer: SigningKey = KEY) -> dict[str, bytes]:
    """The files of an artefact."""
    return {**CONTENT, **sign("iris", "log_reg_1", MOMENT, CONTENT, signer)}


def test_manifest_is_canonical() -> None:
    """The manifest is one line of sorted JSON, and the signature goes last."""
    digests = {
        "card.json": ("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", 2),
        "model.pkl": ("9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4", 5),
    }
    files = ",".join(f'"{name}":{{"sha256":"{sha256}","size":{size}}}' for name, (sha256, size) in digests.items())
    made = signed()
    assert ["model.pkl", "card.json", "manifest.json", "manifest.sig"] == list(made)
    expected = f'{{"created_at":"2026-11-21T00:00:00+00:00","family":"iris","files":{{{files}}},"format":1,"version":"log_reg_1"}}'
    assert expected == made["manifest.json"].decode()


@pytest.mark.parametrize("signer", [KEY, OTHER])
def test_either_of_two_trusted_keys(signer: SigningKey) -> None:
    """While keys rotate, signatures by the old and by the new one are both accepted."""
    files = signed(signer)
    verify("iris", "log_reg_1", files, TRUSTED, fingerprint(files))


def replace_signature(text: bytes) -> Change:
    """Make the signature that."""
    return lambda files: files.update({"manifest.sig": text})


def remove(name: str) -> Change:
    """Take a file away."""
    return lambda files: files.__delitem__(name)


INVALID: dict[str, tuple[Change, str]] = {
    "no signature": (remove("manifest.sig"), "manifest.sig is missing"),
    "no manifest": (remove("manifest.json"), "manifest.json is missing"),
    "empty": (replace_signature(b""), "manifest.sig is not a signature"),
    "garbage": (replace_signature(b"\xff\x00 what"), "manifest.sig is not a signature"),
    "other algorithm": (replace_signature(b"rsa aaaa AAAA"), "manifest.sig is not a signature"),
    "no base64": (replace_signature(f"ed25519 {KEY.id} ???".encode()), "manifest.sig is not a signature"),
    "too short": (replace_signature(f"ed25519 {KEY.id} AAAA".encode()), "manifest.sig does not fit manifest.json"),
    "unknown key": (replace_signature(b"ed25519 0123456789abcdef AAAA"), "key 0123456789abcdef, which is not trusted"),
    "changed manifest": (lambda files: files.update({"manifest.json": files["manifest.json"] + b" "}), "manifest.sig does not fit"),
    "another's signature": (
        lambda files: files.update({"manifest.sig": sign("iris", "log_reg_2", MOMENT, CONTENT, KEY)["manifest.sig"]}),
        "manifest.sig does not fit",
    ),
    "other version": (lambda files: files.update(sign("iris", "log_reg_2", MOMENT, CONTENT, KEY)), "signed for iris log_reg_2"),
    "other family": (lambda files: files.update(sign("credit", "log_reg_1", MOMENT, CONTENT, KEY)), "signed for credit log_reg_1"),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_signature(case: str) -> None:
    """A signature that is not there, is garbage, is by another key or for something else is refused, and the message says which."""
    change, message = INVALID[case]
    files = signed()
    expected = fingerprint(files)
    change(files)
    with pytest.raises(SignatureInvalid, match="iris log_reg_1") as refused:
        verify("iris", "log_reg_1", files, TRUSTED, expected)
    assert message in str(refused.value)


def test_nobody_trusted() -> None:
    """A foreign key is named with those that are trusted; if there are none, that is said."""
    files = signed()
    with pytest.raises(SignatureInvalid, match=rf"key {KEY.id}, which is not trusted \(trusted: {OTHER.id}\): put its public key into"):
        verify("iris", "log_reg_1", files, {OTHER.id: OTHER.private.public_key()}, fingerprint(files))
    with pytest.raises(SignatureInvalid, match="trusted: none"):
        verify("iris", "log_reg_1", files, {}, fingerprint(files))


MISMATCHES: dict[str, tuple[Change, str]] = {
    "flipped byte": (lambda files: files.update({"model.pkl": b"modem"}), r"model.pkl is not what was signed \(5 bytes"),
    "wrong size": (lambda files: files.update({"model.pkl": b"model+"}), r"model.pkl is not what was signed \(6 bytes"),
    "missing": (remove("card.json"), "card.json is missing"),
    "extra": (lambda files: files.update({"extra.py": b""}), "extra.py is not in the manifest: take it away"),
}


@pytest.mark.parametrize("case", MISMATCHES)
def test_digest_mismatch(case: str) -> None:
    """A flipped byte, another size, a missing and an extra file are each refused by name."""
    change, message = MISMATCHES[case]
    files = signed()
    expected = fingerprint(files)
    change(files)
    with pytest.raises(DigestMismatch, match=f"^iris log_reg_1: {message}"):
        verify("iris", "log_reg_1", files, TRUSTED, expected)


def test_signed_but_not_recorded() -> None:
    """Another artefact of the same name, signed by a trusted key, is refused: the ledger knows which one it recorded."""
    recorded = signed()
    other = {**CONTENT, **sign("iris", "log_reg_1", MOMENT.replace(year=2025), CONTENT, KEY)}
    with pytest.raises(DigestMismatch, match="manifest.json is signed, but not the one in the ledger"):
        verify("iris", "log_reg_1", other, TRUSTED, fingerprint(recorded))


def test_newer_format() -> None:
    """A manifest of a newer format asks for a newer twotier."""
    manifest = json.dumps({"format": 2}).encode()
    files = signed()
    valid = files["manifest.sig"].split()
    files |= {"manifest.json": manifest, "manifest.sig": b" ".join([*valid[:2], base64.b64encode(KEY.sign(manifest))])}
    with pytest.raises(NotServable, match="format 2, not 1: upgrade twotier"):
        verify("iris", "log_reg_1", files, TRUSTED, fingerprint(files))
