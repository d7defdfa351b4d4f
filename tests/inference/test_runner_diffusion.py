"""Noise taken away step by step: as the papers have it, as diffusers has it, and to where it must come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamkit.inference import BACKENDS, Runner, Wish, open_runner
from streamkit.inference.runners import DiffusionConfig
from streamkit.inference.runners.noise import signal_left, steps_of, times
from streamkit.types import OutputSpec
from tests import runner_graphs as small

HERE = [name for name, row in BACKENDS.items() if row.runs == "onnx" and "cpu" in row.precisions and row.present()[0]]
MANY = 4000
BETAS = {"linear": (1e-4, 0.02), "scaled_linear": (0.00085, 0.012), "cosine": (1e-4, 0.02)}
SIGNAL = {name: signal_left(name, 1000, *ends) for name, ends in BETAS.items()}  # type: ignore[arg-type]
LATENT = 6


def a_runner(
    folder: Path,
    size: int = LATENT,
    backend: str = "onnxruntime",
    *,
    gives: str = "epsilon",
    time: str = "int64",
    tensors: Any = None,
    painted: bool = False,
    condition_scale: float = 10.0,
    **settings: Any,
) -> Runner:
    config = DiffusionConfig.model_validate(
        {"condition": "condition", "prediction": gives, "steps": 20, **settings}
        | ({"decoder": "painter"} if painted else {})
    )
    contents = {
        "denoiser": small.denoiser(size, SIGNAL[config.schedule], gives, time),
        "condition": small.condition(size, condition_scale),
    }
    contents |= {"painter": small.painter(size)} if painted else {}
    graphs = {name: small.graph(folder / gives / time / str(size), name, content) for name, content in contents.items()}
    references = {name: small.reference(content) for name, content in contents.items()}
    shape = (1, 2, size // 2) if painted else (size,)
    output = OutputSpec(kind="image" if painted else "values", labels=(), shape=shape)
    return open_runner(config, graphs, references, output, Wish(backend, threads=1), tensors=tensors)


def middle(window: np.ndarray, scale: float = 10.0) -> float:
    """What the clean samples of a window lie around."""
    return float(window.mean() * scale)


def exact(mean: float, config: DiffusionConfig, draws: np.ndarray) -> np.ndarray:
    """DDIM on draws, from the closed form of the noise that is expected, in float64."""
    x = draws.astype(np.float64)
    for step in config.path:
        a, b = step.signal, 1 - step.signal
        clean = mean + np.sqrt(a) * small.SPREAD**2 / (a * small.SPREAD**2 + b) * (x - np.sqrt(a) * mean)
        noise = (x - np.sqrt(a) * clean) / np.sqrt(b)
        x = np.sqrt(step.signal_after) * clean + np.sqrt(1 - step.signal_after) * noise
    return x


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("gives", ["epsilon", "sample", "v"])
def test_each_prediction_gives_the_same_sample(gives: str, backend: str, tmp_path: Path) -> None:
    runner = a_runner(tmp_path, backend=backend, gives=gives)
    x = small.windows(1)
    draws = np.random.default_rng([0, 41]).standard_normal((1, LATENT), np.float32)
    expected = exact(middle(x[0]), DiffusionConfig(steps=20), draws[0])
    np.testing.assert_allclose(runner.infer(x, 41), expected, rtol=1e-3, atol=1e-3)
    assert runner.steps == 20


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "cosine"])
@pytest.mark.parametrize(
    "sampler", [{"eta": 0.0}, {"eta": 1.0}, {"sampler": "ddpm"}], ids=["ddim", "noisy ddim", "ddpm"]
)
def test_who_knows_the_posterior_recovers_mean_and_variance(
    sampler: dict[str, Any], schedule: str, tmp_path: Path
) -> None:
    start, end = BETAS[schedule]
    settings = {"schedule": schedule, "beta_start": start, "beta_end": end, "steps": 250, **sampler}
    runner = a_runner(tmp_path, MANY, gives="v", **settings)
    x = small.windows(1)
    sample = runner.infer(x, 3)
    assert sample.mean() == pytest.approx(middle(x[0]), rel=0.05, abs=5 * small.SPREAD / MANY**0.5)
    assert sample.std() == pytest.approx(small.SPREAD, rel=0.06)


def test_another_window_leads_elsewhere(tmp_path: Path) -> None:
    runner = a_runner(tmp_path, MANY, gives="sample")
    found = [float(runner.infer(x[np.newaxis]).mean()) for x in small.windows(3)]
    np.testing.assert_allclose(found, [middle(x) for x in small.windows(3)], atol=0.05)


def test_ddpm_is_ddim_with_all_its_noise(tmp_path: Path) -> None:
    x = small.windows(1)
    ddpm = a_runner(tmp_path, sampler="ddpm").infer(x, 5)
    ddim = a_runner(tmp_path, eta=1.0).infer(x, 5)
    np.testing.assert_allclose(ddpm, ddim, rtol=1e-3, atol=1e-3)


def test_what_is_drawn_depends_on_seed_and_place_alone(tmp_path: Path) -> None:
    x = small.windows(1)
    runner = a_runner(tmp_path, eta=0.5, seed=3)
    first = runner.infer(x, 17)
    runner.rehearse(5 * x)
    assert not np.array_equal(runner.infer(x, 18), first)
    np.testing.assert_array_equal(runner.infer(x, 17), first)
    np.testing.assert_array_equal(a_runner(tmp_path, eta=0.5, seed=3).infer(x, 17), first)
    assert not np.array_equal(a_runner(tmp_path, eta=0.5, seed=4).infer(x, 17), first)


def test_a_time_may_be_a_fraction(tmp_path: Path) -> None:
    x = small.windows(1)
    whole, fraction = (a_runner(tmp_path, time=kind).infer(x, 2) for kind in ("int64", "float32"))
    np.testing.assert_array_equal(whole, fraction)


def test_clipping_keeps_the_clean_sample_in_bounds(tmp_path: Path) -> None:
    x = np.full((1, small.N_CHANS, small.N_TIMES), 0.5, np.float32)  # clean samples around 5
    assert a_runner(tmp_path).infer(x).min() > 2
    assert a_runner(tmp_path, clip=1.0).infer(x).max() <= 1.0


def test_a_decoder_paints_the_clean_sample(tmp_path: Path) -> None:
    x = small.windows(1)
    latent = a_runner(tmp_path).infer(x, 4)
    image = a_runner(tmp_path, painted=True, scale=0.18215).infer(x, 4)
    np.testing.assert_allclose(image, (latent / 0.18215 / 2).reshape(1, 2, 3), rtol=1e-5)


@pytest.mark.parametrize("unconditional", [None, "none"])
def test_guidance_goes_beyond_the_condition(unconditional: str | None, tmp_path: Path) -> None:
    x = small.windows(1)
    without = 0.0 if unconditional is None else -1.0
    tensors = {} if unconditional is None else {"none": np.full((1, MANY), without, np.float32)}
    options: dict[str, Any] = {"tensors": tensors, "unconditional": unconditional, "gives": "sample"}
    for guidance in (0.0, 1.0, 3.0):
        sample = a_runner(tmp_path, MANY, guidance=guidance, **options).infer(x)
        # The denoiser is linear in its condition, so guidance only moves what the samples lie around.
        assert sample.mean() == pytest.approx(without + guidance * (middle(x[0]) - without), abs=0.06)


@pytest.mark.parametrize("backend", HERE)
def test_guidance_of_one_is_no_guidance(backend: str, tmp_path: Path) -> None:
    x = small.windows(1)
    plain = a_runner(tmp_path, backend=backend).infer(x, 6)
    guided = a_runner(tmp_path, backend=backend, guidance=1.0).infer(x, 6)
    np.testing.assert_allclose(guided, plain, rtol=1e-4, atol=1e-4)


def test_the_window_may_be_the_condition_itself(tmp_path: Path) -> None:
    nodes = [
        ("ReduceMean", ["window", "axes"], ["mean"], {"keepdims": 0}),
        ("Unsqueeze", ["mean", "last"], ["column"]),
        ("Mul", ["column", "row"], ["said"]),
        ("Mul", ["sample", "zero"], ["nothing"]),
        ("Cast", ["time"], ["when"], {"to": 1}),
        ("Mul", ["when", "zero"], ["never"]),
        ("Add", ["said", "nothing"], ["some"]),
        ("Unsqueeze", ["never", "last"], ["none"]),
        ("Add", ["some", "none"], ["clean"]),
    ]
    content = small.model(
        nodes,
        {"sample": (LATENT,), "time": (), "window": (small.N_CHANS, small.N_TIMES)},
        {"clean": (LATENT,)},
        {
            "axes": np.array([1, 2], np.int64),
            "last": np.array([1], np.int64),
            "row": np.arange(LATENT, dtype=np.float32)[np.newaxis],
            "zero": np.float32(0),
        },
        time="int64",
    )
    output = OutputSpec(kind="values", labels=tuple("abcdef"), shape=(LATENT,))
    for guidance in (None, 1.0):
        config = DiffusionConfig(given="window", prediction="sample", steps=5, guidance=guidance)
        made = small.bundle(tmp_path / f"guidance {guidance}", {"denoiser": content}, config, output)
        runner = made.open_runner(small.ORT)
        for x in small.windows(3):
            runner.buffer[0] = x
            np.testing.assert_allclose(runner.infer(runner.buffer), x.mean() * np.arange(LATENT), rtol=1e-4, atol=1e-6)


def test_an_answer_is_the_callers(tmp_path: Path) -> None:
    x = small.windows(1)
    runner = a_runner(tmp_path)
    first = runner.infer(x, 1)
    kept = first.copy()
    runner.infer(x, 2)
    np.testing.assert_array_equal(first, kept)
    first[:] = np.nan
    np.testing.assert_array_equal(runner.infer(x, 1), kept)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_the_times_go_down_and_end_clean(spacing: Any) -> None:
    for steps in (1, 7, 20, 1000):
        visited = times(spacing, 1000, steps)
        assert len(visited) == steps
        assert (np.diff(visited) < 0).all()
        assert visited.min() >= 0
        assert visited.max() <= 999
        path = steps_of(SIGNAL["linear"], visited, 1.0)
        assert path[-1].signal_after == 1.0
        assert path[-1].noise == 0.0
        assert [step.signal_after for step in path[:-1]] == [step.signal for step in path[1:]]
    assert times("leading", 1000, 20)[-1] == 0
    assert times("trailing", 1000, 20)[0] == 999


SAMPLERS = {"ddim": ("DDIMScheduler", 0.0), "noisy": ("DDIMScheduler", 0.7), "ddpm": ("DDPMScheduler", 0.0)}
THEIRS = {"linear": "linear", "scaled_linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}
GIVES = {"epsilon": "epsilon", "sample": "sample", "v": "v_prediction"}


@pytest.mark.parametrize("schedule", list(THEIRS))
def test_the_schedules_are_those_of_diffusers(schedule: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    start, end = BETAS[schedule]
    theirs = diffusers.DDIMScheduler(beta_schedule=THEIRS[schedule], beta_start=start, beta_end=end)
    np.testing.assert_allclose(SIGNAL[schedule], theirs.alphas_cumprod.numpy(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("gives", list(GIVES))
@pytest.mark.parametrize("schedule", list(THEIRS))
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_the_steps_are_those_of_diffusers(
    sampler: str, schedule: str, gives: str, spacing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diffusers = pytest.importorskip("diffusers")
    import torch

    kind, eta = SAMPLERS[sampler]
    start, end = BETAS[schedule]
    theirs = getattr(diffusers, kind)(
        beta_schedule=THEIRS[schedule],
        beta_start=start,
        beta_end=end,
        prediction_type=GIVES[gives],
        timestep_spacing=spacing,
        clip_sample=True,
        clip_sample_range=2.0,
    )
    theirs.set_timesteps(20)
    ours = {"schedule": schedule, "beta_start": start, "beta_end": end, "spacing": spacing, "clip": 2.0, "eta": eta}
    ours |= {"sampler": "ddpm" if sampler == "ddpm" else "ddim"}
    runner = a_runner(tmp_path, gives=gives, **ours)
    x = small.windows(1)
    denoise = denoiser_of(runner, x)

    rng = np.random.default_rng([0, 9])

    def noise(shape: Any, *_: Any, **__: Any) -> Any:
        return torch.from_numpy(rng.standard_normal(tuple(shape), np.float32))

    for module in ("scheduling_ddim", "scheduling_ddpm"):
        monkeypatch.setattr(f"diffusers.schedulers.{module}.randn_tensor", noise)
    sample = noise((1, LATENT))
    for time in theirs.timesteps:
        said = torch.from_numpy(denoise(sample.numpy(), int(time)))
        options = {"eta": eta} if kind == "DDIMScheduler" else {}
        sample = theirs.step(said, time, sample, **options).prev_sample
    np.testing.assert_allclose(runner.infer(x, 9), sample.numpy()[0], rtol=2e-3, atol=2e-3)


def denoiser_of(runner: Runner, x: np.ndarray) -> Any:
    """What the runner's own denoiser says when conditioned on one window."""
    backend = runner._opened["denoiser"]
    given = runner._opened["condition"].infer(x)
    return lambda sample, time: backend.run(sample, np.array([time], np.int64), given)[0].copy()
