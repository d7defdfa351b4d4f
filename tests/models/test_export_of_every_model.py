"""Whatever is in the table of models exports to one file, of operators every runtime has, that says what torch says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from apps.bench.inference.networks import input_names
from calibration.export import OPSET
from models.table import MODELS, n_parameters
from streamkit.inference.onnx_file import external_files, signature
from tests.models import exports, operators
from tests.models.cases import registered
from tests.models.exports import Exported

onnx = pytest.importorskip("onnx")
psutil = pytest.importorskip("psutil")
TOLERANCE = 1e-4
BATCHES = (1, 3)
LARGEST = 2**31 - 1
"""Bytes of a protobuf message."""
BYTES_PER_PARAMETER = 50
"""The exporter, the checker and what infers shapes each make copies."""


WITHIN = {"v1_feature_readin": "v1_resnet", "v1_feature_inverter": "v1_resnet"}
"""Networks that are, as published, a part of another one's graph, with the same sizes: exported there."""


def everything() -> Iterator[Any]:
    """Every network small; as published, in every published size, where there is time for it."""
    for name, row in MODELS.items():
        yield pytest.param((name, None), id=name)
        for size in () if name in WITHIN else ("", *row.also):
            yield pytest.param((name, size), id=f"{name}-{size or 'published'}", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=everything())
def exported(request: pytest.FixtureRequest) -> Exported:
    name, size = request.param
    if size is None:
        return exports.exported(name)
    need = BYTES_PER_PARAMETER * n_parameters(MODELS[name].build(registered()[MODELS[name].builder].load(), size))
    if need > psutil.virtual_memory().available:
        pytest.skip(f"not run: exporting {name} at this size takes {need / 1e9:.0f} GB of free memory")
    return exports.export(name, MODELS[name].at(size))


def relative_error(got: np.ndarray, wanted: np.ndarray) -> float:
    assert got.shape == wanted.shape
    return float(np.abs(got.astype(np.float64) - wanted).max() / np.abs(wanted).max())


def test_onnxruntime_says_what_torch_says(exported: Exported) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(exported.files.onnx, providers=["CPUExecutionProvider"])
    for batch in BATCHES:
        (got,) = session.run(["output"], exported.batch(batch))
        assert relative_error(got, exported.answers[:batch]) <= TOLERANCE


def test_openvino_says_what_torch_says(exported: Exported) -> None:
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    model = core.read_model(exported.files.onnx)
    for batch in BATCHES:
        given = exported.batch(batch)
        model.reshape({name: list(each.shape) for name, each in given.items()})
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
        assert relative_error(compiled(given)[0], exported.answers[:batch]) <= TOLERANCE


def test_only_the_batch_is_free_and_the_names_are_ours(exported: Exported) -> None:
    sources, (target,) = signature(exported.files.onnx)
    wanted = zip(input_names(len(exported.inputs)), exported.inputs, strict=True)
    assert [(each.name, each.shape) for each in sources] == [(name, (None, *array.shape[1:])) for name, array in wanted]
    assert {each.dtype for each in sources} == {"float32"}
    assert (target.name, target.shape, target.dtype) == ("output", (None, *exported.answers.shape[1:]), "float32")


def test_it_is_one_whole_file_of_plain_onnx(exported: Exported) -> None:
    onnx.checker.check_model(exported.files.onnx, full_check=True)
    model = onnx.load_model_from_string(exported.files.onnx)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]
    assert not model.functions
    assert external_files(exported.files.onnx) == set()
    assert len(exported.files.onnx) < LARGEST


def test_nothing_in_it_branches_or_asks_for_a_shape(exported: Exported) -> None:
    assert set(operators.op_types(exported.files.onnx)).isdisjoint(operators.CONTROL_FLOW | {"Shape", "Size"})


def test_tensorrt_has_all_its_operators(exported: Exported) -> None:
    assert operators.refused_by_tensorrt(exported.files.onnx) == []
