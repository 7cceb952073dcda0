"""The client for async code: one aiohttp session, whose connections are kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Self

import aiohttp

from twotier.client.exchange import DEFAULT_SECONDS, DEFAULT_URL, Gateway, Reply, Request, Rows


class AsyncClient:
    """Asks one gateway, any number of requests at a time. Close it, or use it in an `async with` block.

    `timeout` is in seconds: the gateway is told to answer within it.
    """

    def __init__(self, base_url: str = DEFAULT_URL, *, timeout: float = DEFAULT_SECONDS) -> None:
        self._gateway = Gateway(base_url, timeout)
        self._session: aiohttp.ClientSession | None = None

    async def predict(
        self, family: str, rows: Rows, version: str | None = None, *, probabilities: bool = False, partial: bool = False
    ) -> Any:
        """As `Client.predict`."""
        return self._gateway.read(await self._send(self._gateway.predict(family, rows, version, probabilities, partial)))

    async def models(self) -> Any:
        """As `Client.models`."""
        return self._gateway.read(await self._send(self._gateway.get("/models")))

    async def ready(self) -> bool:
        """As `Client.ready`."""
        return (await self._send(self._gateway.get("/readyz"))).status == 200

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def _send(self, request: Request) -> Reply:
        reused: list[bool] = []
        try:
            try:
                return await self._exchange(request, reused)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # As in the sync client: only a kept connection that the gateway had just closed is worth a second try.
                if not reused:
                    raise
            return await self._exchange(request, reused)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._gateway.lost(error) from error

    async def _exchange(self, request: Request, reused: list[bool]) -> Reply:
        if self._session is None:
            self._session = self._open()
        async with self._session.request(
            request.method,
            self._gateway.origin + request.target,
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
            trace_request_ctx=reused,
        ) as response:
            return Reply(response.status, await response.read())

    def _open(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_note_reuse)
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._gateway.patience),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )


async def _note_reuse(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    context.trace_request_ctx.append(True)
