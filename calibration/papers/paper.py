"""What a paper is to `reproduce`: named experiments at two scales."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from calibration.progress import Progress
from calibration.tables.table import Table
from streamkit.errors import StreamkitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scale = Literal["small", "full"]
Row = dict[str, Any]
M = TypeVar("M")
Done = tuple[Table, Callable[[Table], "Figure"]]
"""What an experiment found, and how it is drawn."""
FEW = 2
"""Seeds of small experiments that train many networks."""


@dataclass(frozen=True)
class Request:
    """What is to be reproduced, and where.

    Attributes
    ----------
    experiments
        Names; all of the paper's when empty.
    data
        By data set: the folder it lies in. ``small`` needs none.
    seeds
        Seeds of the trainings; the scale's own when empty.
    scheduler, workers
        See `calibration.training.fan_out`.
    cache
        Folder for what need not be computed twice, such as features of images.
    weights, accept_licence
        Files and folders of pretrained networks that the user has, by name in `Paper.weights`, and whether their
        licences are accepted.
    resume
        Folder in which trainings are kept, to be taken up again.
    """

    scale: Scale
    experiments: tuple[str, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    scheduler: str | None = None
    workers: int | None = None
    cache: Path | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    accept_licence: bool = False
    resume: Path | None = None


@dataclass(frozen=True)
class Result:
    """One experiment, done or not.

    Attributes
    ----------
    title
        One line about it.
    rows
        As `calibration.tables.table.Table` has them.
    why_not
        Why it could not be run; empty when it was.
    """

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    drawn: Figure | None = None
    seconds: float = 0.0
    why_not: str = ""


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes
    ----------
    title, source
        Of the paper.
    experiments
        Name to one line about it.
    seeds
        By scale.
    run
        Yields a `Result` for each experiment, as soon as it is there.
    notes
        By scale: what a reader must know about the figures.
    weights
        Networks whose weights it can use, by name: what for, and what stands in their place without them.
    many
        Experiments that train many networks: small, they get the first few seeds alone.
    """

    name: str
    title: str
    source: str
    experiments: Mapping[str, str]
    seeds: Mapping[Scale, tuple[int, ...]]
    run: Callable[[Request, Sequence[str], Progress], Iterator[Result]]
    notes: Mapping[Scale, str]
    weights: Mapping[str, str] = field(default_factory=dict)
    many: Container[str] = ()

    def seeds_of(self, name: str, request: Request) -> tuple[int, ...]:
        """Seeds of the trainings of one experiment."""
        if request.seeds:
            return request.seeds
        seeds = self.seeds[request.scale]
        return seeds[:FEW] if request.scale == "small" and name in self.many else seeds


def in_turn(
    titles: Mapping[str, str], names: Sequence[str], opened: Callable[[], M], one: Callable[[M, str], Done | str]
) -> Iterator[Result]:
    """Run experiments one after the other, on material that is opened once; where it cannot be, each says why.

    Parameters
    ----------
    titles
        `Paper.experiments`.
    opened
        Opens the material.
    one
        Runs one experiment on it, or says why it cannot be run.
    """
    try:
        material = opened()
    except StreamkitError as error:
        yield from (Result(name, titles[name], why_not=str(error)) for name in names)
        return
    for name in names:
        begin, done = time.monotonic(), one(material, name)
        if isinstance(done, str):
            yield Result(name, titles[name], why_not=done)
            continue
        table, draw = done
        drawn = draw(table) if table.rows else None
        yield Result(name, titles[name], table.rows, drawn, time.monotonic() - begin)
