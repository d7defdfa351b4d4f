"""A recipe: everything a calibration does, in one readable TOML file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError, model_validator

from calibration.sections import (
    AlsoSection,
    DataSection,
    EvaluateSection,
    ModelSection,
    Section,
    SplitSection,
    StreamSection,
    TargetSection,
    TrainSection,
)
from streamkit.errors import ConfigError
from streamkit.preprocess import PreprocessConfig, WindowConfig

SYSTEMS = {"embedding": "brainae", "response": "image2ecog", "video": "spikes2video"}
"""Kinds of target that a system of its own learns, and the method that stands for it."""
OF_IMAGES = ("mouse-v1", "brain2pix")
"""Methods of systems whose target is an image, as other methods' is."""
SHIPPED = Path(__file__).parent / "recipes"


class Recipe(Section):
    """Everything a calibration does; see the sections."""

    name: str
    description: str = ""
    data: DataSection
    stream: StreamSection = StreamSection()
    preprocess: PreprocessConfig = PreprocessConfig()
    also: tuple[AlsoSection, ...] = ()
    window: WindowConfig
    target: TargetSection
    split: SplitSection = SplitSection()
    model: ModelSection
    train: TrainSection = TrainSection()
    evaluate: EvaluateSection = EvaluateSection()

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        for kind, method in SYSTEMS.items():
            if (self.target.kind == kind) != (self.train.method == method):
                raise ValueError(
                    f"target kind {kind!r} and train.method {method!r} belong together: set both, or neither"
                )
        if self.train.method in OF_IMAGES and self.target.kind != "image":
            raise ValueError(f"train.method {self.train.method!r} needs target kind 'image', not {self.target.kind!r}")
        if self.train.method in OF_IMAGES and self.also:
            raise ValueError(f"train.method {self.train.method!r} reads one stream: leave [[also]] out")
        if self.target.kind in SYSTEMS and self.also:
            raise ValueError(f"target kind {self.target.kind!r} reads one stream: leave [[also]] out")
        if self.target.kind not in ("signal", "video") and self.window.mode != "event":
            raise ValueError(f"target kind {self.target.kind!r} needs window.mode 'event'")
        if self.target.kind == "signal" and self.window.mode != "hop":
            raise ValueError("target kind 'signal' needs window.mode 'hop'")
        return self


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with streamkit, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def load_recipe(source: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    source
        A TOML file, or the name of a shipped recipe.
    overrides
        ``"train.epochs=3"``: a dotted key and a TOML value (bare words are strings).

    Raises
    ------
    ConfigError
        When there is no such recipe, or a key or value is wrong; names the key, the file and the closest valid key.
    """
    path = _locate(source)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for override in overrides:
        _override(document, override)
    return recipe_from(document, str(path))


def recipe_from(document: Mapping[str, Any], origin: str) -> Recipe:
    """Check a recipe given as a mapping; `origin` is where it came from, for messages."""
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_explain(error, Recipe)}") from error


def _locate(source: str | Path) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    known = shipped_recipes()
    if str(source) in known:
        return known[str(source)]
    close = difflib.get_close_matches(str(source), known, 1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ConfigError(
        f"{source} is neither a file nor a shipped recipe{hint}. Shipped recipes: {', '.join(known) or 'none'}"
    )


def _override(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {override!r}: expected KEY=VALUE, such as train.epochs=3")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    table = document
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override!r}: {part!r} is a value, not a table of the recipe")
    table[parts[-1]] = value


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say the first problem in words: an unknown key first, for it often causes the others."""
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    parts = [str(part) for part in first["loc"]]
    key = ".".join(parts) or "recipe"
    more = f" ({len(problems) - 1} more problem{'s' * (len(problems) > 2)} in this recipe)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        valid = _keys(model, parts[:-1])
        close = difflib.get_close_matches(parts[-1], valid, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"unknown key {key!r}.{hint} Valid keys here: {', '.join(valid)}.{more}"
    if first["type"] == "missing":
        return f"the key {key!r} is missing.{more}"
    message = first["msg"].removeprefix("Value error, ")
    given = f" (given: {first['input']!r})" if first["type"] != "value_error" else ""
    return f"key {key!r}: {message}{given}.{more}"


def _keys(model: type[BaseModel], parts: list[str]) -> list[str]:
    """Return the valid keys of the table that `parts` leads to; a stage is found by its kind."""
    candidates = [model]
    for part in parts:
        if len(candidates) > 1:
            candidates = [m for m in candidates if m.model_fields["kind"].default == part] or candidates
        elif field := candidates[0].model_fields.get(part):
            candidates = list(_models_in(field.annotation)) or candidates
    return list(candidates[0].model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
