"""What a dataset adapter is: a published layout on one side, Recordings on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from streamkit.errors import ConfigError, RecordingError, did_you_mean
from streamkit.recording import Recording


class Options(BaseModel):
    """Options an adapter takes; a subclass per adapter adds the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


def listed(value: Any) -> Any:
    """Several values from one: ``"a, b"`` is ``("a", "b")`` and a single number is a tuple of one."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value if isinstance(value, (list, tuple)) else (value,)


@dataclass(frozen=True)
class Dataset:
    """One row of the table of datasets.

    Attributes
    ----------
    name
        What recipes and ``convert`` call it.
    summary
        One line: what was recorded.
    source
        Where its authors publish it.
    licence
        Licence the authors give.
    folder
        Which folder or file to point at, in words.
    options
        The options it takes.
    reader
        Reads the published layout.
    """

    name: str
    summary: str
    source: str
    licence: str
    folder: str
    options: type[Options]
    reader: Callable[[Path, Any], Iterator[Recording]]

    def read(self, path: Path | str, options: Mapping[str, Any] | None = None) -> Iterator[Recording]:
        """Recordings at `path`, one by one; each carries in ``meta.group`` the unit a split may not cut.

        Parameters
        ----------
        path
            The folder or file as published.
        options
            Options by name; text is converted to the option's type.

        Raises
        ------
        ConfigError
            For an unknown option or a wrong value.
        RecordingError
            When the layout is not the published one (raised while iterating).
        """
        return self._recordings(Path(path), self.parse(options or {}))

    def parse(self, options: Mapping[str, Any]) -> Options:
        """Return the options as the adapter's own model, or raise ConfigError."""
        try:
            return self.options.model_validate(dict(options))
        except ValidationError as error:
            unknown = [each for each in error.errors() if each["type"] == "extra_forbidden"]
            first = (unknown or error.errors())[0]
            key = ".".join(str(part) for part in first["loc"])
            valid = ", ".join(self.options.model_fields) or "none"
            what = f"{first['msg']} (got {first['input']!r})."
            if first["type"] == "extra_forbidden":
                what = f"there is no such option.{did_you_mean(key, self.options.model_fields)}"
            raise ConfigError(
                f"dataset {self.name!r}, option {key!r}: {what} Options of this dataset: {valid}."
            ) from error

    def _recordings(self, path: Path, options: Options) -> Iterator[Recording]:
        found = False
        for recording in self.reader(path, options):
            found = True
            yield recording
        if not found:
            raise self.not_found(path, "recordings that match the options " + (options.model_dump_json() or "{}"))

    def not_found(self, path: Path, looked_for: str) -> RecordingError:
        """Return the error for a layout that is not there: what was looked for, who publishes it, where to point."""
        return missing(path, looked_for, self.source, self.folder)


def missing(path: Path, looked_for: str, source: str, folder: str) -> RecordingError:
    """Return the error for files that are not there."""
    state = "has none" if path.exists() else "does not exist"
    published = f"The authors publish the data at {source}; point" if "://" in source else "Point"
    return RecordingError(f"looked for {looked_for}, but {path} {state}. {published} at {folder}.")


def wrong_layout(path: Path, expected: str, found: str, source: str) -> RecordingError:
    """Return the error for a file whose fields are not the published ones."""
    return RecordingError(
        f"{path}: expected {expected}, found {found}. "
        f"This reader knows the layout published at {source}; use a file from there, unchanged."
    )


def world_named(path: Path, world: str, folder: str) -> str:
    """The world that an option names, or else a path.

    Raises
    ------
    ConfigError
        When neither does; says what to give (`folder`).
    """
    named = world or (str(path) if path != Path() else "")
    if not named:
        raise ConfigError(f"no world was named: give {folder}")
    return named
