"""ModelBundle: a decoder and its contract in one folder, nothing executable in it.

::

    bundle.json             contract, metrics, provenance; size and sha256 of every other file; a hash over all
    decoder.onnx            the graph
    decoder.int8.onnx       the graph in fewer bits, where somebody made one
    decoder.safetensors     the same weights, for the registered builder; absent for somebody's ONNX
    reference.safetensors   inputs and outputs on which a backend proves itself
    tensors.safetensors     further arrays, such as templates, where the runner needs some
    report/                 optional, for people; not part of the hash

Every byte is checked against its sha256 before it is parsed. There is no pickle anywhere.
"""

from streamkit.bundle.contract import Contract, Effect, Metric, Provenance
from streamkit.bundle.pack import pack_onnx, read_contract
from streamkit.bundle.read import ModelBundle, load_bundle
from streamkit.bundle.signals import contract_signals
from streamkit.bundle.write import GraphFiles, ReducedFiles, write_bundle
from streamkit.encoding import EncodingSpec
from streamkit.preprocess import SideStream

__all__ = [
    "Contract",
    "Effect",
    "EncodingSpec",
    "GraphFiles",
    "Metric",
    "ModelBundle",
    "Provenance",
    "ReducedFiles",
    "SideStream",
    "contract_signals",
    "load_bundle",
    "pack_onnx",
    "read_contract",
    "write_bundle",
]
