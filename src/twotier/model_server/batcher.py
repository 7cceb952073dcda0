"""BentoML's adaptive batching without its timers: whatever came while a batch was being scored is the next batch.

BentoML's own looks once a millisecond whether the batch before is done, which takes a quarter of that, and may then wait for more calls,
for about as long as calls have waited before. To a caller who has one row beside another with thousands it added up to three milliseconds.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bentoml._internal.marshal.dispatcher import CorkDispatcher

__all__ = ["Batcher"]


class Batcher(CorkDispatcher[Any, Any]):
    """Takes the place of one of BentoML's: the same bound, and what it has for callers who are cancelled. It never refuses a call."""

    def __init__(self, other: CorkDispatcher[Any, Any]) -> None:
        super().__init__(int(other.max_latency * 1000), other.max_batch_size, fallback=other.fallback, get_batch_size=len)

    async def controller(self) -> None:
        """Hand over what waits, as soon as there is something and nothing is being scored."""
        while True:
            async with self._wake_event:
                await self._wake_event.wait_for(self._queue.__len__)
            # Whatever happens to a batch, and be it that the model's library panics, the next one is served.
            await asyncio.wait({asyncio.ensure_future(self._next())})

    async def _next(self) -> None:
        await self.outbound_call(tuple(self._get_inputs()))
