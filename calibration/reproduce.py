"""reproduce: every named experiment of a paper, as tables and figures: HTML for people, PNG, JSON for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calibration import plots
from calibration.papers import PAPERS, Paper, Result
from calibration.papers.paper import Request
from calibration.progress import Progress
from calibration.report import write_page
from streamkit import __version__
from streamkit.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Reproduction:
    """What was run of a paper.

    Attributes
    ----------
    page
        The HTML page; there is none where nothing could be run.
    results
        Every experiment, those that could not be run included.
    """

    paper: Paper
    page: Path
    results: tuple[Result, ...]
    seconds: float

    @property
    def ran(self) -> bool:
        """Whether any experiment was run."""
        return not all(each.why_not for each in self.results)

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "paper": self.paper.name,
            "page": str(self.page),
            "seconds": self.seconds,
            "experiments": [
                {"name": each.name, "title": each.title, "seconds": each.seconds, "rows": each.rows}
                | ({"not_run": each.why_not} if each.why_not else {})
                for each in self.results
            ],
        }


def paper_called(name: str) -> Paper:
    """The paper called `name`.

    Raises
    ------
    ConfigError
        When there is none; names the closest.
    """
    if name not in PAPERS:
        raise ConfigError(f"there is no paper {name!r}.{did_you_mean(name, PAPERS)} Papers: {', '.join(PAPERS)}")
    return PAPERS[name]


def reproduce(name: str, request: Request, out: Path, progress: Progress | None = None) -> Reproduction:
    """Run the experiments of a paper and write what they found into `out`, each as soon as it is there.

    Those that cannot be run are written beside the first that was; nothing is written where none could be run.

    Raises
    ------
    ConfigError
        For an unknown paper or experiment.
    """
    begin = time.monotonic()
    paper = paper_called(name)
    names = chosen(paper, request.experiments)
    check_weights(paper, request)
    done = Reproduction(paper, out / "index.html", (), 0.0)
    saved = 0
    for result in paper.run(request, names, progress or Progress()):
        done = replace(done, results=(*done.results, result), seconds=time.monotonic() - begin)
        if done.ran:
            out.mkdir(parents=True, exist_ok=True)
            for number, each in enumerate(done.results[saved:], saved + 1):
                save(each, out, number)
            saved = len(done.results)
            tell(done, request)
    return replace(done, seconds=time.monotonic() - begin)


def chosen(paper: Paper, wanted: Sequence[str]) -> tuple[str, ...]:
    """Names of experiments, all of the paper's when none is wanted.

    Raises
    ------
    ConfigError
        When the paper has no such experiment.
    """
    for name in wanted:
        if name not in paper.experiments:
            raise ConfigError(
                f"{paper.name} has no experiment {name!r}.{did_you_mean(name, paper.experiments)} "
                f"Experiments: {', '.join(paper.experiments)}"
            )
    return tuple(wanted) or tuple(paper.experiments)


def check_weights(paper: Paper, request: Request) -> None:
    """Refuse weights of a network that the paper does not use.

    Raises
    ------
    ConfigError
        Names those it can use.
    """
    for name in request.weights:
        if name not in paper.weights:
            known = ", ".join(paper.weights) or "none"
            hint = did_you_mean(name, paper.weights)
            raise ConfigError(f"{paper.name} uses no weights called {name!r}.{hint} It can use: {known}")


def stem(result: Result, number: int) -> str:
    """Name of a result's files, without the ending."""
    return f"{number:02d}-{result.name}"


def save(result: Result, out: Path, number: int) -> None:
    """Write one result's numbers and figure."""
    base = out / stem(result, number)
    facts = {"experiment": result.name, "title": result.title, "seconds": result.seconds, "rows": result.rows}
    if result.why_not:
        facts["not_run"] = result.why_not
    base.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if result.drawn is not None:
        plots.save(result.drawn, base.with_suffix(".png"))


def tell(done: Reproduction, request: Request) -> None:
    """Write the HTML page with all there is so far."""
    write_page(
        done.page,
        "reproduction.html",
        paper=done.paper,
        note=done.paper.notes[request.scale],
        scale=request.scale,
        seeds=request.seeds or done.paper.seeds[request.scale],
        seconds=done.seconds,
        version=__version__,
        results=[(stem(each, number), each) for number, each in enumerate(done.results, 1)],
    )
