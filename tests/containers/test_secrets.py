"""Secrets are in files that are handed in, and nowhere else: not in what `inspect` shows, and in no layer of an image."""

from __future__ import annotations

import base64
import io
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import DATA, GATEWAY_IMAGE, MODEL_SERVER_IMAGE, ROOT, engine, stack

HANDED_IN = """
services:
  gateway: {{secrets: [token]}}
  model-server: {{secrets: [token]}}
secrets:
  token: {{file: {path}}}
"""

LEAKY = """
FROM {image}
COPY token /tmp/token
USER 0
RUN rm /tmp/token
"""


@pytest.fixture
def token() -> str:
    """A secret that is nowhere else."""
    return f"secret-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def signing_key() -> bytes:
    """The private key that signed the versions in the image, as its file has it, without the lines around it."""
    return b"".join((DATA / "keys" / "signing_key.pem").read_bytes().splitlines()[1:-1])


def in_layers(image: str, secrets: list[bytes], folder: Path) -> set[bytes]:
    """Which of the secrets are anywhere in an image: in its description, or in a file of any of its layers."""
    return _holding(("save", "--output"), image, secrets, folder)


def in_container(container: str, secrets: list[bytes], folder: Path) -> set[bytes]:
    """Which of the secrets are in a container's own files, what is mounted apart."""
    return _holding(("export", "--output"), container, secrets, folder)


def _holding(command: tuple[str, str], name: str, secrets: list[bytes], folder: Path) -> set[bytes]:
    archive = folder / "content.tar"
    engine(*command, str(archive), name)
    found = {secret for content in _contents(archive) for secret in secrets if secret in content}
    archive.unlink()
    return found


def _contents(archive: Path) -> Iterator[bytes]:
    with tarfile.open(archive) as outer:
        for member in outer:
            if not member.isfile():
                continue
            content = _read(outer, member)
            yield content
            try:
                layer = tarfile.open(fileobj=io.BytesIO(content))
            except tarfile.ReadError:
                continue
            with layer:
                yield from (_read(layer, each) for each in layer if each.isfile())


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def test_secret_that_is_handed_in(token: str, tmp_path: Path) -> None:
    """A tier reads a secret that compose hands in, which neither `inspect` nor a file of the container itself shows."""
    path = tmp_path / "token"
    path.write_text(token)
    path.chmod(0o444)
    override = tmp_path / "token.yaml"
    override.write_text(HANDED_IN.format(path=path))
    with stack(override) as tiers:
        for service in ("gateway", "model-server"):
            container = tiers.container(service)
            assert token == tiers.execute(service, "cat", "/run/secrets/token")
            assert token not in engine("inspect", container)
            assert set() == in_container(container, [token.encode()], tmp_path)


def test_careless_secret_is_found(token: str, tmp_path: Path) -> None:
    """Negative control: a secret in the environment is in what `inspect` shows, and one that was written is in the container's files."""
    name = f"twotier-{uuid.uuid4().hex[:8]}"
    write = f"open('/tmp/token', 'w').write({token!r})"
    engine("run", "--name", name, "--env", f"TOKEN={token}", GATEWAY_IMAGE, "python", "-c", write)
    shown, found = engine("inspect", name), in_container(name, [token.encode()], tmp_path)
    engine("rm", name)
    assert token in shown
    assert {token.encode()} == found


def test_secret_in_a_layer_is_found(token: str, tmp_path: Path) -> None:
    """Negative control: a secret that was copied into an image and removed again is still in it, and found."""
    (tmp_path / "token").write_text(token)
    (tmp_path / "Dockerfile").write_text(LEAKY.format(image=GATEWAY_IMAGE))
    name = f"twotier-{uuid.uuid4().hex[:8]}"
    engine("build", "--quiet", "--tag", name, str(tmp_path))
    found = in_layers(name, [token.encode()], tmp_path)
    engine("rmi", name)
    assert {token.encode()} == found


def test_no_private_key_in_the_images(signing_key: bytes, tmp_path: Path) -> None:
    """The public key is in the model server's image, the private key in none, in whatever form."""
    private = [signing_key, base64.b64decode(signing_key)]
    public = next((ROOT / "build/promoted/keys/trusted").glob("*.pem")).read_bytes()
    assert {public} == in_layers(MODEL_SERVER_IMAGE, [*private, public], tmp_path)
    assert set() == in_layers(GATEWAY_IMAGE, [*private, public], tmp_path)
