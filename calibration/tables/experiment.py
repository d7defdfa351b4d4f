"""What the experiments of every paper have in common: a title, a table, a figure, and how often is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from calibration.metrics import Draws
from calibration.sections import Section
from calibration.tables.items import Row
from calibration.tables.table import Table
from streamkit.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIGNALS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Scale of what a simulated brain tells of what was shown; at 0 it tells nothing, 1 is the reference."""


class Drawing(Section):
    """How often the experiments of a paper draw for intervals and p values; a paper's own plan adds its sizes."""

    bootstrap: int = Field(1000, ge=1)
    permutations: int = Field(1000, ge=0)
    seed: int = Field(0, ge=0)

    @property
    def draws(self) -> Draws:
        """As the scores take them."""
        return Draws(self.bootstrap, self.permutations, self.seed)


@dataclass(frozen=True)
class Experiment:
    """One experiment of a paper.

    Attributes
    ----------
    title
        One line.
    run
        From trained models, settings, seeds and plan to a table; models are shared by all experiments.
    draw
        From the table to its figure.
    """

    name: str
    title: str
    run: Callable[..., Table]
    draw: Callable[[Table], Figure]


def chosen(paper: str, experiments: Mapping[str, Experiment], name: str, seeds: Sequence[int]) -> Experiment:
    """The experiment of this name.

    Raises
    ------
    ConfigError
        When there is none, or no seed.
    """
    if name not in experiments:
        raise ConfigError(
            f"{paper} has no experiment {name!r}.{did_you_mean(name, experiments)} There are: {', '.join(experiments)}"
        )
    if not seeds:
        raise ConfigError("an experiment needs a seed at least, none was given")
    return experiments[name]


class Named(Protocol):
    """Material that says what it is called, and whether it is simulated."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def simulated(self) -> bool:
        """Whether it is."""


def told(
    published: Callable[[str, str, str], dict[str, float]], name: str, rows: Sequence[Row], material: Named
) -> list[Row]:
    """Lines that also say the experiment, the data and the paper's figures: `published` of experiment, row, metric."""
    facts = {"experiment": name, "data": material.name, "simulated": material.simulated}
    return [{**facts, **line, "paper": published(name, line["row"], line["metric"])} for line in rows]


@dataclass(frozen=True)
class Runner:
    """Runs the experiments of a paper by their names.

    Attributes
    ----------
    paper, experiments
        Its name for messages, and its experiments.
    plan
        The sizes that it states.
    told
        Adds what every line says: from the experiment's name, its lines and the material.
    """

    paper: str
    experiments: Mapping[str, Experiment]
    plan: Drawing
    told: Callable[[str, Sequence[Row], Any], list[Row]]

    def __call__(
        self, name: str, trained: Any, settings: Any, seeds: Sequence[int], plan: Drawing | None = None
    ) -> Table:
        """Run one experiment.

        Parameters
        ----------
        name
            Of the paper's experiments.
        trained
            Holds the material; networks are shared by all experiments that are given the same one.
        settings, seeds
            Of the trainings: one per seed.
        plan
            Sizes of the experiment; the paper's by default.

        Returns
        -------
        Table
            Its lines also say the experiment, the data, and the paper's figures where it has some.

        Raises
        ------
        ConfigError
            When there is no such experiment, or no seed.
        """
        table = chosen(self.paper, self.experiments, name, seeds).run(trained, settings, seeds, plan or self.plan)
        return Table(self.told(name, table.rows, trained.material), table.arrays)
