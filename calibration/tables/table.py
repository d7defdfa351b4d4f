"""What an experiment found, as lines of a table."""

from __future__ import annotations

from dataclasses import dataclass, field

from numpy.typing import NDArray

from calibration.tables.items import Row


@dataclass(frozen=True)
class Table:
    """What an experiment found.

    Attributes
    ----------
    rows
        Lines with ``row``, ``metric``, ``value``, ``chance``, ``ci95``, ``p``, ``n``, ``note`` and what is the
        experiment's own; a value that could not be had is None, and the note says why.
    arrays
        What its figure needs beside them.
    """

    rows: list[Row]
    arrays: dict[str, NDArray] = field(default_factory=dict)

    def value(self, row: str, metric: str) -> float | None:
        """The value of one line."""
        return next(line["value"] for line in self.rows if (line["row"], line["metric"]) == (row, metric))


def not_run(row: str, metric: str, why: object) -> Row:
    """A line for what could not be had."""
    return {
        "row": row,
        "metric": metric,
        "value": None,
        "chance": None,
        "ci95": [None, None],
        "p": None,
        "n": 0,
        "note": f"not run: {why}",
    }
