"""Weight files: read without running anything, refused with what to do."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from calibration.features.weights import digest, fill, read_state
from streamkit.errors import BadInput

STATE = {"first.weight": torch.arange(6.0).reshape(2, 3), "first.bias": torch.ones(2)}


class Harmful:
    """Unpickled, it makes a folder."""

    def __init__(self, made: Path):
        self.made = made

    def __reduce__(self):
        return os.mkdir, (str(self.made),)


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".pth.tar"])
def test_a_file_of_pytorch_is_read_with_or_without_what_lies_beside(wrap, suffix, tmp_path):
    torch.save(wrap(STATE), tmp_path / f"weights{suffix}")
    found = read_state(tmp_path / f"weights{suffix}")
    assert found.keys() == STATE.keys()
    assert torch.equal(found["first.weight"], STATE["first.weight"])


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "weights.safetensors")
    assert read_state(tmp_path / "weights.safetensors").keys() == STATE.keys()


def test_what_parallel_training_puts_before_the_names_is_taken_off(tmp_path):
    torch.save({f"module.{name}": value for name, value in STATE.items()}, tmp_path / "w.pth")
    assert read_state(tmp_path / "w.pth").keys() == STATE.keys()


def test_a_pickle_that_would_run_something_is_refused_and_does_not_run(tmp_path):
    made = tmp_path / "made"
    for name, write in (("zip.pth", torch.save), ("plain.pth", lambda x, f: f.write_bytes(pickle.dumps(x)))):
        write({"first.weight": STATE["first.weight"], "more": Harmful(made)}, tmp_path / name)
        with pytest.raises(BadInput, match="pickled modules are not run"):
            read_state(tmp_path / name)
    assert not made.exists()


def test_a_whole_pickled_module_is_refused(tmp_path, network):
    torch.save(network, tmp_path / "module.pt")
    with pytest.raises(BadInput, match="save its state_dict as safetensors"):
        read_state(tmp_path / "module.pt")


def test_damaged_and_unknown_files_are_refused(tmp_path):
    save_file(STATE, tmp_path / "cut.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "cut.safetensors").read_bytes()[:-4])
    (tmp_path / "noise.pth").write_bytes(b"\x00not a file")
    (tmp_path / "weights.npz").write_bytes(b"")
    torch.save([1, 2], tmp_path / "list.pth")
    for name, why in {
        "cut.safetensors": "cannot be read",
        "noise.pth": "cannot be read",
        "weights.npz": "unknown kind: expected .safetensors",
        "list.pth": "no table of tensors",
    }.items():
        with pytest.raises(BadInput, match=f"{name}.*{why}"):
            read_state(tmp_path / name)


def test_a_module_takes_its_own_weights_and_leaves_the_other_parts(network):
    state = {f"visual.{k}": torch.full_like(v, 2) for k, v in network.state_dict().items() if "num_batches" not in k}
    fill(network, state | {"text.weight": torch.ones(1)}, "visual.", ("text.",), "the file")
    assert all((value == 2).all() for name, value in network.state_dict().items() if "num_batches" not in name)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.pop("1.running_mean"), "lack 1.running_mean: they are those of another network"),
        (lambda s: s.update(extra=torch.ones(1)), "hold, beside what is known, extra"),
        (lambda s: s.update({"0.weight": torch.ones(4, 3)}), r"hold 0.weight \(4, 3\) instead of \(2, 3\)"),
    ],
    ids=["missing", "strange", "misshapen"],
)
def test_weights_of_another_network_are_refused(change, why, network):
    state = dict(network.state_dict())
    change(state)
    with pytest.raises(BadInput, match=f"the file {why}"):
        fill(network, state, "", (), "the file")


def test_many_wrong_names_are_counted_and_not_listed(network):
    with pytest.raises(BadInput, match="and 3 more"):
        fill(network, {}, "", (), "the file")


def test_a_changed_file_has_another_digest(tmp_path):
    file = tmp_path / "w"
    file.write_bytes(b"abc")
    assert digest(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    file.write_bytes(b"abcd")
    assert digest(file) == "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589"
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        digest(tmp_path / "nothing")
