from __future__ import annotations

import pytest

from calibration.recipe import load_recipe, recipe_from, shipped_recipes
from streamkit.errors import ConfigError
from tests.calibration.toy import document


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_every_shipped_recipe_is_valid_and_called_as_its_file(name):
    assert load_recipe(name).name == name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"epoch": 3}}, "unknown key 'train.epoch'. Did you mean 'epochs'?"),
        ({"modle": {"name": "x"}}, "unknown key 'modle'. Did you mean 'model'?"),
        ({"window": {"mode": "event", "ntimes": 3}}, "unknown key 'window.ntimes'. Did you mean 'n_times'?"),
        ({"window": {"mode": "event"}}, "the key 'window.n_times' is missing"),
        ({"train": {"lr": -1}}, "key 'train.lr': Input should be greater than 0 (given: -1)"),
        ({"target": {"kind": "class"}}, "key 'target': kind 'class' needs `classes`"),
        ({"window": {"mode": "hop", "n_times": 3, "hop": 1}}, "target kind 'class' needs window.mode 'event'"),
    ],
)
def test_a_wrong_recipe_names_the_key_and_the_file(change, message):
    with pytest.raises(ConfigError) as raised:
        recipe_from(document() | change, "some.toml")
    assert str(raised.value).startswith("some.toml: ")
    assert message in str(raised.value)


def test_a_wrong_key_of_a_stage_names_the_keys_of_that_kind():
    stages = [{"kind": "bandpass", "lo": 1, "high": 20}]
    with pytest.raises(ConfigError, match=r"unknown key .*lo'.*Did you mean 'low'\? Valid keys here: kind, low, high"):
        recipe_from(document(preprocess={"stages": stages}), "x")


def test_an_unknown_kind_of_stage_names_the_known_ones():
    with pytest.raises(ConfigError, match=r"'bandpas'.*'bandpass'"):
        recipe_from(document(preprocess={"stages": [{"kind": "bandpas"}]}), "x")


def test_values_are_overridden_by_dotted_keys():
    recipe = load_recipe("p300-muse", ["train.seed=3", "split.held_out=['run-0']", "evaluate.metric=accuracy"])
    assert (recipe.train.seed, recipe.split.held_out, recipe.evaluate.metric) == (3, ("run-0",), "accuracy")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "expected KEY=VALUE"),
        ("name.x=1", "'name' is a value"),
        ("train.epohs=1", "Did you mean 'epochs'"),
    ],
)
def test_a_wrong_override_is_explained(override, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("p300-muse", [override])


def test_an_unknown_recipe_lists_the_shipped_ones_and_the_closest(tmp_path):
    with pytest.raises(ConfigError, match=r"did you mean 'p300-muse'.*v4-images"):
        load_recipe("p300-mus")


def test_a_file_that_is_not_toml_is_named(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(ConfigError, match=r"broken\.toml is not TOML"):
        load_recipe(broken)


def test_classes_keep_the_order_of_first_appearance():
    target = recipe_from(document(target={"kind": "class", "classes": {"b*": "B", "a": "A", "c": "B"}}), "x").target
    assert target.labels == ("B", "A")
