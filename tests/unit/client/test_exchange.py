"""What the clients share, without a connection."""

import http.client

from twotier.client import Client
from twotier.client.exchange import Gateway


def test_https_is_spoken() -> None:
    """An https address is asked over TLS."""
    assert Gateway("https://gateway.example", 1.0).secure
    assert isinstance(Client("https://gateway.example")._connection, http.client.HTTPSConnection)


def test_a_short_timeout_is_at_least_a_millisecond() -> None:
    """The deadline that the gateway is told is never 0."""
    assert "1" == Gateway("http://gateway.example", 0.0001).get("/models").headers["X-Request-Deadline-Ms"]
