"""Every model keeps one contract: builds, shape, exports, deterministic, learns."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calibration.export import check_export, export_graph, run_torch
from streamkit.inference.onnx_file import signature

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    shape: tuple[int, int] = (4, 64)
    out_shape: tuple[int, ...] = (3,)
    args: dict[str, Any] = field(default_factory=dict)
    steps: int = 60
    lr: float = 1e-2


SFREQ = 128.0
CASES = {
    "linear": Case(args={"n_bins": 16}),
    "tone_power": Case(args={"frequencies": [8.0, 10.0, 15.0], "features": "snr"}),
    "brainae_classifier": Case(args={"embedding": 32, "filters": 8}, steps=80),
    "v1_cnn": Case((6, 4), (1, 12, 10), {"channels": [16, 8, 8, 8, 8], "dropout": 0.0}, 150),
    "eegnet": Case((4, 128), steps=80),
    "shallow_fbcsp": Case((4, 128), steps=60),
    "deep4": Case((4, 256), args={"filter_time_length": 5, "pool_time_length": 2, "pool_time_stride": 2}, steps=60),
    "eegconformer": Case((4, 128), args={"num_layers": 1}, steps=60, lr=2e-3),
}


def registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="streamkit.models") if point.value.startswith("models.")}


def build(name: str) -> Any:
    case = CASES[name]
    torch.manual_seed(1)
    n_chans, n_times = case.shape
    args = {"n_chans": n_chans, "n_times": n_times, "out_shape": list(case.out_shape), "sfreq": SFREQ, **case.args}
    return registered()[name].load()(**args)


def windows(name: str, n: int) -> np.ndarray:
    return np.random.default_rng(2).standard_normal((n, *CASES[name].shape)).astype(np.float32)


@pytest.fixture(params=sorted(CASES))
def name(request: pytest.FixtureRequest) -> str:
    if request.param in {"eegnet", "shallow_fbcsp", "deep4", "eegconformer"}:
        pytest.importorskip("braindecode")
    return str(request.param)


def test_every_entry_point_of_the_project_is_in_this_suite() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["entry-points"]["streamkit.models"]) == set(CASES)


def test_it_gives_the_shape_it_was_asked_for(name: str) -> None:
    model = build(name).eval()
    assert run_torch(model, windows(name, 3)).shape == (3, *CASES[name].out_shape)


def test_it_says_the_same_twice_in_eval_mode(name: str) -> None:
    model = build(name)
    np.testing.assert_array_equal(run_torch(model, windows(name, 2)), run_torch(model, windows(name, 2)))


def test_it_exports_and_onnxruntime_agrees(name: str) -> None:
    model, x = build(name), windows(name, 3)
    with torch.no_grad():
        model.train()(torch.from_numpy(windows(name, 8)))  # running statistics that are not their initial ones
    files = export_graph(model, x)
    assert check_export(files, x, run_torch(model, x)) <= 1e-4
    (source,), (target,) = signature(files.onnx)
    assert (source.shape, target.shape) == ((None, *CASES[name].shape), (None, *CASES[name].out_shape))


def test_its_weights_fit_a_fresh_one(name: str) -> None:
    model, x = build(name), windows(name, 2)
    other = build(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(run_torch(model, x), run_torch(other, x))


def test_it_learns_eight_windows_by_heart(name: str) -> None:
    case, model = CASES[name], build(name)
    x = torch.from_numpy(windows(name, 8))
    images = len(case.out_shape) == 3
    generator = torch.Generator().manual_seed(3)
    y = torch.rand((8, *case.out_shape), generator=generator) if images else torch.arange(8) % case.out_shape[0]
    loss_of = torch.nn.functional.mse_loss if images else torch.nn.functional.cross_entropy
    optimiser = torch.optim.Adam(model.parameters(), lr=case.lr)
    first = last = loss_of(model(x), y)
    for _ in range(case.steps):
        last = loss_of(model(x), y)
        optimiser.zero_grad()
        last.backward()
        optimiser.step()
    if images:
        assert last < 0.3 * y.var()
    else:
        assert last < 0.5 * first
        assert (model.eval()(x).argmax(1) == y).all()
