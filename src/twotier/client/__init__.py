"""The Python client of the gateway: `Client`, its async twin `AsyncClient`, and `get_prediction` for irises.

>>> from twotier.client import get_prediction
>>> get_prediction([[5.0, 3.6, 1.4, 0.2]])  # doctest: +SKIP
[0]
"""

from twotier.client.asynchronous import AsyncClient
from twotier.client.iris import get_prediction
from twotier.client.problem import NoAnswer, Problem
from twotier.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "NoAnswer", "Problem", "get_prediction"]
