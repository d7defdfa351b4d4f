"""Pickled dictionaries of arrays are read, and nothing that a file asks for is ever run."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.datasets.npy_dict import MAPPED, fields_of, read_dict
from streamkit.errors import RecordingError

SOURCE = "https://example.org/data"
RNG = np.random.default_rng(0)
ARRAYS = {
    "float64": RNG.normal(size=(7, 3, 40)),
    "float32, columns first": np.asfortranarray(RNG.normal(size=(30, 50)).astype(np.float32)),
    "big-endian": RNG.normal(size=2000).astype(">f8"),
    "int16": RNG.integers(-9, 9, (5, 5)).astype(np.int16),
    "bool": np.array([True, False]),
    "text": np.array(["Fp1", "Oz", ""]),
    "bytes": np.array([b"a", b"bc"]),
    "objects": np.array(["Fp1", 3, None, 2.5], dtype=object),
    "empty": np.zeros((0, 3)),
    "without dimensions": np.array(3.5),
}


def saved(tmp_path: Path, value: Any, protocol: int | None) -> Path:
    """What np.save writes (protocol None), or pickle.dump with a protocol."""
    file = tmp_path / "file.npy"
    with file.open("wb") as stream:
        if protocol is None:
            np.save(stream, value, allow_pickle=True)
        else:
            pickle.dump(value, stream, protocol=protocol)
    return file


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("protocol", [None, 2, 3, 4, 5])
@pytest.mark.parametrize("name", sorted(ARRAYS))
def test_every_array_comes_back(name: str, protocol: int | None, tmp_path: Path) -> None:
    found = read_dict(saved(tmp_path, {"it": ARRAYS[name], "again": ARRAYS[name]}, protocol), SOURCE)
    assert_same(found["it"], ARRAYS[name])
    assert_same(found["again"], ARRAYS[name])


@pytest.mark.parametrize("protocol", [None, 2, 3, 4, 5])
def test_lists_numbers_and_text_come_back(protocol: int | None, tmp_path: Path) -> None:
    value = {
        "ch_names": ["Fp1", "Ö", "x" * 300, *map(str, range(2000))],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "numbers": [0, -1, 300, 70_000, 2**40, -(2**70), 1.5, True, False, None],
        "scalars": [np.float64(1.5), np.int32(7), np.str_("Oz"), np.bool_(True)],
        "bytes": b"abc",
        "inside": {"one": [1], 2: {}},
    }
    found = read_dict(saved(tmp_path, value, protocol), SOURCE)
    assert found == {**value, "scalars": [1.5, 7, "Oz", True]}


def test_long_arrays_stay_on_the_disk_until_they_are_used(tmp_path: Path) -> None:
    array = RNG.normal(size=(100, MAPPED))
    found = read_dict(saved(tmp_path, {"data": array}, 4), SOURCE)["data"]
    np.testing.assert_array_equal(found[17], array[17])
    owner = found
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    assert isinstance(owner, memoryview)
    assert type(owner.obj).__name__ == "mmap"
    assert not found.flags.writeable


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


HIDDEN: dict[str, Callable[[Bomb], Any]] = {
    "as the whole": lambda bomb: bomb,
    "as a value": lambda bomb: {"raw_eeg_data": bomb},
    "as a key": lambda bomb: {(1, bomb): 1},
    "in a list": lambda bomb: {"ch_names": ["Fp1", bomb]},
    "in an array of objects": lambda bomb: {"ch_names": np.array([bomb, 1], dtype=object)},
    "behind real data": lambda bomb: {"raw_eeg_data": np.zeros((3, 5000)), "zz": bomb},
}


@pytest.mark.parametrize("protocol", [None, 0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("where", sorted(HIDDEN))
def test_a_bomb_is_refused_and_never_goes_off(where: str, protocol: int | None, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    file = saved(tmp_path, HIDDEN[where](Bomb(trace)), protocol)
    with pytest.raises(RecordingError, match=r"neither numbers nor text nor arrays. It was not run; do not trust"):
        read_dict(file, SOURCE)
    assert not trace.exists()
    np.load(file, allow_pickle=True)
    assert trace.exists(), "the bomb is a dud: this test shows nothing"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", r"the name 'os\.system'"),
        (b"c__builtin__\neval\n(S'1'\ntR.", r"the name '__builtin__\.eval'"),
        (b"cnumpy\nload\n.", r"the name 'numpy\.load'"),
        (b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.", r"the name"),
        (b"cnumpy dtype\nevil\n.", r"the name"),
        (b"(S'x'\nios\nsystem\n.", r"the instruction"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", r"the instruction NEWOBJ"),
        (b"\x80\x02cnumpy\ndtype\n}b.", r"a state for something that is no array"),
        (b"\x80\x02K\x01)R.", r"a call of something that has no name"),
        (b"\x80\x02cnumpy\nndarray\n)R.", r"a call of ndarray"),
        (b"P0\n.", r"the instruction PERSID"),
        (b"\x82\x01.", r"the instruction EXT1"),
        (
            b"\x80\x02cnumpy\ndtype\nX\x03\x00\x00\x00V16K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00|NNNK\x10K\x01K\x00tb.",
            r"an array of type 'V16'",
        ),
    ],
)
def test_whatever_is_no_data_is_refused_by_name(body: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / "file.npy"
    file.write_bytes(body)
    with pytest.raises(RecordingError, match=rf"holds {what}"):
        read_dict(file, SOURCE)


@pytest.mark.parametrize("value", [OrderedDict(a=1), {"a": {1, 2}}, {"a": 1j}, {"a": np.zeros(2, "f4,f4")}, {"a": len}])
def test_other_kinds_of_object_are_refused_too(value: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="neither numbers nor text nor arrays"):
        read_dict(saved(tmp_path, value, 4), SOURCE)


def test_nothing_is_read_of_a_file_that_is_cut_anywhere(tmp_path: Path) -> None:
    whole = saved(tmp_path, {"data": np.arange(20.0), "ch_names": ["Fp1", "Oz"]}, None).read_bytes()
    assert set(read_dict(tmp_path / "file.npy", SOURCE)) == {"data", "ch_names"}
    for length in range(len(whole)):
        file = tmp_path / "cut.npy"
        file.write_bytes(whole[:length])
        with pytest.raises(
            RecordingError, match=r"not a whole dictionary of arrays .*Get it from https://example\.org"
        ):
            read_dict(file, SOURCE)


def test_bytes_changed_at_random_end_in_data_or_in_one_error(tmp_path: Path) -> None:
    whole = saved(tmp_path, {"data": np.arange(20.0), "names": ["a", "b"], "f": np.float64(2)}, None).read_bytes()
    rng = np.random.default_rng(3)
    file = tmp_path / "changed.npy"
    for _ in range(600):
        changed = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 5)):
            changed[at] = rng.integers(0, 256)
        file.write_bytes(changed)
        with suppress(RecordingError):
            assert isinstance(read_dict(file, SOURCE), dict)


@pytest.mark.parametrize("value", [np.arange(5.0), [1, 2], "text", None])
def test_what_is_no_dictionary_is_refused(value: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"a dictionary, found|not a whole dictionary"):
        read_dict(saved(tmp_path, value, None), SOURCE)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"none\.npy: not a whole dictionary"):
        read_dict(tmp_path / "none.npy", SOURCE)


def test_a_missing_field_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    file = saved(tmp_path, {"data": 1, "names": 2}, None)
    assert fields_of(file, ("names", "data"), SOURCE) == [2, 1]
    with pytest.raises(RecordingError, match=r"expected the fields data, times, found data, names"):
        fields_of(file, ("data", "times"), SOURCE)
