"""A prior as a bundle: the runner says what torch says, and takes the steps of diffusers' schedulers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from calibration.generation import PriorSettings, prior_parts, sample_prior
from calibration.generation.bundle import check
from streamkit.bundle import GraphFiles, load_bundle, write_bundle
from streamkit.errors import CheckFailed
from streamkit.inference import Wish
from streamkit.types import OutputSpec
from tests import runner_graphs as small
from tests.calibration.generation.test_prior import CLASSES, DIM, untrained

AT = 41


@cache
def exported(scale: float = 1.0):
    """The graphs of `untrained`, exported once."""
    return prior_parts(untrained(scale=scale))


def bundle(tmp_path, prior):
    """The prior behind a graph that makes a condition of a window."""
    encoder = small.condition(CLASSES, 10.0)
    parts = exported(prior.scale)
    runner = prior.settings.runner(**{key: getattr(parts.runner, key) for key in ("condition", "decoder")})
    return write_bundle(
        tmp_path / "bundle",
        contract=small.contract(runner, OutputSpec(kind="values", shape=parts.shape, labels=tuple("abcdefgh"))),
        graphs={"encoder": GraphFiles(onnx=encoder), **parts.graphs},
        references={"encoder": small.reference(encoder), **parts.references},
    )


def condition_of(window: np.ndarray) -> np.ndarray:
    return np.full((1, CLASSES), window.mean() * 10, np.float32)


@pytest.mark.parametrize(
    ("backend", "sampler", "guidance", "scale"), [("onnxruntime", "ddpm", 5.0, 1.0), ("auto", "ddim", None, 0.25)]
)
def test_the_runner_of_the_bundle_draws_what_calibration_draws(tmp_path, backend, sampler, guidance, scale):
    prior = untrained(PriorSettings(sampler=sampler, guidance=guidance, steps=20), scale)
    bundle(tmp_path, prior)
    runner = load_bundle(tmp_path / "bundle").open_runner(Wish(backend, threads=1))
    window = small.windows(1)
    expected = sample_prior(prior, condition_of(window), at=np.array([AT]))[0]
    np.testing.assert_allclose(runner.infer(window, AT), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert runner.steps == 20
    runner.close()


@pytest.mark.parametrize("guidance", [None, 5.0])
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_sampling_is_that_of_diffusers(sampler, guidance, monkeypatch):
    diffusers = pytest.importorskip("diffusers")
    settings = {"clip_sample": False, "beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
    kind = {"ddim": diffusers.DDIMScheduler, "ddpm": diffusers.DDPMScheduler}[sampler]
    prior = untrained(PriorSettings(sampler=sampler, guidance=guidance))
    condition = np.random.default_rng(3).standard_normal((1, CLASSES)).astype(np.float32)
    source = np.random.default_rng([0, AT])

    def draw(*_, **__):
        return torch.from_numpy(source.standard_normal((1, DIM), np.float32))

    monkeypatch.setattr(f"diffusers.schedulers.scheduling_{sampler}.randn_tensor", draw)
    scheduler = kind(**settings)
    scheduler.set_timesteps(50)
    x, given = draw(), torch.from_numpy(condition)
    with torch.inference_mode():
        for time in scheduler.timesteps:
            said = prior.module(x, time[None].float(), given)
            if guidance is not None:
                without = prior.module(x, time[None].float(), torch.zeros_like(given))
                said = without + guidance * (said - without)
            x = scheduler.step(said, time, x).prev_sample
    drawn = sample_prior(prior, condition, at=np.array([AT]))
    np.testing.assert_allclose(drawn, x.numpy(), rtol=2e-3, atol=2e-3 * float(x.abs().max()))


@pytest.mark.slow
def test_a_prior_of_the_published_size_exports_and_agrees():
    from calibration.generation.bundle import DENOISER
    from calibration.generation.prior import BUILDER, TrainedPrior
    from calibration.network import Network

    args = {"embedding": 1024, "condition": 1024}
    module = Network(BUILDER, args).build(0).eval()
    assert sum(p.numel() for p in module.parameters()) == 9_675_648
    parts = prior_parts(TrainedPrior(module, args, 1.0, PriorSettings()))
    assert set(parts.graphs) == {DENOISER}
    assert check(parts.graphs[DENOISER], *parts.references[DENOISER]) < 1e-4
    assert parts.runner.condition == "encoder"


def test_an_export_that_disagrees_is_refused():
    parts = exported()
    inputs, said = parts.references["denoiser"]
    with pytest.raises(CheckFailed, match="differs from torch"):
        check(parts.graphs["denoiser"], inputs, said * 1.01)
