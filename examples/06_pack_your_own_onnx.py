"""Make a bundle of a model that was trained elsewhere, and ask it: an ONNX file, a contract in TOML.

    python examples/06_pack_your_own_onnx.py FOLDER

`streamkit pack FOLDER/model.onnx examples/contract.toml --out BUNDLE` does the same from the command line;
docs/bundle.md explains every key of the contract.
"""

import sys
from pathlib import Path

import numpy as np
import onnx

from streamkit.bundle import load_bundle, pack_onnx, read_contract

CONTRACT = Path(__file__).with_name("contract.toml")


def somebodys_model(path: Path) -> None:
    """Flatten a window (batch, 3, 250) and multiply by a matrix; any float32 graph of one input and output will do."""
    weights = np.random.default_rng(0).standard_normal((750, 2)).astype(np.float32)
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["flat"]), onnx.helper.make_node("MatMul", ["flat", "w"], ["y"])]
    source, target = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", ["batch", 3, 250]), ("y", ["batch", 2]))
    )
    graph = onnx.helper.make_graph(nodes, "mine", [source], [target], [onnx.numpy_helper.from_array(weights, "w")])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)


def main() -> None:
    """Write a model, pack it, run the bundle on one window."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    somebodys_model(folder / "model.onnx")
    contract = read_contract(CONTRACT)
    pack_onnx(folder / "model.onnx", contract, folder / "bundle", overwrite=True)

    bundle = load_bundle(folder / "bundle")  # every byte is checked against its sha256 first
    runner = bundle.open_runner("auto")
    probabilities = runner.infer(np.zeros((1, 3, 250), np.float32))
    print(f"{bundle.path} on {runner.backend}:", dict(zip(contract.output.labels, probabilities.tolist(), strict=True)))
    runner.close()


if __name__ == "__main__":
    main()
