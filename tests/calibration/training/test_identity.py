"""What a checkpoint knows a value by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calibration.training import identity
from calibration.training.identity import contents_of, known_by
from tests.calibration.training.networks import settings


@pytest.mark.parametrize(
    "values",
    [
        np.arange(1000.0).reshape(50, 20),
        np.arange(1000).reshape(20, 50).T,
        np.zeros((0, 3)),
        np.array(2.0),
        np.array(["V1", "V4"]),
        torch.arange(1000.0).reshape(50, 20),
        torch.arange(120, dtype=torch.bfloat16).reshape(2, 3, 4, 5).permute(3, 0, 2, 1),
        torch.tensor(3),
    ],
)
def test_large_arrays_are_read_in_pieces_to_the_same_digest(values: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = contents_of({"x": values})
    monkeypatch.setattr(identity, "PIECE", 64)
    assert contents_of({"x": values}) == whole


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_a_digest_is_of_contents_shape_and_type(kind: Any) -> None:
    values = [kind([[1, 2], [3, 4]]), kind([[1, 2], [3, 5]]), kind([1, 2, 3, 4]), kind([[1.0, 2.0], [3.0, 4.0]])]
    assert len({known_by(each) for each in values}) == 4
    assert known_by(kind([[1, 2], [3, 4]])) == known_by(values[0])


def test_an_array_on_the_disk_is_the_same_as_in_memory(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((30, 7)).astype(np.float32)
    np.save(tmp_path / "values.npy", values)
    assert known_by(np.load(tmp_path / "values.npy", mmap_mode="r")) == known_by(values)
    assert known_by(values[:, ::2]) == known_by(values[:, ::2].copy())


def test_settings_are_known_key_by_key_and_networks_by_their_weights() -> None:
    found = known_by({"told": settings(lr=0.5), "sizes": (1, np.float32(0.5)), "none": None})
    assert (found["told"]["lr"], found["sizes"], found["none"]) == (0.5, [1, 0.5], None)
    assert json.loads(json.dumps(found)) == found
    layer = nn.Linear(2, 2)
    before = known_by(layer)
    with torch.no_grad():
        layer.bias += 1
    assert before != known_by(layer)


@pytest.mark.parametrize("value", [object(), np.array([object()]), {"deep": [len]}])
def test_what_has_no_exact_form_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError):
        known_by(value)
