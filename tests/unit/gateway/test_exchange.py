"""Every error that an exchange can raise is one of ours."""

from __future__ import annotations

import inspect
import ssl
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import client_exceptions
from aiohttp.client_reqrep import ConnectionKey

from twotier.errors import UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.gateway.exchange import translated

KEY = ConnectionKey("model", 1, False, True, None, None, None, None)
REFUSED = OSError(111, "refused")
CERTIFICATE = ssl.CertificateError("expired")

MADE: dict[str, Exception] = {
    "ClientConnectorError": aiohttp.ClientConnectorError(KEY, REFUSED),
    "ClientConnectorDNSError": aiohttp.ClientConnectorDNSError(KEY, REFUSED),
    "ClientProxyConnectionError": aiohttp.ClientProxyConnectionError(KEY, REFUSED),
    "UnixClientConnectorError": client_exceptions.UnixClientConnectorError("/socket", KEY, REFUSED),
    "ClientSSLError": aiohttp.ClientSSLError(KEY, REFUSED),
    "ClientConnectorSSLError": aiohttp.ClientConnectorSSLError(KEY, REFUSED),
    "ClientConnectorCertificateError": aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE),
    "ServerFingerprintMismatch": aiohttp.ServerFingerprintMismatch(b"a", b"b", "model", 1),
    "InvalidURL": aiohttp.InvalidURL("x"),
}

UNAVAILABLE = {
    "ClientConnectionError",
    "ClientConnectionResetError",
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorError",
    "ClientConnectorSSLError",
    "ClientOSError",
    "ClientProxyConnectionError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "ServerConnectionError",
    "ServerDisconnectedError",
    "ServerFingerprintMismatch",
    "UnixClientConnectorError",
}
TIMEOUT = {"ServerTimeoutError", "SocketTimeoutError"}

ALL = [
    cls
    for cls in vars(client_exceptions).values()
    if inspect.isclass(cls) and issubclass(cls, aiohttp.ClientError) and cls.__module__ == client_exceptions.__name__
]


def _made(cls: type[aiohttp.ClientError]) -> Exception:
    if cls.__name__ in MADE:
        return MADE[cls.__name__]
    if issubclass(cls, aiohttp.ClientResponseError):
        return cls(SimpleNamespace(real_url="x"), ())  # type: ignore[arg-type]  # It only shows it.
    return cls("x")


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_error_of_aiohttp_is_one_of_ours(cls: type[aiohttp.ClientError]) -> None:
    """Each class of aiohttp's errors is told as what it means: not reached, too late, or not valid."""
    expected = UpstreamUnavailable if cls.__name__ in UNAVAILABLE else UpstreamTimeout if cls.__name__ in TIMEOUT else UpstreamInvalid

    assert expected is type(translated(_made(cls)))


def test_every_class_was_met() -> None:
    """The expectations above name no class that aiohttp no longer has."""
    assert UNAVAILABLE | TIMEOUT <= {cls.__name__ for cls in ALL}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), UpstreamTimeout),
        (ConnectionResetError(), UpstreamUnavailable),
        (OSError(5, "input/output error"), UpstreamUnavailable),
        (ValueError("a header with a line break"), UpstreamInvalid),
    ],
    ids=repr,
)
def test_other_errors_of_an_exchange_are_ours_too(error: Exception, expected: type[Exception]) -> None:
    """What the system and URLs raise is translated as well."""
    assert expected is type(translated(error))
