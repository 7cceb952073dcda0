"""Settings come from defaults, a TOML file, the environment and overrides, each winning over those before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_settings import SettingsConfigDict

from twotier.errors import ConfigurationError
from twotier.settings import CONFIG_FILE, Settings, SharedSettings


class Deep(BaseModel, extra="forbid"):
    """A nested value."""

    tries: int = 1


class GatewaySettings(Settings):
    """Settings with a field of each kind; the gateway's prefix, as only known tables may stand in the file."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    port: int = 8000
    secret: str = ""
    key_file: str = ""
    deep: Deep = Deep()
    servers: list[str] = []


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those that a test makes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_FILE, raising=False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write `twotier.toml` into the working directory."""

    def write(text: str) -> Path:
        path = tmp_path / "twotier.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_each_source_wins_over_those_before_it(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Default < file < environment < override."""
    assert 8000 == GatewaySettings.read().port
    write("[gateway]\nport = 1")
    assert 1 == GatewaySettings.read().port
    monkeypatch.setenv("GATEWAY_PORT", "2")
    assert 2 == GatewaySettings.read().port
    assert 3 == GatewaySettings.read(port=3).port


def test_nested_field_is_set_from_either(write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A nested field is a TOML sub-table, or two underscores in the environment."""
    write("[gateway.deep]\ntries = 2")
    assert 2 == GatewaySettings.read().deep.tries
    monkeypatch.setenv("GATEWAY_DEEP__TRIES", "3")
    assert 3 == GatewaySettings.read().deep.tries


def test_secret_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that ends in _FILE names the file that holds the value; the line's end is no part of it."""
    (tmp_path / "secret").write_text("hush\n", encoding="utf-8")
    monkeypatch.setenv("GATEWAY_SECRET_FILE", str(tmp_path / "secret"))
    assert "hush" == GatewaySettings.read().secret


def test_secret_that_is_no_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of bytes that are no UTF-8 text is an error that names the variable."""
    (tmp_path / "secret").write_bytes(b"\xff")
    monkeypatch.setenv("GATEWAY_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_FILE names a file that cannot be read: .*invalid start byte"):
        GatewaySettings.read()


def test_field_whose_own_name_ends_in_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is itself called ..._file is set to what the variable says."""
    monkeypatch.setenv("GATEWAY_KEY_FILE", "/nowhere")
    assert "/nowhere" == GatewaySettings.read().key_file


def test_file_elsewhere_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TWOTIER_CONFIG names the file to read, for every tier, and is itself no setting."""
    (tmp_path / "other.toml").write_text("[gateway]\nport = 5\n[twotier]\ndata = 'elsewhere'", encoding="utf-8")
    monkeypatch.setenv(CONFIG_FILE, str(tmp_path / "other.toml"))
    assert 5 == GatewaySettings.read().port
    assert Path("elsewhere") == SharedSettings.read().data


def test_settings_never_change() -> None:
    """Settings are read once and stay."""
    with pytest.raises(ValueError, match="frozen"):
        setattr(GatewaySettings.read(), "port", 1)


def test_shared_settings_have_defaults() -> None:
    """Without any setting, data is in ./data and there is no folder of families."""
    assert (None, Path("data")) == ((settings := SharedSettings.read()).families, settings.data)


def test_prefix_and_section_say_the_same() -> None:
    """The TOML table is the environment's prefix in lower case."""
    assert ("GATEWAY_", "gateway") == (GatewaySettings.prefix(), GatewaySettings.section())
    assert ("TWOTIER_", "twotier") == (SharedSettings.prefix(), SharedSettings.section())


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[gateway]\nprot = 1", r"\[gateway\] of twotier.toml sets prot, which is no setting; did you mean port\?"),
        ("[gatway]\nport = 1", r"twotier.toml sets gatway, which is no setting; did you mean gateway\?"),
        ("[gateway]\nzzz = 1", r"sets zzz, which is no setting$"),
        ("[gateway\nport = 1", r"twotier.toml is not TOML: "),
        ("[gateway]\nport = 'x'", r"setting port of \[gateway\] \(in the environment GATEWAY_PORT\): Input should be a valid integer"),
        ("[gateway.deep]\ntries = 'x'", r"setting deep.tries of \[gateway\] \(in the environment GATEWAY_DEEP__TRIES\)"),
        ("gateway = 1", r"twotier.toml: gateway is not a table; write \[gateway\]"),
    ],
)
def test_wrong_file_is_named(write: Callable[[str], Path], toml: str, message: str) -> None:
    """A key that nobody knows, a value of the wrong type and a file that is no TOML are errors that name the place and the nearest."""
    write(toml)
    with pytest.raises(ConfigurationError, match=message):
        GatewaySettings.read()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("GATEWAY_PROT", "1", r"the environment sets GATEWAY_PROT, which is no setting; did you mean GATEWAY_PORT\?"),
        ("GATEWAY_PORT", "x", r"setting port of \[gateway\] \(in the environment GATEWAY_PORT\)"),
        ("GATEWAY_DEEP__TIRES", "1", r"setting deep.tires of \[gateway\] \(in the environment GATEWAY_DEEP__TIRES\)"),
        ("GATEWAY_DEEP", "{", r"GATEWAY_DEEP is not JSON: a list is written"),
        ("GATEWAY_SERVERS", "http://a", r"GATEWAY_SERVERS is not JSON: a list is written"),
        ("GATEWAY_SECRET_FILE", "/nowhere", r"GATEWAY_SECRET_FILE names a file that cannot be read: .*No such file"),
        ("TWOTIER_CONFIG", "/nowhere.toml", r"TWOTIER_CONFIG names /nowhere.toml, and there is no such file"),
    ],
)
def test_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str) -> None:
    """A variable that nobody knows, or that cannot be read, is an error that names it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=message):
        GatewaySettings.read()


def test_foreign_variables_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What begins with another prefix is none of ours."""
    monkeypatch.setenv("GATEWAYS_PORT", "1")
    assert 8000 == GatewaySettings.read().port


def test_value_is_not_echoed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error about a setting does not print its value: it may be a secret."""
    monkeypatch.setenv("GATEWAY_PORT", "hunter2")
    with pytest.raises(ConfigurationError) as caught:
        GatewaySettings.read()
    assert "hunter2" not in str(caught.value)
