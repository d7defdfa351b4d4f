"""The running correlation is Pearson's over the last epochs, and its interval knows how many those are."""

from __future__ import annotations

import numpy as np
import pytest

from streamkit.encoding import RunningCorrelation


def epochs(n: int, signal: float = 1.0, seed: int = 0, offset: float = 0.0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        x = rng.standard_normal((40, 3))
        made.append((x + offset, signal * x + rng.standard_normal((40, 3)) + offset))
    return made


def after(pairs: list[tuple[np.ndarray, np.ndarray]], window: int = 200) -> RunningCorrelation:
    running = RunningCorrelation(3, window)
    for x, y in pairs:
        running.add(x, y)
    return running


def test_it_is_pearsons_r_over_all_samples() -> None:
    pairs = epochs(7)
    x, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
    found = after(pairs).now()
    np.testing.assert_allclose(found.r, [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(3)], atol=1e-12)
    assert found.n == 7


def test_a_large_offset_costs_no_digits() -> None:
    near, far = after(epochs(5)).now(), after(epochs(5, offset=1e6)).now()
    np.testing.assert_allclose(far.r, near.r, atol=1e-7)


def test_only_the_last_epochs_count() -> None:
    old, new = epochs(5, signal=-3.0, seed=1), epochs(4)
    found = after([*old, *new], window=4).now()
    np.testing.assert_allclose(found.r, after(new).now().r, atol=1e-9)
    assert found.n == 4


def test_the_interval_appears_with_the_third_epoch_and_holds_r() -> None:
    assert np.isnan(after(epochs(2)).now().low).all()
    found = after(epochs(3)).now()
    assert (found.low < found.r).all()
    assert (found.r < found.high).all()


def test_the_interval_shrinks_with_epochs() -> None:
    few, many = after(epochs(5)).now(), after(epochs(80)).now()
    assert ((many.high - many.low) < 0.5 * (few.high - few.low)).all()


@pytest.mark.parametrize("signal", [0.0, 1.0])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(signal: float) -> None:
    truth = signal / np.sqrt(1 + signal**2)
    held = []
    for seed in range(120):
        found = after(epochs(12, signal, seed)).now()
        held += ((found.low <= truth) & (truth <= found.high)).tolist()
    assert 0.91 < np.mean(held) <= 0.99


def test_a_flat_channel_has_no_correlation() -> None:
    pairs = [(np.column_stack([x[:, 0], np.full(40, 7.0)]), y[:, :2]) for x, y in epochs(4)]
    running = RunningCorrelation(2)
    for x, y in pairs:
        running.add(x, y)
    found = running.now()
    assert np.isfinite(found.r[0])
    assert np.isnan([found.r[1], found.low[1], found.high[1]]).all()


def test_nothing_is_known_before_the_first_epoch() -> None:
    found = RunningCorrelation(3).now()
    assert found.n == 0
    assert np.isnan(found.r).all()
