"""The diffusion prior: what it is trained on, what comes of it, and that live says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from calibration.generation import (
    NoiseLoss,
    PriorSettings,
    TrainedPrior,
    load_prior,
    sample_prior,
    save_prior,
    train_prior,
)
from calibration.generation.prior import BUILDER
from calibration.network import Network
from calibration.training.settings import LoopSettings
from streamkit.errors import BadInput

DIM, CLASSES = 8, 4
SMALL = {"widths": (64, 32, 16), "time": 16}
QUICK = PriorSettings(
    loop=LoopSettings(
        epochs=60,
        batch_size=128,
        lr=3e-3,
        optimiser="adam",
        weight_decay=0,
        warm_up=0.1,
        keep="last",
        accelerator="cpu",
    ),
    guidance=None,
)
RNG = np.random.default_rng(0)
CENTRES = 3 * RNG.standard_normal((CLASSES, DIM)).astype(np.float32)


def pairs(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Conditions that say which class, and features that lie around its centre."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(CLASSES, size=n)
    targets = CENTRES[kind] + 0.2 * rng.standard_normal((n, DIM))
    return np.eye(CLASSES)[kind], targets.astype(np.float32)


def untrained(settings: PriorSettings = QUICK, scale: float = 1.0, dim: int = DIM, **more) -> TrainedPrior:
    args = {"embedding": dim, "condition": CLASSES, **SMALL, **more}
    return TrainedPrior(Network(BUILDER, args).build(0).eval(), args, scale, settings)


@pytest.fixture(scope="module")
def trained() -> TrainedPrior:
    return train_prior(*pairs(1024), QUICK, validation=pairs(256, 2), args=SMALL)


def test_the_defaults_are_the_published_ones():
    settings = PriorSettings()
    loop = settings.loop
    assert (settings.train_steps, settings.drop, settings.steps, settings.guidance) == (1000, 0.1, 50, 5.0)
    assert (loop.clip, loop.warm_up, loop.schedule, loop.lr, loop.batch_size) == (1.0, 500, "cosine", 1e-3, 1024)
    assert loop.optimiser == "adam"
    runner = settings.runner()
    assert (runner.prediction, runner.schedule, runner.beta_start, runner.beta_end) == ("epsilon", "linear", 1e-4, 0.02)


class Given(nn.Module):
    """Remembers what it is given and knows all the noise, if `clean` is what there was."""

    def __init__(self, clean: torch.Tensor, signal: torch.Tensor):
        super().__init__()
        self.clean, self.signal, self.seen = clean, signal, []

    def forward(self, x, t, condition):
        self.seen.append((x, t, condition))
        left = self.signal[t.long()][:, None]
        return (x - left.sqrt() * self.clean) / (1 - left).sqrt()


def diffusers_signal() -> torch.Tensor:
    return pytest.importorskip("diffusers").DDPMScheduler().alphas_cumprod


def test_the_noise_is_added_as_diffusers_does_and_who_knows_it_has_no_loss():
    clean = torch.randn(5000, 3)
    network = Given(clean, diffusers_signal())
    loss = NoiseLoss(0.1, 1000)(network, {"target": clean, "condition": torch.ones(5000, 2)})["loss"]
    assert float(loss) < 1e-4
    _, times, condition = network.seen[0]
    assert (times.min(), times.max()) == (0, 999)
    dropped = float((condition == 0).all(1).float().mean())
    assert dropped == pytest.approx(0.1, abs=0.02)
    assert set(condition.unique().tolist()) == {0.0, 1.0}


def test_in_evaluation_nothing_is_left_out_and_the_draws_are_the_same():
    clean = torch.randn(200, 3)
    network = Given(clean, diffusers_signal()).eval()
    batch = {"target": clean, "condition": torch.ones(200, 2)}
    for _ in range(2):
        NoiseLoss(0.5, 1000)(network, batch)
    (x, t, condition), (again, _, _) = network.seen
    assert torch.equal(x, again)
    assert (condition == 1).all()
    network.train()
    NoiseLoss(0.5, 1000)(network, batch)
    assert not torch.equal(network.seen[2][1], t)


def test_what_is_drawn_lies_where_the_condition_says(trained):
    conditions = np.repeat(np.eye(CLASSES), 20, axis=0)
    drawn = sample_prior(trained, conditions)
    distance = np.linalg.norm(drawn[:, None] - CENTRES, axis=2)
    assert (distance.argmin(1) == np.repeat(np.arange(CLASSES), 20)).mean() > 0.95
    assert np.median(distance.min(1)) < 2.0  # of centres about 12 apart
    assert trained.history.validation[-1] < 0.6 * trained.history.validation[0]


def test_guidance_takes_samples_further_than_the_condition_alone(trained):
    conditions = np.repeat(np.eye(CLASSES), 30, axis=0)
    without = np.repeat(CENTRES - CENTRES.mean(0), 30, axis=0)
    plain, guided = (
        sample_prior(trained, conditions, config=QUICK.model_copy(update={"guidance": g}).runner()) for g in (None, 3.0)
    )
    along = [((x - CENTRES.mean(0)) * without).sum(1).mean() for x in (plain, guided)]
    assert along[1] > along[0]


def test_features_of_any_size_come_back_at_their_own(trained):
    assert trained.scale == pytest.approx(1 / np.sqrt(np.mean(np.square(pairs(1024)[1].astype(float)))), rel=1e-6)
    plain, scaled = untrained(), untrained(scale=4.0)
    conditions = np.eye(CLASSES)
    np.testing.assert_allclose(sample_prior(scaled, conditions), sample_prior(plain, conditions) / 4, rtol=1e-6)


def test_a_sample_depends_on_seed_and_place_alone():
    prior, conditions = untrained(), RNG.standard_normal((5, CLASSES))
    whole = sample_prior(prior, conditions)
    alone = sample_prior(prior, conditions[3:4], at=np.array([3]))
    np.testing.assert_allclose(alone[0], whole[3], rtol=1e-4, atol=1e-5)
    other = QUICK.runner().model_copy(update={"seed": 1})
    assert not np.allclose(sample_prior(prior, conditions, config=other), whole)


def test_equal_seeds_train_equal_priors():
    settings = QUICK.model_copy(update={"loop": QUICK.loop.model_copy(update={"epochs": 2, "warm_up": 1})})
    first, again = (train_prior(*pairs(256), settings, args=SMALL) for _ in range(2))
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.module.state_dict().values(), again.module.state_dict().values(), strict=True)
    )


def test_pairs_that_do_not_pair_are_refused():
    conditions, targets = pairs(8)
    with pytest.raises(BadInput, match=r"conditions \(7, 4\) and targets \(8, 8\): expected two tables"):
        train_prior(conditions[:7], targets)
    targets[2, 1] = np.nan
    with pytest.raises(BadInput, match="validation pairs hold values that are not finite"):
        train_prior(*pairs(8), validation=(conditions, targets))
    with pytest.raises(BadInput, match=r"shape \(4, 3\), this prior was trained on \(n, 4\)"):
        sample_prior(untrained(), np.ones((4, 3)))


def test_a_saved_prior_comes_back_whole(trained, tmp_path):
    again = load_prior(save_prior(trained, tmp_path / "prior"))
    np.testing.assert_array_equal(sample_prior(again, np.eye(CLASSES)), sample_prior(trained, np.eye(CLASSES)))
    assert again.settings == trained.settings
    assert again.history == trained.history


def test_a_damaged_prior_is_refused(trained, tmp_path):
    folder = save_prior(trained, tmp_path / "prior")
    file: Path = folder / "prior.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(BadInput, match="holds no prior that can be read"):
        load_prior(folder)
    with pytest.raises(BadInput, match="Train it again"):
        load_prior(tmp_path)
