"""An estimator -> the Python that makes it anew, unfitted, as a person would write it."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

WIDTH = 140
INDENT = "    "


class Unwritable(Exception):
    """A part of it cannot be written as code; the message says which."""


@dataclass(frozen=True, slots=True)
class Code:
    """An expression, and what must be imported for it."""

    expression: str
    imports: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    """Modules, and names in them."""

    @property
    def lines(self) -> list[str]:
        """The import statements, in order."""
        modules: dict[str, set[str]] = {}
        for module, name in sorted(self.imports):
            modules.setdefault(module, set()).add(name)
        return [f"from {module} import {', '.join(sorted(names))}" for module, names in modules.items()]


def written(value: Any, indent: int = 0) -> Code:
    """Write a value as code that begins `indent` levels deep; parameters that are as they would be anyway are left out.

    Raises Unwritable for what has no such form: a function, a random generator, an estimator of a script's own.
    """
    if isinstance(value, BaseEstimator):
        return _call(value, indent)
    if isinstance(value, np.generic):
        return written(value.item(), indent)
    if isinstance(value, float) and not math.isfinite(value):
        return Code(f'float("{value}")')
    if value is None or isinstance(value, bool | int | float):
        return Code(repr(value))
    if isinstance(value, str):
        return Code(quoted(value))
    if isinstance(value, type) and value.__module__ in ("builtins", "numpy"):
        module = {("numpy", value.__name__)} if value.__module__ == "numpy" else set()
        return Code(value.__name__, frozenset(module))
    if isinstance(value, np.ndarray):
        inner = written(value.tolist(), indent)
        return Code(f"array({inner.expression})", inner.imports | {("numpy", "array")})
    if isinstance(value, list | tuple):
        opened, closed = "[]" if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
        return _joined(opened, closed, [("", each) for each in value], indent)
    if isinstance(value, dict):
        return _joined("{", "}", [(f"{written(key).expression}: ", each) for key, each in value.items()], indent)
    raise Unwritable(f"{type(value).__module__}.{type(value).__qualname__} has no form that could be written here")


def quoted(text: str) -> str:
    """Write text as Python, in double quotes where it does not matter."""
    return f'"{text}"' if text.isprintable() and not {'"', "\\"} & {*text} else repr(text)


def filled(items: Iterable[str], indent: int) -> str:
    """Put items, with commas, on as few lines as they need, `indent` levels deep."""
    lines = [""]
    for item in items:
        if lines[-1] and len(INDENT) * indent + len(lines[-1]) + len(item) + 2 > WIDTH:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + f"{item},"
    return "\n".join(INDENT * indent + line for line in lines)


def _call(estimator: BaseEstimator, indent: int) -> Code:
    kind = type(estimator)
    module = _public(kind)
    defaults = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    set_to = estimator.get_params(deep=False)
    ordered = sorted(set_to, key=lambda name: [*defaults, name].index(name))
    given = [(f"{name}=", set_to[name]) for name in ordered if not _same(set_to[name], defaults.get(name, defaults))]
    made = _joined(f"{kind.__name__}(", ")", given, indent)
    return Code(made.expression, made.imports | {(module, kind.__name__)})


def _joined(opened: str, closed: str, items: list[tuple[str, Any]], indent: int) -> Code:
    """On one line if it is short, else one item per line."""
    flat = [(before, written(value)) for before, value in items]
    imports = frozenset().union(*(code.imports for _, code in flat))
    line = opened + ", ".join(before + code.expression for before, code in flat) + closed
    # What comes before it on its line is not known here: so there is room for a name.
    if "\n" not in line and len(INDENT) * indent + len(line) <= WIDTH - 30:
        return Code(line, imports)
    deeper = (f"{INDENT * (indent + 1)}{before}{written(value, indent + 1).expression},\n" for before, value in items)
    return Code(f"{opened}\n{''.join(deeper)}{INDENT * indent}{closed.removeprefix(',')}", imports)


def _public(kind: type) -> str:
    """The shortest module from which a class can be imported by its name."""
    steps = kind.__module__.split(".")
    for end in range(1, len(steps) + 1):
        module = ".".join(steps[:end])
        if end < len(steps) and steps[end - 1].startswith("_"):
            continue
        if module != "__main__" and getattr(importlib.import_module(module), kind.__name__, None) is kind:
            return module
    raise Unwritable(f"{kind.__module__}.{kind.__qualname__} is not importable")


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, float) and isinstance(default, float) and math.isnan(value) and math.isnan(default):
        return True
    return type(value) is type(default) and not isinstance(value, BaseEstimator | np.ndarray | Mapping) and bool(value == default)
