"""The client for ordinary code: the standard library's HTTP over one connection that is kept."""

from __future__ import annotations

import contextlib
import http.client
from typing import Any, Self

from twotier.client.exchange import DEFAULT_SECONDS, DEFAULT_URL, Gateway, Reply, Request, Rows


class Client:
    """Asks one gateway, one request at a time. Use one per thread; close it, or use it in a `with` block.

    `timeout` is in seconds: the gateway is told to answer within it.
    """

    def __init__(self, base_url: str = DEFAULT_URL, *, timeout: float = DEFAULT_SECONDS) -> None:
        self._gateway = Gateway(base_url, timeout)
        connect = http.client.HTTPSConnection if self._gateway.secure else http.client.HTTPConnection
        self._connection = connect(self._gateway.host, self._gateway.port, timeout=self._gateway.patience)

    def predict(
        self, family: str, rows: Rows, version: str | None = None, *, probabilities: bool = False, partial: bool = False
    ) -> Any:
        """Answers in the shape of `rows`: one, a list, or by key.

        `version` is a version or an alias; `partial` answers the good rows and gives each bad one its own problem.
        Raises Problem, NoAnswer, or ValueError for rows that JSON cannot carry.
        """
        return self._gateway.read(self._send(self._gateway.predict(family, rows, version, probabilities, partial)))

    def models(self) -> Any:
        """Every family with its aliases and versions. Raises Problem or NoAnswer."""
        return self._gateway.read(self._send(self._gateway.get("/models")))

    def ready(self) -> bool:
        """Whether predictions can be answered now. Raises NoAnswer if there is no gateway."""
        return self._send(self._gateway.get("/readyz")).status == 200

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _send(self, request: Request) -> Reply:
        try:
            if self._connection.sock is not None:
                # The gateway may close a kept connection at the moment we write to it. A prediction has no side effect, so asking
                # again is safe; a new connection gets no second try, since then it is the gateway that is gone.
                with contextlib.suppress(ConnectionError):
                    return self._exchange(request)
            return self._exchange(request)
        except (OSError, http.client.HTTPException) as error:
            raise self._gateway.lost(error) from error

    def _exchange(self, request: Request) -> Reply:
        try:
            self._connection.request(request.method, request.target, request.body, dict(request.headers))
            response = self._connection.getresponse()
            return Reply(response.status, response.read())
        except BaseException:
            self._connection.close()
            raise
