"""How every tier reads its settings: defaults < `twotier.toml` < environment. One frozen value each, read once.

`GATEWAY_PORT=8001` and `[gateway] port = 8001` say the same. `GATEWAY_X__Y` sets a nested field, and `GATEWAY_X_FILE` reads the value
from a file, as container secrets want it. A key that nobody knows is an error that names the nearest.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from twotier.errors import ConfigurationError

CONFIG_FILE = "TWOTIER_CONFIG"
"""The environment variable that names the TOML file; by default `twotier.toml` in the working directory, if there is one."""

SECTIONS = ("twotier", "registry", "training", "model_server", "gateway")
"""The TOML tables: what is shared, then one per part."""


class Settings(BaseSettings):
    """Base of each tier's settings. A subclass sets `env_prefix`; its TOML table is the prefix in lower case."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_nested_delimiter="__", use_attribute_docstrings=True)

    @classmethod
    def prefix(cls) -> str:
        """What the names of its environment variables begin with."""
        return cls.model_config["env_prefix"]

    @classmethod
    def section(cls) -> str:
        """The name of its TOML table."""
        return cls.prefix().rstrip("_").lower()

    @classmethod
    def read(cls, **overrides: Any) -> Self:
        """Read the settings; `overrides` win over everything. Raises ConfigurationError, which names the setting."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            variable = cls.prefix() + where.upper().replace(".", "__")
            raise ConfigurationError(f"setting {where} of [{cls.section()}] (in the environment {variable}): {first['msg']}") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Earlier sources win."""
        return init_settings, _Environment(settings_cls), _Toml(settings_cls, cls.section())


class SharedSettings(Settings):
    """What both tiers and training must agree on."""

    model_config = SettingsConfigDict(env_prefix="TWOTIER_")

    families: Path | None = None
    """Folder with family files of your own, beside those that are shipped."""

    options: dict[str, dict[str, Any]] = {}
    """What families let you choose, by family: `{"sentiment": {"neutral": [0.4, 0.7]}}` answers NEUTRAL between those two scores. A version
    keeps what it was trained with: to change it, train and promote another."""

    shipped: bool = True
    """Whether the families that come with twotier are offered too; `false` leaves your own alone."""

    data: Path = Path("data")
    """Folder with `raw/` data; by default also the home of the ledger, the artefacts and the keys."""


class _Environment(EnvSettingsSource):
    """The environment, where a variable that ends in `_FILE` names the file that holds the value."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        read: dict[str, str | None] = {}
        for name, value in self.env_vars.items():
            if name.startswith(self.env_prefix.lower()) and name != CONFIG_FILE.lower():
                field, value = self._from_file(name.removeprefix(self.env_prefix.lower()), value)
                known = self.settings_cls.model_fields
                _refuse_unknown([field.split("__")[0]], known, "the environment", self.env_prefix)
                read[self.env_prefix.lower() + field] = value
        self.env_vars = read

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        """Read a list or a table, which the environment spells as JSON."""
        try:
            return super().prepare_field_value(field_name, field, value, value_is_complex)
        except ValueError:
            name = self.env_prefix + field_name.upper()
            raise ConfigurationError(f'{name} is not JSON: a list is written ["a", "b"], and a table {{"key": 1}}') from None

    def _from_file(self, field: str, value: str | None) -> tuple[str, str | None]:
        if not field.endswith("_file") or field in self.settings_cls.model_fields:
            return field, value
        try:
            return field.removesuffix("_file"), Path(value or "").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self.env_prefix}{field.upper()} names a file that cannot be read: {error}") from None


class _Toml(TomlConfigSettingsSource):
    """One table of the TOML file."""

    def __init__(self, settings_cls: type[BaseSettings], section: str) -> None:
        named = os.environ.get(CONFIG_FILE)
        path = Path(named or "twotier.toml")
        if named and not path.is_file():
            raise ConfigurationError(f"{CONFIG_FILE} names {path}, and there is no such file")
        self._section = section
        try:
            super().__init__(settings_cls, path)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} is not TOML: {error}") from None
        _refuse_unknown(self.toml_data, settings_cls.model_fields, f"[{section}] of {path}", "")

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        tables: dict[str, Any] = super()._read_file(file_path)
        _refuse_unknown(tables, SECTIONS, str(file_path), "")
        table = tables.get(self._section, {})
        if not isinstance(table, dict):
            raise ConfigurationError(f"{file_path}: {self._section} is not a table; write [{self._section}] and its settings below it")
        return table


def _refuse_unknown(given: Iterable[str], known: Iterable[str], origin: str, prefix: str) -> None:
    spelled = {name: prefix + (name.upper() if prefix else name) for name in [*given, *known]}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {spelled[near[0]]}?" if near else ""
            raise ConfigurationError(f"{origin} sets {spelled[name]}, which is no setting{hint}")
