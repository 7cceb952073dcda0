"""The gateway's settings are checked when they are read."""

from __future__ import annotations

import pytest

from twotier.errors import ConfigurationError
from twotier.gateway.settings import GatewaySettings


def test_defaults_are_for_one_machine() -> None:
    """With nothing set, the gateway listens on loopback and asks the model server beside it."""
    settings = GatewaySettings()

    assert ("127.0.0.1", 8000, ["http://127.0.0.1:3000"]) == (settings.host, settings.port, settings.model_servers)


def test_a_base_url_may_end_in_a_slash() -> None:
    """Both spellings of an address mean the same."""
    assert ["https://model:1"] == GatewaySettings(model_servers=["https://model:1/"]).model_servers


@pytest.mark.parametrize("url", ["model:3000", "ftp://model", "http://", "http://model/path", "http://model?x=1", "http://model#x"])
def test_refuses_what_is_no_base_url(url: str) -> None:
    """A model server's address that cannot work is refused at start, by the name of its setting."""
    with pytest.raises(ConfigurationError, match="GATEWAY_MODEL_SERVERS.*is not the base URL"):
        GatewaySettings.read(model_servers=[url])


@pytest.mark.parametrize("setting", ["canary", "shadow"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_refuses_what_is_no_share(setting: str, share: float) -> None:
    """A share that is none is refused at start, by the name of its setting, in words."""
    with pytest.raises(ConfigurationError, match=f"GATEWAY_{setting.upper()}__IRIS.*is not a share, which is a number from 0"):
        GatewaySettings.read(**{setting: {"iris": share}})


def test_shares_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON, or family by family."""
    monkeypatch.setenv("GATEWAY_CANARY", '{"iris": 0.1}')
    monkeypatch.setenv("GATEWAY_SHADOW__IRIS", "1")
    settings = GatewaySettings.read()

    assert ({"iris": 0.1}, {"iris": 1.0}) == (settings.canary, settings.shadow)


@pytest.mark.parametrize("name", ["GATEWAY_ROWS_PER_CALL", "GATEWAY_CALLS_PER_LANE", "GATEWAY_QUEUED_ROWS"])
def test_no_size_is_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for no row, callers would wait for nothing; with room for one, they are served."""
    monkeypatch.setenv(name, "1")
    GatewaySettings.read()
    monkeypatch.setenv(name, "0")
    with pytest.raises(ConfigurationError, match=name):
        GatewaySettings.read()
