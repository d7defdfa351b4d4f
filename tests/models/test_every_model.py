"""Every model keeps one contract: builds, shape, exports, deterministic, learns."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from apps.bench.inference.networks import examples
from calibration.export import check_export, run_torch
from models.table import MODELS, Size
from streamkit.inference.onnx_file import signature
from tests.models.cases import CASES, OF_BRAINDECODE, Case, build, registered
from tests.models.exports import exported

ROOT = Path(__file__).parents[2]
SIZES = [(name, size) for name, row in MODELS.items() for size in ("", *row.also)]


def inputs(name: str, n: int) -> tuple[np.ndarray, ...]:
    return examples(CASES[name].inputs, n, 2)


@pytest.fixture(params=sorted(CASES))
def name(request: pytest.FixtureRequest) -> str:
    if request.param in OF_BRAINDECODE:
        pytest.importorskip("braindecode")
    return str(request.param)


def test_every_network_and_every_entry_point_of_the_project_is_in_this_suite() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(CASES) == set(MODELS)
    assert set(project["entry-points"]["streamkit.models"]) == {row.builder for row in MODELS.values()}


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_the_table_tells_the_truth_about_shapes(name: str, size: str) -> None:
    if name in OF_BRAINDECODE:
        pytest.importorskip("braindecode")
    row = MODELS[name]
    model = row.build(registered()[row.builder].load(), size).eval()
    published: Size = row.at(size)
    device = next(model.parameters()).device
    with torch.no_grad():
        answer = model(*(torch.zeros((2, *shape), device=device) for shape in published.inputs))
    assert tuple(answer.shape) == (2, *published.output)


def test_it_gives_the_shape_it_was_asked_for(name: str) -> None:
    model = build(name).eval()
    assert run_torch(model, inputs(name, 3)).shape == (3, *CASES[name].output)


def test_it_says_the_same_twice_in_eval_mode(name: str) -> None:
    model = build(name)
    np.testing.assert_array_equal(run_torch(model, inputs(name, 2)), run_torch(model, inputs(name, 2)))


def test_it_exports_and_onnxruntime_agrees(name: str) -> None:
    made = exported(name)
    assert check_export(made.files, made.inputs, made.answers) <= 1e-4
    sources, (target,) = signature(made.files.onnx)
    assert [source.shape for source in sources] == [(None, *shape) for shape in CASES[name].inputs]
    assert target.shape == (None, *CASES[name].output)


def test_its_weights_fit_a_fresh_one(name: str) -> None:
    model, given = build(name), inputs(name, 2)
    other = build(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(run_torch(model, given), run_torch(other, given))


def targets(case: Case) -> torch.Tensor:
    """Classes, images, waves within (-1, 1), or vectors of mean 0 and variance 1; rates are vectors above 0."""
    generator = torch.Generator().manual_seed(3)
    if case.classes:
        return torch.arange(8) % case.output[0]
    if case.plain:
        colour = torch.rand((8, case.output[0], *(1 for _ in case.output[1:])), generator=generator)
        return colour.expand(8, *case.output)
    if len(case.output) == 3:
        return torch.rand((8, *case.output), generator=generator)
    if len(case.output) == 2:
        phase = 2 * math.pi * torch.rand((8, case.output[0], 1), generator=generator)
        return 0.6 * torch.sin(torch.linspace(0, 4 * math.pi, case.output[1]) + phase)
    drawn = torch.nn.functional.layer_norm(torch.randn((8, *case.output), generator=generator), case.output)
    return drawn.abs() if case.positive else drawn


def test_it_learns_eight_items_by_heart(name: str) -> None:
    if not CASES[name].learns:
        pytest.skip("it has no weights of its own to learn with")
    case, model, y = CASES[name], build(name), targets(CASES[name])
    given = [torch.from_numpy(each) for each in inputs(name, 8)]
    loss_of = torch.nn.functional.cross_entropy if case.classes else torch.nn.functional.mse_loss
    optimiser = torch.optim.Adam(model.parameters(), lr=case.lr)
    first = last = loss_of(model(*given), y)
    for _ in range(case.steps):
        last = loss_of(model(*given), y)
        optimiser.zero_grad()
        last.backward()
        optimiser.step()
    if case.classes:
        assert last < 0.5 * first
        assert (model.eval()(*given).argmax(1) == y).all()
    else:
        assert last < case.within * y.var()
