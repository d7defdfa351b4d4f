"""Every system of the papers is whole: networks, recipes, data sets, a row in the documentation."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import models
from calibration.datasets import DATASETS
from models.systems import PAPERS, SYSTEMS, SystemRow
from models.table import MODELS

ROOT = Path(models.__file__).parents[1]
RECIPES = ROOT / "calibration" / "recipes"
FIRST = ("EEG", "waves", "8587 neurons", "FixedRF")
"""Names of the sizes that stand first in their rows."""
DOCUMENTED = (ROOT / "docs" / "models.md").read_text().split("## Systems of the papers")[1].splitlines()


@pytest.fixture(params=SYSTEMS.values(), ids=list(SYSTEMS))
def system(request: pytest.FixtureRequest) -> SystemRow:
    row: SystemRow = request.param
    return row


def test_its_networks_are_in_the_table_at_its_size(system: SystemRow) -> None:
    for name in system.networks:
        row = MODELS[name]
        assert not row.also or system.size in row.also or system.size in FIRST
    assert set(system.baselines) <= set(MODELS)


@pytest.mark.parametrize(
    "system", [row for row in SYSTEMS.values() if row.paper == "brainae"], ids=lambda row: row.name
)
def test_an_encoder_and_its_decoder_fit_together(system: SystemRow) -> None:
    encoder, decoder = (MODELS[f"brainae_{part}"].at(system.size) for part in ("encoder", "decoder"))
    assert encoder.inputs == (decoder.output,)
    assert decoder.inputs == (encoder.output,)


def test_its_paper_is_one_of_the_five(system: SystemRow) -> None:
    assert system.paper in PAPERS


def test_its_recipes_exist_at_both_sizes(system: SystemRow) -> None:
    assert any(name.endswith("-small") for name in system.recipes)
    assert any(not name.endswith("-small") for name in system.recipes)
    for name in system.recipes:
        recipe = tomllib.loads((RECIPES / f"{name}.toml").read_text())
        assert recipe["name"] == name


def test_its_data_sets_exist(system: SystemRow) -> None:
    assert set(system.datasets) <= set(DATASETS)


def test_it_has_a_row_in_the_documentation(system: SystemRow) -> None:
    (row,) = (line for line in DOCUMENTED if line.startswith(f"| `{system.name}` |"))
    assert all(f"`{recipe}`" in row for recipe in system.recipes)


def test_every_recipe_of_a_paper_belongs_to_a_system() -> None:
    claimed = {name for system in SYSTEMS.values() for name in system.recipes}
    papers = {path.stem for path in RECIPES.glob("*.toml") if path.stem.split("-")[0] in PAPERS}
    assert papers <= claimed


def test_names_are_what_recipes_and_commands_call_them() -> None:
    assert all(name == row.name and name in row.recipes for name, row in SYSTEMS.items())
    assert len(PAPERS) == 5


@pytest.mark.parametrize("key", sorted({system.paper for system in SYSTEMS.values()}))
def test_experiments_are_those_that_reproduce_can_run(key: str) -> None:
    from calibration.papers import PAPERS as REPRODUCED

    paper = REPRODUCED[key]
    assert paper.title == PAPERS[key]
    listed = {name for system in SYSTEMS.values() if system.paper == key for name in system.experiments}
    assert listed == set(paper.experiments)
