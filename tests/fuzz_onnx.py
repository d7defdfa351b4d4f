"""Damaged and hostile ONNX files in bundles whose hashes fit: none may take the process down.

``python -m tests.fuzz_onnx --mutants 2000`` tries so many of each network and lists what happened. Each mutant is made
from its number alone, so ``--only NETWORK:NUMBER`` makes it again, and ``--keep FOLDER`` writes those that harm.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import queue
import random
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests import small_graphs

SECONDS = 30.0
MEMORY = 3 << 30
ODD_NUMBERS = (0, 1, -1, 2, 3, 7, 255, 2**15, 2**31 - 1, 2**31, 2**33, -(2**31), 2**62, 2**63 - 1, -(2**63))
CHANS, TIMES = small_graphs.N_CHANS, small_graphs.N_TIMES


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def _model(nodes: list[Any], **tensors: np.ndarray) -> bytes:
    shapes = {"x": ["batch", CHANS, TIMES]}, {"y": ["batch", 2]}
    return small_graphs.model_of(nodes, *shapes, **tensors).SerializeToString()


def convolutional() -> bytes:
    """Like EEGNet: convolutions, normalisation, pooling."""
    node = helper.make_node
    nodes = [
        node("Unsqueeze", ["x", "one"], ["image"]),
        node("Conv", ["image", "w1"], ["a"], kernel_shape=[1, 3], pads=[0, 1, 0, 1]),
        node("BatchNormalization", ["a", "s4", "b4", "b4", "s4"], ["b"], epsilon=1e-5),
        node("Conv", ["b", "w2"], ["c"], group=4, kernel_shape=[3, 1]),
        node("Elu", ["c"], ["d"], alpha=1.0),
        node("AveragePool", ["d"], ["e"], kernel_shape=[1, 2], strides=[1, 2]),
        node("Pad", ["e", "pads"], ["f"]),
        node("MaxPool", ["f"], ["g"], kernel_shape=[1, 2]),
        node("Flatten", ["g"], ["h"]),
        node("Gemm", ["h", "w3", "bias"], ["y"], transB=1),
    ]
    return _model(
        nodes,
        one=np.array([1]),
        w1=_random(4, 1, 1, 3),
        s4=np.ones(4, np.float32),
        b4=np.zeros(4, np.float32),
        w2=_random(8, 1, 3, 1),
        pads=np.array([0, 0, 0, 1, 0, 0, 0, 0]),
        w3=_random(2, 8 * 4),
        bias=small_graphs.BIAS,
    )


def attentive() -> bytes:
    """Like a transformer: normalisation, products, softmax, reshaping."""
    node = helper.make_node
    nodes = [
        node("LayerNormalization", ["x", "s", "b"], ["n"], axis=-1),
        node("MatMul", ["n", "wq"], ["q"]),
        node("Reshape", ["q", "shape"], ["heads"]),
        node("Transpose", ["heads"], ["k"], perm=[0, 2, 3, 1]),
        node("Transpose", ["heads"], ["v"], perm=[0, 2, 1, 3]),
        node("MatMul", ["v", "k"], ["scores"]),
        node("Softmax", ["scores"], ["weights"], axis=-1),
        node("MatMul", ["weights", "v"], ["mixed"]),
        node("ReduceMean", ["mixed", "axes"], ["mean"], keepdims=0),
        node("Slice", ["mean", "zero", "three", "one"], ["part"]),
        node("Concat", ["part", "part"], ["wide"], axis=1),
        node("Gemm", ["wide", "w", "bias"], ["y"], transB=1),
    ]
    return _model(
        nodes,
        s=np.ones(TIMES, np.float32),
        b=np.zeros(TIMES, np.float32),
        wq=_random(TIMES, TIMES),
        shape=np.array([0, CHANS, 2, TIMES // 2]),
        axes=np.array([1, 2]),
        zero=np.array([0]),
        three=np.array([3]),
        one=np.array([1]),
        w=_random(2, 6),
        bias=small_graphs.BIAS,
    )


def recurrent() -> bytes:
    """Recurrence, selection and resampling."""
    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[2, 0, 1]),
        node("GRU", ["t", "w", "r"], ["", "h"], hidden_size=4),
        node("Squeeze", ["h", "zero"], ["s"]),
        node("Unsqueeze", ["s", "zero1"], ["u"]),
        node("Resize", ["u", "", "scales"], ["wide"], mode="nearest"),
        node("Gather", ["wide", "pick"], ["some"], axis=2),
        node("Tile", ["some", "twice"], ["many"]),
        node("Split", ["many"], ["left", "right"], axis=2, num_outputs=2),
        node("Add", ["left", "right"], ["sum"]),
        node("Where", ["mask", "sum", "left"], ["chosen"]),
        node("Flatten", ["chosen"], ["flat"]),
        node("Gemm", ["flat", "wo", "bias"], ["y"], transB=1),
    ]
    return _model(
        nodes,
        w=_random(1, 12, CHANS),
        r=_random(1, 12, 4),
        zero=np.array([0]),
        zero1=np.array([1]),
        scales=np.array([1, 1, 2], np.float32),
        pick=np.array([0, 3, 7, 1]),
        twice=np.array([1, 1, 2]),
        mask=np.array([True, False, True, True]),
        wo=_random(2, 4),
        bias=small_graphs.BIAS,
    )


def branching() -> bytes:
    """Graphs within a graph: a loop and a branch, and a constant made on the way."""
    node, info, kind = helper.make_node, helper.make_tensor_value_info, onnx.TensorProto
    body = helper.make_graph(
        [node("Mul", ["state", "half"], ["next"]), node("Identity", ["go"], ["go_on"])],
        "body",
        [info("i", kind.INT64, []), info("go", kind.BOOL, []), info("state", kind.FLOAT, None)],
        [info("go_on", kind.BOOL, []), info("next", kind.FLOAT, None)],
    )
    then = helper.make_graph([node("Neg", ["looped"], ["a"])], "then", [], [info("a", kind.FLOAT, None)])
    other = helper.make_graph([node("Abs", ["looped"], ["a2"])], "else", [], [info("a2", kind.FLOAT, None)])
    nodes = [
        node("Loop", ["trips", "yes", "x"], ["looped"], body=body),
        node("ReduceSum", ["x"], ["total"], keepdims=0),
        node("Greater", ["total", "half"], ["positive"]),
        node("If", ["positive"], ["branched"], then_branch=then, else_branch=other),
        node("ConstantOfShape", ["size"], ["ones"], value=numpy_helper.from_array(np.ones(1, np.float32))),
        node("Range", ["from", "to", "step"], ["ramp"]),
        node("Mul", ["ones", "ramp"], ["scaled"]),
        node("Expand", ["scaled", "full"], ["whole"]),
        node("Add", ["branched", "whole"], ["shifted"]),
        node("Flatten", ["shifted"], ["flat"]),
        node("Gemm", ["flat", "weight", "bias"], ["y"], transB=1),
    ]
    return _model(
        nodes,
        trips=np.array(3),
        yes=np.array(True),
        half=np.array(0.5, np.float32),
        size=np.array([CHANS, TIMES]),
        **{"from": np.array(0, np.float32), "to": np.array(TIMES, np.float32), "step": np.array(1, np.float32)},
        full=np.array([1, CHANS, TIMES]),
        weight=small_graphs.WEIGHT,
        bias=small_graphs.BIAS,
    )


NETWORKS: dict[str, Callable[[], bytes]] = {
    "linear": small_graphs.onnx_bytes,
    "int8": small_graphs.int8_bytes,
    "convolutional": convolutional,
    "attentive": attentive,
    "recurrent": recurrent,
    "branching": branching,
}


# Damage


def mutant(content: bytes, name: str, number: int) -> bytes:
    """One damaged version of `content`: the same for the same name and number."""
    rng = random.Random(f"{name}:{number}")
    kind = rng.choice((_flip, _flip, _cut, _insert, _drop, _repeat, _restructure, _restructure, _restructure))
    return kind(content, rng)


def _flip(content: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _insert(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + rng.randbytes(rng.choice((1, 2, 8, 100))) + content[at:]


def _drop(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.choice((1, 2, 8, 100)) :]


def _repeat(content: bytes, rng: random.Random) -> bytes:
    at, size = rng.randrange(len(content)), rng.choice((1, 8, 100))
    return content[: at + size] + content[at:]


def _restructure(content: bytes, rng: random.Random) -> bytes:
    """Well-formed protobuf that says something odd."""
    model = onnx.load_from_string(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(ODDITIES)(model, rng)
    return model.SerializeToString()


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _nodes(model: Any) -> list[Any]:
    return [node for graph in _graphs(model.graph) for node in graph.node]


def _odd_attribute(model: Any, rng: random.Random) -> None:
    attributes = [each for node in _nodes(model) for each in node.attribute]
    if not attributes:
        return
    chosen = rng.choice(attributes)
    if chosen.ints:
        chosen.ints[rng.randrange(len(chosen.ints))] = rng.choice(ODD_NUMBERS)
        if rng.random() < 0.3:
            chosen.ints.append(rng.choice(ODD_NUMBERS))
    elif chosen.type == onnx.AttributeProto.INT:
        chosen.i = rng.choice(ODD_NUMBERS)
    elif chosen.type == onnx.AttributeProto.FLOAT:
        chosen.f = rng.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
    else:
        chosen.type = rng.randrange(15)


def _odd_tensor(model: Any, rng: random.Random) -> None:
    tensor = rng.choice(model.graph.initializer)
    odd = rng.randrange(4)
    if odd == 0 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(ODD_NUMBERS)
    elif odd == 1:
        tensor.data_type = rng.randrange(30)
    elif odd == 2:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    else:
        tensor.dims.append(rng.choice(ODD_NUMBERS))


def _odd_numbers(model: Any, rng: random.Random) -> None:
    """Of the tensors that hold shapes, axes, indices."""
    whole = [each for each in model.graph.initializer if each.data_type == onnx.TensorProto.INT64]
    if not whole:
        return
    tensor = rng.choice(whole)
    with contextlib.suppress(ValueError):  # odd already
        values = numpy_helper.to_array(tensor).copy()
        values.flat[rng.randrange(values.size)] = rng.choice(ODD_NUMBERS)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _odd_wiring(model: Any, rng: random.Random) -> None:
    names = [name for node in _nodes(model) for name in (*node.input, *node.output)] + ["", "nowhere"]
    node = rng.choice(_nodes(model))
    side = rng.choice((node.input, node.output))
    if side and rng.random() < 0.7:
        side[rng.randrange(len(side))] = rng.choice(names)
    elif side and rng.random() < 0.5:
        side.pop()
    else:
        side.append(rng.choice(names))


def _odd_operator(model: Any, rng: random.Random) -> None:
    nodes = _nodes(model)
    kinds = [node.op_type for node in nodes]
    kinds += ["Loop", "Scan", "Einsum", "RoiAlign", "NonZero", "LSTM", "Col2Im", "DFT", "GridSample", "Unique", "STFT"]
    rng.choice(nodes).op_type = rng.choice(kinds)


def _odd_order(model: Any, rng: random.Random) -> None:
    graph = rng.choice(list(_graphs(model.graph)))
    nodes = list(graph.node)
    if rng.random() < 0.5:
        rng.shuffle(nodes)
    else:
        nodes.remove(rng.choice(nodes))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _odd_header(model: Any, rng: random.Random) -> None:
    odd = rng.randrange(4)
    if odd == 0:
        model.ir_version = rng.choice(ODD_NUMBERS)
    elif odd == 1:
        version = rng.choice((*ODD_NUMBERS, 6, 11, 13, 24))
        model.opset_import.append(helper.make_opsetid("", version))
        del model.opset_import[:-1]
    elif odd == 2:
        model.opset_import.append(helper.make_opsetid(rng.choice(("ai.onnx.ml", "com.microsoft", "x")), 1))
    else:
        del model.opset_import[:]


def _odd_nesting(model: Any, rng: random.Random) -> None:
    """A node whose attribute is the graph itself."""
    inner = onnx.GraphProto.FromString(model.graph.SerializeToString())
    node = rng.choice(list(model.graph.node))
    node.attribute.append(helper.make_attribute(rng.choice(("body", "then_branch", "value")), inner))


ODDITIES = (
    *(_odd_attribute, _odd_attribute, _odd_tensor, _odd_numbers, _odd_numbers, _odd_wiring, _odd_wiring),
    *(_odd_operator, _odd_order, _odd_header, _odd_nesting),
)


# Trying them


def attack(content: bytes, folder: Path, backend: str, *, quarantined: bool) -> str:
    """Put `content` into a bundle, make its hashes fit, and use the bundle; says in a word what came of it."""
    from streamkit.bundle import load_bundle
    from streamkit.errors import StreamkitError
    from streamkit.inference import Wish, quarantine
    from tests.signing import sign

    (folder / "decoder.onnx").write_bytes(content)
    sign(folder)
    if not quarantined:
        quarantine.made_here(content)
    try:
        load_bundle(folder).open_runner(Wish(backend, threads=1), strict=True).close()
    except StreamkitError as error:
        return "refused" if "\n" not in str(error) else f"several lines: {error}"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"
    return "ran"


def bundle_for(folder: Path) -> Path:
    from streamkit.bundle import GraphFiles, write_bundle

    return write_bundle(
        folder / "bundle",
        contract=small_graphs.contract(),
        graphs={"decoder": GraphFiles(small_graphs.onnx_bytes())},
        references=small_graphs.references(),
    ).path


def worker() -> None:
    """Reads ``[network, number, backend, quarantined]`` line by line; answers what happened and the memory it took."""
    from streamkit.inference import quarantine

    with tempfile.TemporaryDirectory() as folder:
        os.environ["STREAMKIT_CACHE"] = f"{folder}/cache"
        quarantine.SECONDS = SECONDS / 3
        bundle = bundle_for(Path(folder))
        for line in sys.stdin:
            name, number, backend, quarantined = json.loads(line)
            happened = attack(mutant(NETWORKS[name](), name, number), bundle, backend, quarantined=quarantined)
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
            sys.stdout.write(json.dumps([happened, used]) + "\n")
            sys.stdout.flush()


@dataclass(frozen=True)
class Finding:
    """What one mutant did to one backend: ``refused``, ``ran``, or harm."""

    network: str
    number: int
    backend: str
    happened: str

    @property
    def harmless(self) -> bool:
        return self.happened in ("refused", "ran")


class Victim:
    """A process that tries mutants, replaced when one takes it down."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._memory = 0

    def tries(self, network: str, number: int, backend: str, *, quarantined: bool) -> Finding:
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(json.dumps([network, number, backend, quarantined]) + "\n")
        process.stdin.flush()
        try:
            answer = self._answers.get(timeout=SECONDS)
        except queue.Empty:
            self.kill()
            return Finding(network, number, backend, f"no answer within {SECONDS:g} s")
        if not answer:
            happened = f"the process died: status {process.wait()}"
            self.kill()
            return Finding(network, number, backend, happened)
        happened, used = json.loads(answer)
        grown, self._memory = used - self._memory, used
        if grown > 1 << 30:
            happened = f"took {grown >> 20} MB"
            self.kill()
        return Finding(network, number, backend, happened)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz_onnx", "--worker"],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
            )
            self._answers: queue.Queue[str] = queue.Queue()
            self._listener = threading.Thread(target=self._listen, args=(self._process, self._answers), daemon=True)
            self._listener.start()
            self._memory = MEMORY
        return self._process

    @staticmethod
    def _listen(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answers.put(line)
        answers.put("")

    def kill(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process = None


def fuzz(
    mutants: int, networks: list[str], backends: list[str], first: int = 0, *, quarantined: bool = True
) -> Iterator[Finding]:
    """Try so many mutants of each network on each backend, with or without a quarantine."""
    victim = Victim()
    try:
        for network in networks:
            for number in range(first, first + mutants):
                for backend in backends:
                    yield victim.tries(network, number, backend, quarantined=quarantined)
    finally:
        victim.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--backends", nargs="*", default=["openvino", "onnxruntime"])
    parser.add_argument(
        "--bare", action="store_true", help="without a quarantine: what do the runtimes do by themselves?"
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    if options.worker:
        worker()
        return
    if options.only:
        name, number = options.only.split(":")
        found = fuzz(1, [name], options.backends, int(number), quarantined=not options.bare)
    else:
        found = fuzz(options.mutants, options.networks, options.backends, options.first, quarantined=not options.bare)
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for finding in found:
        counts[finding.backend, finding.happened if finding.harmless else "HARM"] += 1
        if not finding.harmless:
            sys.stdout.write(f"{finding.network}:{finding.number} {finding.backend}: {finding.happened}"[:300] + "\n")
            sys.stdout.flush()
            if options.keep:
                options.keep.mkdir(exist_ok=True, parents=True)
                content = mutant(NETWORKS[finding.network](), finding.network, finding.number)
                (options.keep / f"{finding.network}-{finding.number}.onnx").write_bytes(content)
    sys.stdout.write(f"{dict(counts)}\n")
    sys.exit(any(what == "HARM" for _, what in counts))


if __name__ == "__main__":
    main()
