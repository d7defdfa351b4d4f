"""A bundle is data: whatever somebody puts into one, nothing of it is executed."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from streamkit.bundle import load_bundle, write_bundle
from streamkit.bundle import manifest as manifest_module
from streamkit.errors import BackendError, BundleError, StreamkitError
from streamkit.inference import BACKENDS
from tests import small_graphs
from tests.signing import rewrite, sign

FILES = (
    "bundle.json",
    "decoder.onnx",
    "decoder.int8.onnx",
    "decoder.safetensors",
    "reference.safetensors",
    "tensors.safetensors",
)
CPU = [name for name, row in BACKENDS.items() if "cpu" in row.precisions]


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(
        tmp_path / "bundle",
        contract=small_graphs.contract(),
        graphs={"decoder": small_graphs.graph_files(with_int8=True)},
        references=small_graphs.references(),
        tensors={"templates": np.eye(3, dtype=np.float32)},
    ).path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "bang"


def open_all(bundle: Path) -> None:
    """Read all of a bundle and run it everywhere, as somebody who trusts it would."""
    loaded = load_bundle(bundle)
    loaded.references()
    loaded.tensors()
    for name in CPU:
        loaded.open_runner(name).close()


def as_pickle(trace: Path, protocol: int) -> bytes:
    return pickle.dumps(Bomb(trace), protocol=protocol)


def as_torch_file(trace: Path, *, zipped: bool) -> bytes:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save({"readout.linear.weight": Bomb(trace)}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def as_numpy_file(trace: Path) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    return file.getvalue()


BOMBS = {
    "pickle-0": lambda trace: as_pickle(trace, 0),
    "pickle-2": lambda trace: as_pickle(trace, 2),
    "pickle-5": lambda trace: as_pickle(trace, 5),
    "torch-zip": lambda trace: as_torch_file(trace, zipped=True),
    "torch-legacy": lambda trace: as_torch_file(trace, zipped=False),
    "numpy": as_numpy_file,
}


@pytest.fixture(params=BOMBS)
def bomb(request: pytest.FixtureRequest, trace: Path) -> bytes:
    return BOMBS[request.param](trace)


def test_the_bomb_is_real(trace: Path) -> None:
    pickle.loads(as_pickle(trace, 5))
    assert trace.exists()


def test_the_bomb_in_a_torch_file_is_real(trace: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.load(io.BytesIO(as_torch_file(trace, zipped=True)), weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_in_any_disguise_is_refused_and_never_run(bundle: Path, name: str, bomb: bytes, trace: Path) -> None:
    (bundle / name).write_bytes(bomb)
    if name != "bundle.json":
        sign(bundle)
    with pytest.raises(BundleError, match=rf"{name} is not (an ONNX model|a safetensors file|JSON)") as refusal:
        open_all(bundle)
    assert "\n" not in str(refusal.value)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["weights.pt", "weights.pkl", "weights.npy", "weights.bin", "__init__.py", "hook.pth"])
def test_a_pickle_under_its_own_name_may_not_even_lie_there(bundle: Path, name: str, bomb: bytes, trace: Path) -> None:
    (bundle / name).write_bytes(bomb)
    with pytest.raises(BundleError, match=rf"{name} is not listed"):
        open_all(bundle)
    rewrite(bundle, lambda document: document["files"].update({name: {"sha256": "0" * 64, "size": 1}}))
    with pytest.raises(BundleError, match=f"lists '{name}'"):
        open_all(bundle)
    assert not trace.exists()


def test_nobody_opens_a_report(bundle: Path, bomb: bytes, trace: Path) -> None:
    (bundle / "report").mkdir()
    for name in ("index.html", "weights.pt", "decoder.onnx", "bundle.json"):
        (bundle / "report" / name).write_bytes(bomb)
    open_all(bundle)
    assert not trace.exists()


# Builders


@pytest.mark.parametrize(
    "builder",
    [
        "os:system",
        "builtins:exec",
        "subprocess:run",
        "../x",
        "models.linear:build",
        "linear:build",
        "",
        "linear\n",
        "a.b",
    ],
)
def test_a_builder_that_is_not_registered_is_refused(bundle: Path, builder: str, trace: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["graphs"]["decoder"].update(builder=builder, builder_args={"command": f"mkdir {trace}"})

    rewrite(bundle, change)
    with pytest.raises(StreamkitError, match=r"registered|names no builder"):
        load_bundle(bundle).open_runner("torch", strict=True)
    assert not trace.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"n_chans": {"__reduce__": ["os.mkdir", ["{trace}"]]}},
        {"out_shape": "{trace}"},
        {"hook": "os.mkdir"},
        {"n_chans": -3},
        {"n_chans": 3.5},
        {"n_chans": None},
        {"n_times": 10**12},
        {"n_chans": 10**18},
    ],
)
def test_arguments_of_a_builder_are_data(bundle: Path, changes: dict[str, Any], trace: Path) -> None:
    pytest.importorskip("torch")
    changes = json.loads(json.dumps(changes).replace("{trace}", str(trace)))
    rewrite(bundle, lambda document: document["graphs"]["decoder"]["builder_args"].update(changes))
    with pytest.raises(BackendError) as refusal:
        load_bundle(bundle).open_runner("torch", strict=True)
    assert "\n" not in str(refusal.value)
    assert not trace.exists()


# Weights elsewhere


@pytest.mark.parametrize("name", ["decoder.onnx", "decoder.int8.onnx"])
@pytest.mark.parametrize("place", ["beside", "absolute", "above", "linked", "listed"])
def test_weights_may_not_lie_in_another_file(bundle: Path, tmp_path: Path, name: str, place: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 4096)
    where = {"beside": "w", "absolute": str(secret), "above": "../secret", "linked": "l", "listed": "bundle.json"}[
        place
    ]
    if place == "linked":
        (bundle / "report").mkdir()
        (bundle / "report" / "l").symlink_to(secret)
        where = "report/l"
    model = onnx.load_from_string((bundle / name).read_bytes())
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=where)
    (bundle / name).write_bytes(model.SerializeToString())
    sign(bundle)
    with pytest.raises(BundleError, match=rf"{name} keeps weights in another file, '{where}'"):
        open_all(bundle)


# Sizes


def test_arguments_that_look_like_code_are_text(bundle: Path, trace: Path) -> None:
    pytest.importorskip("torch")
    code = f"__import__('os').mkdir('{trace}')"
    rewrite(bundle, lambda document: document["graphs"]["decoder"]["builder_args"].update(sfreq=code))
    load_bundle(bundle).open_runner("torch", strict=True).close()
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".json", ".onnx", ".safetensors"])
def test_a_file_beyond_its_limit_is_not_read(bundle: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [(bundle / name).stat().st_size for name in FILES if name.endswith(suffix)]
    monkeypatch.setitem(manifest_module.MAX_BYTES, suffix, max(sizes) - 1)
    limit = max(sizes) - 1
    with pytest.raises(BundleError, match=rf"more than the {limit} allowed|larger than {limit} bytes"):
        load_bundle(bundle)
    monkeypatch.setitem(manifest_module.MAX_BYTES, suffix, max(sizes))
    load_bundle(bundle)


def test_a_manifest_of_the_size_of_the_disk_is_not_read(bundle: Path) -> None:
    os.truncate(bundle / "bundle.json", 1 << 40)
    with pytest.raises(BundleError, match=r"larger than .* and was not read"):
        load_bundle(bundle)


# What is parsed was checked


class Watch:
    """Stands before a parser and says what reached it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
        module, _, name = target.rpartition(".")
        parser = getattr(__import__(module, fromlist=[name]), name)
        self.seen: list[bytes] = []

        def watched(content: Any, *args: Any, **options: Any) -> Any:
            self.seen.append(content if isinstance(content, bytes) else Path(content).read_bytes())
            return parser(content, *args, **options)

        monkeypatch.setattr(target, watched)


PARSERS = {
    "decoder.onnx": "streamkit.bundle.read.signature",
    "decoder.int8.onnx": "streamkit.bundle.read.signature",
    "decoder.safetensors": "safetensors.safe_open",
    "reference.safetensors": "safetensors.numpy.load",
    "tensors.safetensors": "safetensors.numpy.load",
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_file_with_a_wrong_hash_never_reaches_a_parser(
    bundle: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch, PARSERS[name])
    load_bundle(bundle)
    assert (bundle / name).read_bytes() in watch.seen
    watch.seen.clear()
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} was changed after it was written"):
        load_bundle(bundle)
    assert bytes(content) not in watch.seen


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("decoder.onnx", "openvino"),
        ("decoder.onnx", "onnxruntime"),
        ("decoder.safetensors", "torch"),
        ("reference.safetensors", "onnxruntime"),
        ("tensors.safetensors", "onnxruntime"),
    ],
)
def test_a_file_that_changes_after_loading_is_refused(bundle: Path, name: str, backend: str) -> None:
    pytest.importorskip(backend)
    loaded = load_bundle(bundle)
    other = write_bundle(
        bundle.parent / "other",
        contract=small_graphs.contract(),
        graphs={"decoder": _other_files()},
        references={"decoder": tuple(-array for array in small_graphs.references()["decoder"])},
        tensors={"templates": np.ones((3, 3), np.float32)},
    ).path
    (bundle / name).write_bytes((other / name).read_bytes())
    with pytest.raises((BackendError, BundleError), match=rf"{name} was changed after"):
        loaded.open_runner(backend, strict=True)


def _other_files() -> Any:
    from streamkit.bundle import GraphFiles

    weights = small_graphs.state_dict() | {"readout.linear.weight": -small_graphs.WEIGHT}
    content = small_graphs.onnx_bytes(weight=-small_graphs.WEIGHT)
    return GraphFiles(content, "linear", small_graphs.BUILDER_ARGS, weights)


# Damage


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 60, 0.5, 0.99])
def test_a_truncated_file_is_one_clear_error(bundle: Path, name: str, keep: float) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    sign(bundle)
    with pytest.raises(BundleError, match=rf"{name} is not (an ONNX model|a safetensors file)") as refusal:
        open_all(bundle)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "header", [b"{", b'{"a":1}', b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', b"[]"]
)
@pytest.mark.parametrize("name", ["decoder.safetensors", "reference.safetensors", "tensors.safetensors"])
def test_a_safetensors_header_that_lies_is_one_clear_error(bundle: Path, name: str, header: bytes) -> None:
    (bundle / name).write_bytes(len(header).to_bytes(8, "little") + header)
    sign(bundle)
    with pytest.raises(BundleError, match=rf"{name} is not a safetensors file"):
        open_all(bundle)


@pytest.mark.parametrize("size", [2**63 - 1, 2**64 - 1, 10**9])
def test_a_safetensors_header_without_end_is_one_clear_error(bundle: Path, size: int) -> None:
    (bundle / "reference.safetensors").write_bytes(size.to_bytes(8, "little") + b"{}")
    sign(bundle)
    with pytest.raises(BundleError, match=r"reference\.safetensors is not a safetensors file"):
        open_all(bundle)
