"""Hosts and ports."""

import socket

import pytest

from tests.processes import free_port
from twotier.cli.addresses import url_of, why_not_free


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("gateway.example", "http://gateway.example:80"),
    ],
)
def test_the_address_to_call(host: str, url: str) -> None:
    """What listens on a wildcard is called on loopback; IPv6 is put in brackets; a name is left as it is."""
    assert url == url_of(host, 80)


def test_a_free_port() -> None:
    """Where nobody listens, nothing is in the way."""
    assert why_not_free("127.0.0.1", free_port()) is None


def test_a_taken_port() -> None:
    """Where somebody listens, the reason is the operating system's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "Address already in use" == why_not_free("127.0.0.1", server.getsockname()[1])


def test_a_host_that_is_not_ours() -> None:
    """An address of another machine cannot be listened on."""
    assert "Cannot assign requested address" == why_not_free("192.0.2.1", free_port())


def test_a_port_that_does_not_exist() -> None:
    """There are 65535 ports; the operating system would take a larger number for a small one."""
    assert "there is no such port" == why_not_free("127.0.0.1", 65536)
