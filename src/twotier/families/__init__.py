"""One file per family. Dropping a file in adds a model to both tiers, to training, to the client and to the tests.

Families are found in three places: this package, a folder of the user's own, and entry points of the group `twotier.families`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from twotier.errors import ConfigurationError, UnknownFamily
from twotier.family import Family
from twotier.settings import SharedSettings

__all__ = ["Families", "discover", "offered"]

ENTRY_POINTS = "twotier.families"


class Families(dict[str, Family]):
    """Families by name, in alphabetical order."""

    def __missing__(self, name: str) -> Family:
        raise UnknownFamily(f"there is no family of that name; there are: {', '.join(self) or 'none'}")


def offered(shared: SharedSettings) -> Families:
    """Find the families that the settings offer. Raises ConfigurationError if there are none."""
    if not (found := discover(shared.families, shared.shipped, shared.options)):
        raise ConfigurationError("no family is offered: set TWOTIER_FAMILIES to a folder with family files, or leave TWOTIER_SHIPPED true")
    return found


def discover(
    folder: Path | None = None, shipped: bool = True, options: Mapping[str, Mapping[str, Any]] | None = None
) -> Families:
    """Find every family: shipped, if they are wanted, in `folder`, and offered by installed packages.

    `options` are those of the settings, by family. Raises ConfigurationError.
    """
    if folder and not folder.is_dir():
        raise ConfigurationError(f"setting families of [twotier] (in the environment TWOTIER_FAMILIES): there is no folder {folder}")
    found: dict[str, Family] = {}
    for origin, family in _candidates(folder, shipped):
        if not isinstance(family, Family):
            raise ConfigurationError(f"{origin} has no FAMILY = Family(...)")
        if family.name in found:
            raise ConfigurationError(f"{origin}: there is another family called {family.name!r}; rename one of them")
        found[family.name] = family
    for name, chosen in (options or {}).items():
        if name not in found:
            there = ", ".join(sorted(found))
            raise ConfigurationError(f"the setting options of [twotier] names {name}, and there is no such family; there are: {there}")
        found[name] = _with(found[name], chosen)
    return Families(sorted(found.items()))


def _candidates(folder: Path | None, shipped: bool) -> Iterator[tuple[str, object]]:
    for module in pkgutil.iter_modules(__path__) if shipped else ():
        yield module.name, getattr(importlib.import_module(f"{__name__}.{module.name}"), "FAMILY", None)
    for file in sorted(folder.glob("[!_]*.py")) if folder else ():
        yield str(file), _imported(str(file), lambda: _load(file))
    for point in entry_points(group=ENTRY_POINTS):
        yield f"entry point {point.name}", _imported(f"entry point {point.name} ({point.value})", point.load)


def _imported(origin: str, load: Callable[[], object]) -> object:
    try:
        return load()
    except Exception as error:
        raise ConfigurationError(f"{origin} cannot be imported: {type(error).__name__}: {error}") from error


def _with(family: Family, chosen: Mapping[str, Any]) -> Family:
    try:
        return replace(family, options=type(family.options).model_validate(chosen))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in (family.name, *first["loc"]))
        raise ConfigurationError(f"the setting options of [twotier], at {where}: {first['msg']}") from None


def _load(file: Path) -> object:
    """Import a family file under a name of its own, under which its classes can be pickled.

    It is imported once per process: a class of a second import would not be the one that a pickle names.
    """
    name, file = f"twotier_families_{file.stem}", file.resolve()
    if name in sys.modules and sys.modules[name].__file__ == str(file):
        return getattr(sys.modules[name], "FAMILY", None)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, file
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return getattr(module, "FAMILY", None)
