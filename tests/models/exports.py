"""Every model exported once, for all tests that look at the file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from apps.bench.inference.networks import Arrays, examples, input_names, settle
from calibration.export import export_graph, run_torch
from models.table import MODELS, Size
from streamkit.bundle import GraphFiles
from tests.models.cases import CASES, OF_BRAINDECODE, build

SETTLED = {"v1_gan": 4, "v1_resnet": 4}
"""Items that statistics are taken from, of networks for which more take long; their norms count pixels or neurons."""
N_ITEMS = 16


@dataclass(frozen=True)
class Exported:
    """The files of a network, three items of each of its inputs, and what torch says to them."""

    files: GraphFiles
    inputs: Arrays
    answers: np.ndarray

    def batch(self, n: int) -> dict[str, np.ndarray]:
        return {name: each[:n] for name, each in zip(input_names(len(self.inputs)), self.inputs, strict=True)}


def export(name: str, size: Size) -> Exported:
    """At that size, with random weights and settled statistics."""
    if name in OF_BRAINDECODE:
        pytest.importorskip("braindecode")
    module, inputs = build(name, size.args), examples(size.inputs, N_ITEMS, 2)
    settle(module, *(each[: SETTLED.get(name, N_ITEMS)] for each in inputs))
    builder = MODELS[name].builder
    files = export_graph(module, inputs, builder=builder, builder_args=size.args, input_names=input_names(len(inputs)))
    few = tuple(each[:3] for each in inputs)
    return Exported(files, few, run_torch(module, few))


@cache
def exported(name: str) -> Exported:
    """At its size for tests."""
    case = CASES[name]
    return export(name, Size(case.args, case.inputs, case.output))
