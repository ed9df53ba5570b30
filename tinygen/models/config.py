"""A model's options, each stated once: its default, what it may be, and what it is.

A model's `Config` is a frozen dataclass of `option`s. From it come the flags of the examples, the
checks of what is given, what a run folder stores and the tests' configurations.

    @dataclass(frozen=True, kw_only=True)
    class Config(config.Config):
        lr: float = option(2e-4, POSITIVE, "Adam's learning rate")
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self

import numpy as np

from ..errors import UsageError


@dataclass(frozen=True)
class Values:
    """What an option may be: a kind of value, which of them, and how an error says so."""

    kind: type
    allowed: Callable[[Any], bool]
    wanted: str
    choices: tuple[str, ...] = ()  # all of them, if they are few words

    def parse(self, text: str) -> Any:
        """The value that was typed. Raises UsageError for any other."""
        try:
            return self.check(self.kind(text))
        except (ValueError, OverflowError):
            raise UsageError(f"wanted {self.wanted}, got {text!r}") from None

    def check(self, value: Any) -> Any:
        """The value as a plain int, float, str or bool. Raises UsageError if it is not allowed."""
        value = value.item() if isinstance(value, np.generic) else value
        if self.kind is float and type(value) is int:
            value = float(value)
        if type(value) is not self.kind or not self.allowed(value):
            raise UsageError(f"wanted {self.wanted}, got {value!r}")
        return value


COUNT = Values(int, lambda n: n >= 1, "a whole number >= 1")
NATURAL = Values(int, lambda n: n >= 0, "a whole number >= 0")
POSITIVE = Values(float, lambda x: 0 < x < math.inf, "a number > 0")
NOT_NEGATIVE = Values(float, lambda x: 0 <= x < math.inf, "a number >= 0")
FRACTION = Values(float, lambda x: 0 <= x < 1, "a number >= 0 and < 1")
SHARE = Values(float, lambda x: 0 < x <= 1, "a number > 0 and <= 1")
SWITCH = Values(bool, lambda on: True, "true or false")


def one_of(names: Iterable[str]) -> Values:
    """One of these words."""
    choices = tuple(names)
    return Values(str, lambda name: name in choices, " or ".join(choices), choices)


def option(
    default: Any, values: Values, help: str, *, several: bool = False, before: Any = None
) -> Any:
    """A field of a Config. default: None where the option may be left open. several: a tuple.
    before: what it was in runs of earlier versions, which do not store it."""
    about = {"values": values, "help": help, "several": several, "before": before}
    return field(default=default, metadata=about)


def option_of(
    choice: str, defaults: Mapping[str, Any], values: Values, help: str, *, before: Any = None
) -> Any:
    """A field that goes with another one, `choice`, which stands above it.

    defaults: for each value of choice its own default; for other values there is no such option,
    it is None and must not be given. before: as in `option`.
    """
    help = f"{help}; {', '.join(f'{default} for {of}' for of, default in defaults.items())}"
    about = {"values": values, "help": help, "several": False, "choice": choice, "before": before}
    return field(default=None, metadata={**about, "defaults": dict(defaults)})


@dataclass(frozen=True, kw_only=True)
class Config:
    """The options of one model. Raises UsageError, naming model and option, for a wrong value."""

    def __post_init__(self) -> None:
        for f in fields(self):
            try:
                value = _checked(f, getattr(self, f.name))
                if choice := f.metadata.get("choice"):
                    value = _own(f, value, getattr(self, choice))
                object.__setattr__(self, f.name, value)
            except UsageError as error:
                raise UsageError(f"{self.model()}: {f.name}: {error}") from None

    @classmethod
    def model(cls) -> str:
        """The model's name, that of its file."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The options among `values`, as in a run's config.json. One that is missing is what it was
        before there was such an option. Raises UsageError if there always was."""
        found = {f.name: values[f.name] for f in fields(cls) if f.name in values}
        absent = [f for f in fields(cls) if f.name not in values]
        missing = [f.name for f in absent if f.metadata["before"] is None]
        if missing:
            raise UsageError(f"{cls.model()}: wanted the options {', '.join(missing)}, got none")
        for f in absent:
            chosen = values.get(f.metadata.get("choice", ""))
            belongs = chosen in f.metadata.get("defaults", {chosen})
            found[f.name] = f.metadata["before"] if belongs else None
        return cls(**found)


def _checked(f: Field[Any], value: Any) -> Any:
    values: Values = f.metadata["values"]
    if value is None and f.default is None:
        return None
    if not f.metadata["several"]:
        return values.check(value)
    if not isinstance(value, list | tuple) or not value:
        raise UsageError(f"wanted several values, each {values.wanted}, got {value!r}")
    return tuple(values.check(v) for v in value)


def _own(f: Field[Any], value: Any, chosen: str | None) -> Any:
    """The value of an option that goes with what was chosen, or the default that belongs to it."""
    choice, defaults = f.metadata["choice"], f.metadata["defaults"]
    if chosen in defaults:
        return defaults[chosen] if value is None else value
    if value is not None:
        this = f"this is {chosen}" if chosen else f"this has no {choice}"
        raise UsageError(f"an option of {choice} {' or '.join(defaults)}, {this}")
    return None
