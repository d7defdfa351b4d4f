"""`streamkit models`: every network and every system, with shapes and size, and why one is not here."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest
from click.testing import CliRunner

from apps.commands import models
from models.systems import SYSTEMS
from models.table import MODELS

SIZES = {
    "brainae-eeg": (2_999_592, 1_987_683, 9_675_648),
    "brainae-meg": (2_922_792, 1_910_483, 9_675_648),
    "brainae-mua": (4_127_592, 3_115_283, 9_675_648),
}
WINDOWS = {"brainae-eeg": [63, 250], "brainae-meg": [271, 200], "brainae-mua": [1024, 200]}


def report() -> dict[str, Any]:
    result = CliRunner().invoke(models.command, ["--json"])
    assert result.exception is None
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def rows() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in report()["models"]}


def test_every_network_is_listed_with_its_source_and_size() -> None:
    found = rows()
    assert set(found) >= set(MODELS)
    assert found["v1_cnn"]["n_parameters"] == 20_226_625
    assert found["brainae_classifier"]["n_parameters"] == 2_999_592 + 2 * 1024 + 2
    assert found["shallow_fbcsp_encoder"]["n_parameters"] == 553_504
    for name in MODELS:
        row = found[name]
        assert row["available"], row["why_not"]
        assert row["source"]
        assert row["input"]
        assert row["inputs"] == [list(shape) for shape in MODELS[name].inputs]
        assert row["output"] == list(MODELS[name].output)


def test_networks_are_counted_without_memory_where_their_layers_allow() -> None:
    on = {name: row["counted_on"] for name, row in rows().items()}
    assert {name for name, where in on.items() if where == "cpu"} <= {"eegconformer", "eegconformer_encoder"}
    assert on["brainae_linear_decoder"] == on["brainae_prior"] == "meta"


@pytest.mark.parametrize("name", SIZES)
def test_every_system_of_brainae_has_its_published_size_and_shapes(name: str) -> None:
    system = {row["name"]: row for row in report()["systems"]}[name]
    assert tuple(part["n_parameters"] for part in system["networks"]) == SIZES[name]
    assert system["n_parameters"] == sum(SIZES[name])
    encoder, decoder, prior = system["networks"]
    assert encoder["inputs"] == [WINDOWS[name]]
    assert encoder["output"] == prior["output"] == [1024]
    assert decoder["inputs"] == [[1024]]
    assert decoder["output"] == WINDOWS[name]
    assert {part["counted_on"] for part in system["networks"]} == {"meta"}
    assert system["not_counted"]


def test_every_system_is_listed_with_its_paper_recipes_and_data() -> None:
    found = report()["systems"]
    assert [row["name"] for row in found] == list(SYSTEMS)
    for row in found:
        assert all(row[key] for key in ("paper", "paper_title", "title", "recipes", "datasets", "experiments"))
        assert all(part["n_parameters"] for part in (*row["networks"], *row["baselines"]))


def test_an_absent_package_leaves_the_others_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "braindecode.models", None)
    found = report()
    networks = {row["name"]: row for row in found["models"]}
    for name in ("eegnet", "eegnet_encoder"):
        assert not networks[name]["available"]
        assert "pip install 'streamkit[train]'" in networks[name]["why_not"]
    assert networks["linear"]["available"]
    system = found["systems"][0]
    assert system["n_parameters"] == sum(SIZES["brainae-eeg"])
    assert [part["name"] for part in system["baselines"] if "why_not" in part] == [
        "deep4_encoder",
        "shallow_fbcsp_encoder",
        "eegnet_encoder",
        "eegconformer_encoder",
    ]


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = report()
    assert found["systems"] == []
    assert found["models"]
    assert all("pip install 'streamkit[train]'" in row["why_not"] for row in found["models"])


def test_somebody_elses_builder_is_listed_by_what_it_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = EntryPoint("theirs", "tests.small_graphs:build_pair", models.GROUP)
    monkeypatch.setattr(models, "entry_points", lambda group: [*entry_points(group=group), theirs])
    row = rows()["theirs"]
    assert row["available"]
    assert row["builder"] == "tests.small_graphs:build_pair"
    assert "source" not in row


def test_people_get_two_tables() -> None:
    output = CliRunner().invoke(models.command, env={"COLUMNS": "200"}).output
    assert "brainae_classifier" in output
    assert "brainae-mua-small" in output


def test_the_table_of_models_is_complete() -> None:
    ours = {point.name for point in entry_points(group=models.GROUP) if point.value.startswith("models.")}
    assert ours == {row.builder for row in MODELS.values()}
