"""How the model server takes its address."""

from __future__ import annotations

import socket

import pytest

from twotier.errors import ConfigurationError
from twotier.model_server.__main__ import _bind


def test_an_address_is_taken_before_anybody_can_connect() -> None:
    """Loading takes seconds: nobody is let in before it is done, and nobody else gets the port meanwhile."""
    with _bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
        listener.listen()
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port} .*: set MODEL_SERVER_HOST and MODEL_SERVER_PORT"):
            _bind("127.0.0.1", port)
