"""reproduce: which experiments there are, what is written, and what is said when something cannot be run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from apps.commands.reproduce import command
from calibration import reproduce as module
from calibration.papers import PAPERS, Paper, Result
from calibration.papers.paper import Request
from calibration.progress import Progress
from calibration.recipe import load_recipe
from streamkit.errors import ConfigError

ROW = {
    "row": "all",
    "metric": "top-1",
    "value": 0.5,
    "chance": 0.1,
    "ci95": [0.4, None],
    "p": None,
    "n": 10,
    "note": "<b>plain</b>",
    "paper": {"eeg": 0.306},
}


def run(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
    """One that works, one that cannot be run."""
    for name in names:
        yield Result(name, name.title(), [ROW]) if name == "one" else Result(name, name.title(), why_not="no data")


TOY = Paper(
    name="toy",
    title="A toy",
    source="nobody",
    experiments={"one": "1", "two": "2"},
    seeds={"small": (0,), "full": (1,)},
    run=run,
    notes={"small": "toy", "full": "toy"},
)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PAPERS, "toy", TOY)


def test_every_experiment_leaves_numbers_and_a_place_on_the_page(tmp_path: Path) -> None:
    done = module.reproduce("toy", Request("small"), tmp_path)
    assert [each.name for each in done.results] == ["one", "two"]
    assert json.loads((tmp_path / "01-one.json").read_text())["rows"] == [ROW]
    assert json.loads((tmp_path / "02-two.json").read_text())["not_run"] == "no data"
    page = done.page.read_text()
    assert "not run</strong>: no data" in page
    assert "0.306" in page
    assert "&lt;b&gt;plain" in page


def test_what_was_done_is_there_when_a_later_experiment_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
        yield Result("one", "One", [ROW])
        raise ConfigError("no more")

    monkeypatch.setitem(PAPERS, "toy", replace(TOY, run=breaks))
    with pytest.raises(ConfigError, match="no more"):
        module.reproduce("toy", Request("small"), tmp_path)
    assert (tmp_path / "01-one.json").is_file()
    assert "0.5" in (tmp_path / "index.html").read_text()


def test_only_what_is_asked_for_is_run(tmp_path: Path) -> None:
    assert [each.name for each in module.reproduce("toy", Request("small", ("two",)), tmp_path).results] == ["two"]


def test_nothing_is_written_and_all_that_is_missing_is_said_where_nothing_could_be_run(tmp_path: Path) -> None:
    words = ["toy", "--out", str(tmp_path / "out"), "--json"]
    refused = CliRunner().invoke(command, [*words, "--experiment", "two"], standalone_mode=False)
    assert isinstance(refused.exception, ConfigError)
    assert "nothing of toy could be run" in str(refused.exception)
    assert str(refused.exception).endswith("with --data DATASET=FOLDER or --weights NAME=PATH:\n  no data")
    assert not (tmp_path / "out").exists()
    again = CliRunner().invoke(command, words, standalone_mode=False)
    assert again.exception is None
    assert [each["name"] for each in json.loads(again.stdout)["experiments"]] == ["one", "two"]


def test_what_could_not_be_run_is_written_beside_the_first_that_was(tmp_path: Path) -> None:
    done = module.reproduce("toy", Request("small", ("two", "one", "two")), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "01-two.json",
        "02-one.json",
        "03-two.json",
        "index.html",
    ]
    assert done.page.read_text().count("not run</strong>: no data") == 2


def test_the_command_says_where_trainings_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def note(request: Request, names: Sequence[str], progress: Progress) -> Iterator[Result]:
        asked.append(request)
        return run(request, names, progress)

    monkeypatch.setitem(PAPERS, "toy", replace(TOY, run=note))
    words = ["toy", "--out", str(tmp_path / "out"), "--resume", str(tmp_path / "kept")]
    assert CliRunner().invoke(command, words, standalone_mode=False).exception is None
    assert asked[0].resume == tmp_path / "kept"


def test_an_unknown_experiment_is_told_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'two'"):
        module.chosen(TOY, ["twoo"])


def test_weights_that_a_paper_has_no_use_for_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request("small", weights={"alexnet": tmp_path / "file.pth"})
    with pytest.raises(ConfigError, match=r"toy uses no weights called 'alexnet'\. It can use: none"):
        module.reproduce("toy", request, tmp_path)
    monkeypatch.setitem(PAPERS, "toy", replace(TOY, weights={"alexnet": "to look through"}))
    assert len(module.reproduce("toy", request, tmp_path).results) == 2


def test_an_unknown_paper_is_told_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'brainae'"):
        module.reproduce("brainea", Request("small"), tmp_path)


def test_every_paper_has_recipes_for_both_scales() -> None:
    from calibration.papers.brainae import RECIPES

    for recipes in RECIPES.values():
        for name in recipes.values():
            assert load_recipe(name).target.kind == "embedding"
