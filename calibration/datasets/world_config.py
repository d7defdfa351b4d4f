"""The readable file of a simulated world: forward model, noise and seed, checked key by key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calibration.datasets.dataset import Options, world_named
from streamkit.errors import ConfigError

C = TypeVar("C", bound=BaseModel)


class WorldOptions(Options):
    """Which world, and what to change in it.

    Parameters
    ----------
    world
        Name or file, where the path does not say it.
    seed
        Instead of the file's.
    set
        Values to change by dotted key, e.g. ``{"noise.signal": 0.5}``.
    """

    world: str = ""
    seed: int | None = Field(None, ge=0)
    set: dict[str, Any] = Field(default_factory=dict)


class Part(BaseModel):
    """A table of the file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Group(Part):
    """One Recording of the world: which photographs it shows, and how many patches of them.

    Parameters
    ----------
    photographs
        Names from `calibration.datasets.photographs.PHOTOGRAPHS`.
    n_patches
        Squares cut from them. Each is a *concept*: what the images cut around one place have in common.
    exemplars
        Images of each concept: the square itself, and squares beside it.
    shown
        How many of them are shown, the first ones; None for all. The others are stimuli that nobody sees: templates of
        a concept are made of them.
    repeats
        How often each image that is shown is, all of them in random order.
    """

    photographs: tuple[str, ...] = Field(min_length=1)
    n_patches: int = Field(ge=1)
    exemplars: int = Field(default=1, ge=1)
    shown: int | None = Field(default=None, ge=1)
    repeats: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _there_are_so_many(self) -> Group:
        if self.shown is not None and self.shown > self.exemplars:
            raise ValueError(f"shown = {self.shown} of exemplars = {self.exemplars}: raise exemplars")
        return self


class Patches(Part):
    """How photographs become stimuli.

    Parameters
    ----------
    size
        Pixels per side of a stimulus.
    scales
        Pixels per side of the squares cut from a photograph; each is averaged down to `size`.
    overlap
        Part of its side that two neighbouring squares of one scale share.
    min_contrast
        Squares whose standard deviation (of values in [0, 1]) is lower are rejected.
    min_structure
        Squares of which less than this share of variance survives averaging down four times are rejected: of mere
        texture nobody could tell what was shown.
    contrast
        Standard deviation every stimulus is given, around mid-grey; values beyond [0, 1] are clipped.
    shift
        Part of a square's side by which further exemplars of its concept lie beside it, at most, in either direction.
    """

    size: int = Field(default=32, ge=8)
    scales: tuple[int, ...] = (64, 96, 128, 160)
    overlap: float = Field(default=0.5, ge=0, lt=1)
    min_contrast: float = Field(default=0.06, ge=0)
    min_structure: float = Field(default=0.6, ge=0, le=1)
    contrast: float = Field(default=0.2, gt=0)
    shift: float = Field(default=0.15, gt=0, le=0.5)

    @model_validator(mode="after")
    def _scales_reach_size(self) -> Patches:
        if min(self.scales, default=0) < self.size:
            raise ValueError(f"every scale must be at least the size {self.size}")
        return self


class Presentation(Part):
    """When stimuli are on screen, in seconds: `lead`, then `on` and `off` in turn."""

    on: float = Field(default=0.3, gt=0)
    off: float = Field(default=0.2, ge=0)
    lead: float = Field(default=1.0, ge=0)


class Units(Part):
    """The population and its spikes.

    Parameters
    ----------
    luminance, simple, complex
        Number of units of each kind (see `fields`).
    bin
        Length of a counting bin, seconds.
    base, evoked
        Hz: rate without stimulus, and what a unit's mean response to the training stimuli adds to it.
    latency, transient
        Seconds: from onset to response, and time constant of the onset transient.
    """

    luminance: int = Field(default=160, ge=0)
    simple: int = Field(default=64, ge=0)
    complex: int = Field(default=32, ge=0)
    bin: float = Field(default=0.01, gt=0)
    base: float = Field(default=2.0, ge=0)
    evoked: float = Field(default=12.0, gt=0)
    latency: float = Field(default=0.04, ge=0)
    transient: float = Field(default=0.05, gt=0)

    @property
    def n(self) -> int:
        """Number of units."""
        return self.luminance + self.simple + self.complex


class Eeg(Part):
    """The EEG-like mixture of the same population.

    Parameters
    ----------
    sfreq
        Hz.
    sources
        Number of patches of cortex the population is pooled into.
    evoked, background, alpha
        Microvolts, root mean square over channels: mean evoked signal while a stimulus drives it, 1/f background and
        alpha rhythm (10 Hz, strongest at the back of the head).
    """

    sfreq: float = Field(default=250.0, gt=0)
    sources: int = Field(default=24, ge=1)
    evoked: float = Field(default=4.0, ge=0)
    background: float = Field(default=6.0, ge=0)
    alpha: float = Field(default=4.0, ge=0)


class Noise(Part):
    """How much of a response depends on the stimulus, and what varies beside it.

    Parameters
    ----------
    signal
        Scale of the stimulus-dependent part of every response; at 0 all stimuli evoke the same mean response.
    gain_sd
        Standard deviation of the gain that all units share in one presentation (log-normal, mean 1).
    """

    signal: float = Field(default=1.0, ge=0)
    gain_sd: float = Field(default=0.15, ge=0)


class WorldConfig(Part):
    """A simulated visual cortex watching photographs.

    Parameters
    ----------
    name, description, seed
        What it is called and for, and the seed of everything random.
    streams
        Which streams to make: ``"spikes"``, ``"eeg"``; the first is the Recording's first signal.
    groups
        The Recordings by group name; no photograph may be in two.
    """

    name: str
    description: str = ""
    seed: int = Field(0, ge=0)
    streams: tuple[str, ...] = ("spikes", "eeg")
    groups: dict[str, Group]
    patches: Patches = Patches()
    presentation: Presentation = Presentation()
    units: Units = Units()
    eeg: Eeg = Eeg()
    noise: Noise = Noise()

    @model_validator(mode="after")
    def _no_photograph_on_both_sides(self) -> WorldConfig:
        seen: dict[str, str] = {}
        for group, part in self.groups.items():
            for photograph in part.photographs:
                if photograph in seen:
                    raise ValueError(
                        f"photograph {photograph!r} is in the groups {seen[photograph]!r} and {group!r}; "
                        "a split goes between photographs"
                    )
                seen[photograph] = group
        if "train" not in self.groups:
            raise ValueError("one group must be called 'train': it sets the scale of the responses")
        if not self.streams or set(self.streams) - {"spikes", "eeg"}:
            raise ValueError(f"streams must be one or both of 'spikes', 'eeg', not {self.streams}")
        if not self.units.n:
            raise ValueError("the population has no units")
        return self


PHOTOGRAPHS = "photographs"
"""The kind of a world whose file names none: those of this file."""


def shipped_worlds(kind: str = PHOTOGRAPHS) -> dict[str, Path]:
    """Worlds of one kind that come with the package, by name."""
    folder = Path(str(files("calibration") / "worlds"))
    return {
        file.stem: file for file in sorted(folder.glob("*.toml")) if table_of(file).get("kind", PHOTOGRAPHS) == kind
    }


def loaded(config: type[C], kind: str, world: Path | str, changes: dict[str, Any] | None = None) -> C:
    """Read a world of one kind from a TOML file, or by the name of a shipped one.

    Parameters
    ----------
    config
        What its file holds.
    world
        File or name.
    changes
        Values to set instead of the file's, by dotted key, e.g. ``{"noise.signal": 0.5}``.

    Raises
    ------
    ConfigError
        When there is no such world, or a key or value in it is wrong.
    """
    table, file = read_table(world, changes or {}, kind)
    return checked(config, table, file)


load_world = partial(loaded, WorldConfig, PHOTOGRAPHS)
"""`loaded`, of a world that watches photographs."""


def seeded(config: C, seed: int | None) -> C:
    """A world with `seed` instead of its own; None leaves it."""
    return config if seed is None else config.model_copy(update={"seed": seed})


def configured(path: Path, options: WorldOptions, load: Callable[[str, dict[str, Any]], C], folder: str) -> C:
    """The world that a path and options name.

    Parameters
    ----------
    load
        `loaded`, of worlds of its kind.
    folder
        What to point at, in words.

    Raises
    ------
    ConfigError
        When neither names one, or a key or value is wrong.
    """
    return seeded(load(world_named(path, options.world, folder), options.set), options.seed)


def read_table(world: Path | str, changes: dict[str, Any], kind: str) -> tuple[dict[str, Any], Path]:
    """The table of a world's file, with values changed, and the file.

    Raises
    ------
    ConfigError
        When there is no such world of that kind.
    """
    shipped = shipped_worlds(kind)
    file = shipped.get(str(world), Path(world))
    if not file.is_file():
        raise ConfigError(
            f"no world {str(world)!r}: expected a TOML file or one of the shipped worlds {', '.join(shipped)}"
        )
    table = table_of(file)
    for key, value in changes.items():
        put(table, key.split("."), value, key)
    return table, file


def table_of(file: Path) -> dict[str, Any]:
    """A TOML file as a table."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML ({error})") from error


def put(table: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    """Set one value by its path of keys."""
    for step in path[:-1]:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{key!r} does not name a value of a world: {step!r} is not a table")
    table[path[-1]] = value


def checked(config: type[C], table: dict[str, Any], file: Path) -> C:
    """Validate a world, naming the key that is wrong and the keys that would be right."""
    try:
        return config.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = f"{file}: {key + ': ' if key else ''}{first['msg'].removeprefix('Value error, ')}"
        if first["type"] == "extra_forbidden":
            message += f". Valid keys there: {', '.join(valid_keys(config, first['loc'][:-1]))}"
        raise ConfigError(message) from error


def valid_keys(config: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the keys a table of the file may have."""
    model = config
    for step in path:
        if field := model.model_fields.get(str(step)):
            model = next(models_in(field.annotation), model)
    return sorted(model.model_fields)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every table that a value of this type may be or hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)
