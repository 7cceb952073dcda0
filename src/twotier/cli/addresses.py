"""Hosts and ports: the address to call, and whether a port can be opened."""

from __future__ import annotations

import ipaddress
import socket


def url_of(host: str, port: int) -> str:
    """The address under which this machine reaches what listens on `host`: a wildcard is reached on loopback."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


def why_not_free(host: str, port: int) -> str | None:
    """Why a server cannot listen there, or None if it can."""
    if port > 65535:
        return "there is no such port"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the servers do it: an address that is only waiting for its last packets may be taken over.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None
