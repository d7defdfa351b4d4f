"""The diffusion prior: published size, what time and condition do, and the runner that it is the denoiser of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.brainae_prior import Sinusoid, brainae_prior
from models.table import n_parameters
from tests.models.walk import walk

SMALL: dict[str, Any] = {"embedding": 6, "condition": 6, "widths": [16, 8], "time": 8}
GUIDANCE, STEPS, SEED = 5.0, 50, 3


def test_it_has_exactly_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert n_parameters(brainae_prior()) == 9_675_648


def test_it_narrows_from_1024_to_64_and_widens_again() -> None:
    with torch.device("meta"):
        shapes = walk(brainae_prior(), torch.empty(2, 1024), torch.empty(2), torch.empty(2, 1024))
    found = {name: shape for name, _, shape in shapes}
    down, up = (512, 256, 128, 64), (128, 256, 512, 1024)
    assert found["sinusoid"] == (512,)
    assert found["first.0"] == (1024,)
    assert [found[f"down.{k}.step.2"][0] for k in range(4)] == list(down)
    assert [found[f"up.{k}.step.2"][0] for k in range(4)] == list(up)
    assert [found[f"down.{k}.{part}"][0] for k in range(4) for part in ("time.2", "condition")] == [
        width for width in (1024, 512, 256, 128) for _ in range(2)
    ]
    assert found["last"] == (1024,)


def test_time_is_said_in_cosines_and_sines() -> None:
    said = Sinusoid(4)(torch.tensor([0.0, 999.0]))
    assert said[0].tolist() == [1.0, 1.0, 0.0, 0.0]
    expected = [math.cos(999), math.cos(9.99), math.sin(999), math.sin(9.99)]
    torch.testing.assert_close(said[1], torch.tensor(expected), atol=1e-4, rtol=0)


def test_whole_times_are_times_too() -> None:
    model, x = brainae_prior(**SMALL), torch.randn(2, 6)
    torch.testing.assert_close(model(x, torch.tensor([3, 700]), x), model(x, torch.tensor([3.0, 700.0]), x))


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_sample_time_and_condition_all_matter(changed: int) -> None:
    torch.manual_seed(0)
    model = brainae_prior(**SMALL)
    given = [torch.randn(2, 6), torch.tensor([10.0, 10.0]), torch.randn(2, 6)]
    other = [each + 50 if k == changed else each for k, each in enumerate(given)]
    assert not torch.allclose(model(*given), model(*other), atol=1e-3)


@pytest.mark.parametrize("wrong", [{"widths": [8]}, {"time": 7}])
def test_what_is_no_u_net_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected two widths or more and an even number"):
        brainae_prior(**SMALL | wrong)


def trained_prior() -> tuple[torch.nn.Module, torch.Tensor]:
    """A prior that knows two embeddings by their conditions, and what they are."""
    from streamkit.inference.runners.noise import signal_left

    torch.manual_seed(0)
    model = brainae_prior(**SMALL | {"widths": [64, 32], "time": 32})
    clean = torch.tensor([[2.0, -2, 0, 0, 1, 1], [-2.0, 2, 1, 1, 0, 0]])
    conditions = torch.eye(6)[:2]
    signal = torch.from_numpy(signal_left("linear", 1000, 1e-4, 0.02)).float()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(600):
        which, t, noise = torch.randint(2, (128,)), torch.randint(1000, (128,)), torch.randn(128, 6)
        noisy = signal[t, None].sqrt() * clean[which] + (1 - signal[t, None]).sqrt() * noise
        given = conditions[which] * (torch.rand(128, 1) > 0.1)
        loss = (model(noisy, t.float(), given) - noise).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval(), clean


def by_hand(model: torch.nn.Module, condition: torch.Tensor, config: Any) -> np.ndarray:
    """The same steps, the network asked in torch."""
    rng = np.random.default_rng([SEED, 0])
    x = rng.standard_normal((1, 6), np.float32)
    for step in config.path:
        time = torch.tensor([float(step.time)])
        with torch.no_grad():
            said, without = (
                model(torch.from_numpy(x), time, given).numpy() for given in (condition, torch.zeros_like(condition))
            )
        clean, noise = step.split(x, without + GUIDANCE * (said - without), "epsilon")
        x = step.ddim(clean, noise).astype(np.float32)
    return x[0]


def test_the_diffusion_runner_takes_its_noise_away(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from calibration.export import export_graph, reference_pair
    from streamkit.inference import Graph, Wish, open_runner
    from streamkit.inference.onnx_file import signature
    from streamkit.inference.runners import DiffusionConfig
    from streamkit.types import OutputSpec

    class Shows(torch.nn.Module):
        """A window of 2 x 3 is the condition, flattened."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)

    model, clean = trained_prior()
    rng = np.random.default_rng(0)
    noisy, times = rng.standard_normal((4, 6)).astype(np.float32), np.array([0, 3, 500, 999], np.float32)
    examples = {"denoiser": (noisy, times, noisy[::-1].copy()), "condition": (noisy.reshape(4, 2, 3),)}
    names = {"denoiser": ("sample", "time", "condition"), "condition": ("window",)}
    graphs, references = {}, {}
    for name, module in (("denoiser", model), ("condition", Shows())):
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(export_graph(module, examples[name], input_names=names[name]).onnx)
        inputs, outputs = signature(file.read_bytes())
        graphs[name] = Graph(name, inputs, outputs, onnx=file)
        references[name] = reference_pair(module, examples[name])
    config = DiffusionConfig(condition="condition", steps=STEPS, guidance=GUIDANCE, seed=SEED)
    output = OutputSpec(kind="values", labels=tuple("abcdef"), shape=(6,))
    runner = open_runner(config, graphs, references, output, Wish("onnxruntime", threads=1))
    for which, wanted in enumerate(clean):
        condition = torch.eye(6)[which][None]
        answer = runner.infer(condition.numpy().reshape(1, 2, 3))
        np.testing.assert_allclose(answer, by_hand(model, condition, config), atol=2e-3)
        assert np.linalg.norm(answer - wanted.numpy()) < np.linalg.norm(answer - clean[1 - which].numpy()) / 3
    runner.close()
