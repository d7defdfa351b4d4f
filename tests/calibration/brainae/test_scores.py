"""Retrieval, classification and encoding against what counting by hand gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from calibration.brainae.pairs import Gallery, Pairs
from calibration.brainae.scores import classification, encoding, retrieval, similarity, templates, top_k
from calibration.metrics import Draws
from calibration.tables.items import score
from streamkit.errors import BadInput

RNG = np.random.default_rng(0)
DRAWS = Draws(100, 200, 0)


@dataclass
class Planted:
    """Stands for a trained model whose embeddings are the features with noise."""

    noise: float = 0.0

    def embed(self, X: np.ndarray) -> np.ndarray:
        z = X.reshape(len(X), -1)
        return z + self.noise * np.random.default_rng(1).standard_normal(z.shape)

    def project(self, features: np.ndarray) -> np.ndarray:
        return features


def shown(n: int = 20) -> Pairs:
    f = RNG.standard_normal((n, 12)).astype(np.float32)
    return Pairs(f.reshape(n, 3, 4), f, np.arange(n), np.arange(n))


def values(found: list) -> dict[str, float]:
    return {items.name: float(items.each.mean()) for items in found}


def test_embeddings_that_are_the_features_retrieve_everything() -> None:
    found = retrieval(Planted(), shown(), DRAWS)
    assert values(found) == {"retrieval top-1": 1.0, "retrieval top-5": 1.0}
    assert [items.chance for items in found] == [1 / 20, 5 / 20]


def test_embeddings_of_noise_retrieve_at_chance() -> None:
    found = retrieval(Planted(noise=1e4), shown(200), DRAWS)
    for items in found:
        low, high = np.percentile(items.null, (1, 99))
        assert low <= items.each.mean() <= high
        spread = np.sqrt(items.chance * (1 - items.chance) / 200 / len(items.null))
        assert items.null.mean() == pytest.approx(items.chance, abs=4 * spread)


def test_top_k_counts_as_sorting_does() -> None:
    likeness = RNG.standard_normal((30, 9))
    own = RNG.integers(9, size=30)
    ranks = np.array([list(np.argsort(-line)).index(k) for line, k in zip(likeness, own, strict=True)])
    for items, k in zip(top_k(likeness, own, DRAWS, "x", (1, 3, 5)), (1, 3, 5), strict=True):
        np.testing.assert_allclose(items.each, [np.mean(ranks[own == each] < k) for each in np.unique(own)])


def test_an_image_shown_often_counts_once() -> None:
    """One answer to everything is at chance, and showing everything three times makes no interval narrower."""
    always = np.tile(np.arange(10)[::-1] == 0, (209, 1)).astype(float)
    own = np.concatenate([np.zeros(200, int), np.arange(1, 10)])
    (same,) = top_k(always, own, DRAWS, "x", (1,))
    assert same.each.mean() == pytest.approx(same.chance)
    likeness = RNG.standard_normal((25, 25)) + np.eye(25)
    once, thrice = (top_k(np.repeat(likeness, n, 0), np.repeat(np.arange(25), n), DRAWS, "x", (1,)) for n in (1, 3))
    one, three = (score(each, DRAWS) for each in (once, thrice))
    assert (one.value, one.ci95, one.n) == (three.value, three.ci95, three.n)
    assert "counted once" in three.note
    assert "counted once" not in one.note


def test_ties_are_broken_by_lot_so_one_answer_for_all_is_at_chance() -> None:
    for items in top_k(np.zeros((10, 10)), np.arange(10), DRAWS, "x", (1, 5)):
        np.testing.assert_allclose(items.each, items.chance)
    half = top_k(np.array([[1.0, 1.0, 0.0]]), np.array([1]), DRAWS, "x", (1, 2))
    assert [float(items.each[0]) for items in half] == [0.5, 1.0]


def test_as_many_guesses_as_candidates_are_no_score() -> None:
    assert [items.name for items in top_k(np.eye(5), np.arange(5), DRAWS, "x", (1, 5))] == ["x top-1"]


def test_a_template_is_the_mean_of_the_concept_s_other_images() -> None:
    gallery = Gallery(np.array([[1.0], [3.0], [5.0], [9.0]], np.float32), np.arange(4), np.array([7, 7, 7, 8]))
    np.testing.assert_allclose(templates(gallery, np.array([7, 8]), np.array([0])), [[4.0], [9.0]])


def test_a_concept_without_other_images_is_named() -> None:
    gallery = Gallery(np.zeros((2, 1), np.float32), np.arange(2), np.array([7, 8]))
    with pytest.raises(BadInput, match=r"1 of 2 concepts, such as 8"):
        templates(gallery, np.array([7, 8]), np.array([1]))


def test_classification_is_by_concept_and_the_released_form_prefers_long_templates() -> None:
    test = shown(10)
    length = np.where(np.arange(10) == 3, 50.0, 1.0)[:, None]
    others = Gallery(np.float32(test.features * length), 100 + np.arange(10), np.arange(10))
    cosine = values(classification(Planted(), test, others, DRAWS))
    dot = values(classification(Planted(), test, others, DRAWS, "dot"))
    assert cosine["classification top-1"] == 1.0
    assert dot["classification, dot product top-1"] < 1.0


def test_encoding_is_what_numpy_makes_of_it() -> None:
    recorded = RNG.standard_normal((15, 3, 8))
    predicted = recorded + RNG.standard_normal(recorded.shape)
    r, error = encoding(predicted, recorded, DRAWS)
    by_hand = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(predicted, recorded, strict=True)]
    np.testing.assert_allclose(r.each, by_hand)
    np.testing.assert_allclose(error.each, ((predicted - recorded) ** 2).mean((1, 2)))
    assert error.lower
    assert (r.null < r.each.mean()).all()


def test_what_all_images_share_is_chance_for_encoding() -> None:
    common = 5 * RNG.standard_normal((1, 3, 8))
    recorded = common + RNG.standard_normal((40, 3, 8))
    r, error = encoding(np.broadcast_to(common, recorded.shape), recorded, DRAWS)
    assert r.each.mean() > 0.9
    assert r.chance == pytest.approx(r.each.mean(), abs=0.01)
    assert error.chance == pytest.approx(error.each.mean(), rel=0.05)


def test_a_constant_prediction_has_no_correlation() -> None:
    r, error = encoding(np.zeros((4, 2, 3)), RNG.standard_normal((4, 2, 3)), DRAWS)
    assert np.isnan(r.each).all()
    assert np.isfinite(error.each).all()


def test_likeness_is_the_cosine_and_nothing_is_like_zero() -> None:
    a, b = RNG.standard_normal((3, 5)), RNG.standard_normal((4, 5))
    expected = [[x @ y / np.sqrt((x @ x) * (y @ y)) for y in b] for x in a]
    np.testing.assert_allclose(similarity(a, b), expected)
    np.testing.assert_array_equal(similarity(np.zeros((1, 5)), b), np.zeros((1, 4)))
