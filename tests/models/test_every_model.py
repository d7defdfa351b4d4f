"""Every model keeps one contract: builds, shape, exports, deterministic, learns."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from calibration.export import check_export, export_graph, run_torch
from streamkit.inference.onnx_file import signature
from tests.models.cases import CASES, OF_BRAINDECODE, build

ROOT = Path(__file__).parents[2]


def windows(name: str, n: int) -> np.ndarray:
    return np.random.default_rng(2).standard_normal((n, *CASES[name].shape)).astype(np.float32)


@pytest.fixture(params=sorted(CASES))
def name(request: pytest.FixtureRequest) -> str:
    if request.param in OF_BRAINDECODE:
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
