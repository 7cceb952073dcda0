"""Model servers behind TLS: they are called by their name, and trusted by it, whatever addresses it has."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests import zoo
from tests.asking import ask, post
from tests.integration.model_server_calls import eventually
from tests.processes import gateway
from tests.carrying import carried
from twotier.errors import UpstreamUnavailable
from twotier.families.iris import FAMILY
from twotier.gateway.forwarding import Ask
from twotier.gateway.metrics import Metrics
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream

ROW = {"SepalLengthCm": 5, "SepalWidthCm": 2, "PetalLengthCm": 3, "PetalWidthCm": 4}


def certificate(folder: Path, *names: str) -> Path:
    """A certificate for these names that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "twotier test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, plain, serialization.NoEncryption()))
    return path


def context(path: Path, asked_for: list[str | None]) -> ssl.SSLContext:
    """What a server needs; the names that it is called by are put into `asked_for`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path)

    def note(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        asked_for.append(name)

    made.sni_callback = note
    return made


@pytest.fixture(name="asked_for")
def _asked_for() -> list[str | None]:
    return []


@pytest.fixture(name="keeper", params=["localhost"])
def _keeper(request: pytest.FixtureRequest, tmp_path: Path, asked_for: list[str | None]) -> Iterator[zoo.Keeper]:
    with zoo.zoo(certificate=context(certificate(tmp_path, request.param), asked_for)) as keeper:
        yield keeper


async def test_who_is_not_trusted_gets_no_rows(keeper: zoo.Keeper, asked_for: list[str | None]) -> None:
    """The model server is called by its name, not by the address that was found for it; nobody vouches for this one."""

    async def names(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    url = f"https://model.test:{keeper.port}"
    async with Upstream(GatewaySettings(model_servers=[url], connect_seconds=30), Metrics(), names) as upstream:
        with pytest.raises(UpstreamUnavailable):
            await carried(upstream, Ask(FAMILY, "champion"), [[5.0, 2.0, 3.0, 4.0]], 10)

    assert (["model.test"], []) == (asked_for, keeper.asked)


@pytest.mark.parametrize(("keeper", "status"), [("localhost", 200), ("another.test", 503)], indirect=["keeper"])
def test_a_certificate_is_for_a_name(keeper: zoo.Keeper, status: int, asked_for: list[str | None], tmp_path: Path) -> None:
    """A gateway that trusts the certificate accepts it for the name that is in it, and for no other."""
    settings = {"SSL_CERT_FILE": str(tmp_path / "certificate.pem"), "GATEWAY_POLL_SECONDS": "0.1"}
    with gateway(f"https://localhost:{keeper.port}", tmp_path / "log", None, **settings) as tier:
        tier.wait_ready("/livez")
        assert eventually(lambda: ask(tier.url + "/readyz").status == status)
        assert status == post(tier.url + "/iris/predict", ROW).status

    assert {"localhost"} == set(asked_for)
    assert bool(keeper.scored()) is (status == 200)
