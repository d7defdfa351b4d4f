"""Features from the cache: as computed, never wrong, at worst computed again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from calibration.features import extract
from calibration.features.images import Preparation
from calibration.features.row import FeatureRow, Network
from calibration.progress import Progress
from streamkit.errors import BadInput
from tests.calibration.features.nets import pictures, saved

BUILT: list[int] = []
CALLS: list[int] = []


class Colours(nn.Module):
    """Mean of each channel, times a weight; counts what it is given."""

    def __init__(self) -> None:
        super().__init__()
        BUILT.append(1)
        self.gain = nn.Parameter(torch.ones(3))

    def forward(self, x):
        CALLS.append(len(x))
        return x.mean((2, 3)) * self.gain


def table(version: int = 1) -> dict[str, FeatureRow]:
    network = Network(Colours, Preparation(8, (0.0,) * 3, (1.0,) * 3), "w.safetensors", "https://nowhere")
    row = FeatureRow("colours", 3, "mean colours", "nobody", "none", network, version)
    return {"colours": row}


@pytest.fixture
def colours(tmp_path):
    """`extract` with the small encoder and a cache."""
    BUILT.clear()
    weights = saved(Colours(), tmp_path / "w.safetensors")
    BUILT.clear()
    CALLS.clear()
    return partial(extract, name="colours", weights=weights, cache=tmp_path / "cache", table=table())


def entries(tmp_path: Path, suffix: str) -> list[Path]:
    return sorted((tmp_path / "cache").rglob(f"*{suffix}"))


def test_what_is_kept_is_what_was_computed_and_nothing_is_built_to_read_it(colours, tmp_path):
    x = pictures(5, 8)
    first = colours(x)
    np.testing.assert_allclose(first, x.mean((2, 3)), rtol=1e-5)
    assert (sum(BUILT), sum(CALLS)) == (1, 5)
    np.testing.assert_array_equal(colours(x), first)
    assert (sum(BUILT), sum(CALLS)) == (1, 5)


def test_a_part_of_the_images_in_another_order_is_found_and_only_new_ones_are_computed(colours):
    x = pictures(6, 8)
    first = colours(x[:4])
    again = colours(x[[3, 5, 0, 5]])
    np.testing.assert_array_equal(again[[0, 2]], first[[3, 0]])
    np.testing.assert_array_equal(again[1], again[3])
    assert sum(CALLS) == 4 + 1


def test_an_image_that_comes_twice_is_encoded_once_also_without_a_cache(colours):
    x = np.repeat(pictures(2, 8), 3, axis=0)
    assert colours(x, cache=None).shape == (6, 3)
    assert sum(CALLS) == 2


def test_other_pixels_weights_and_versions_are_other_features(colours, tmp_path):
    x = pictures(2, 8)
    first = colours(x)
    assert not np.array_equal(colours(np.clip(x + 1e-3, 0, 1)), first)
    other = Colours()
    other.gain.data.fill_(2.0)
    np.testing.assert_allclose(colours(x, weights=saved(other, tmp_path / "v.safetensors")), 2 * first, rtol=1e-6)
    before = sum(CALLS)
    colours(x, table=table(version=2))
    assert sum(CALLS) == before + 2


@pytest.mark.parametrize("damage", ["cut", "other", "gone", "index", "nonsense", "foreign"])
def test_a_damaged_entry_is_computed_again_and_is_whole_afterwards(colours, tmp_path, damage, caplog):
    x = pictures(4, 8)
    first = colours(x)
    (tensor,), (index,) = entries(tmp_path, ".safetensors"), entries(tmp_path, ".json")
    if damage == "cut":
        tensor.write_bytes(tensor.read_bytes()[:-3])
    elif damage == "other":
        tensor.write_bytes(tensor.read_bytes()[:-1] + b"\x01")
    elif damage == "gone":
        tensor.unlink()
    elif damage == "index":
        index.write_text(index.read_text()[:-9])
    elif damage == "nonsense":
        index.write_text("[1, 2]")
    else:
        index.write_text(json.dumps(json.loads(index.read_text()) | {"weights": "0" * 64}))
    np.testing.assert_array_equal(colours(x), first)
    assert sum(CALLS) == 8
    np.testing.assert_array_equal(colours(x), first)
    assert sum(CALLS) == 8
    assert "computed again" in caplog.text


def test_an_entry_with_another_number_of_rows_is_not_believed(colours, tmp_path):
    x = pictures(4, 8)
    first = colours(x)
    (index,) = entries(tmp_path, ".json")
    entry = json.loads(index.read_text())
    index.write_text(json.dumps(entry | {"images": entry["images"][1:]}))
    np.testing.assert_array_equal(colours(x), first)


def test_an_interrupted_run_goes_on_where_it_was(colours):
    x = pictures(40, 8)

    class Stops(Progress):
        left = 20

        def advance(self, note: str = "") -> None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colours(x, batch=1, progress=Stops())
    assert colours(x, batch=1).shape == (40, 3)
    assert sum(CALLS) == 20 + 40 - 16


def test_progress_counts_batches(colours):
    class Counts(Progress):
        total, done = 0, 0

        def begin(self, what, total=None, *more):
            self.what, self.total = what, total

        def advance(self, note=""):
            self.done += 1

    shown = Counts()
    colours(pictures(7, 8), batch=3, progress=shown)
    assert (shown.what, shown.total, shown.done) == ("features, colours", 3, 3)


def test_a_cache_that_cannot_be_is_named(colours, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"the cache .*file cannot be made: .*Choose another folder"):
        colours(pictures(1, 8), cache=tmp_path / "file")


def test_no_images_have_no_features(colours):
    assert colours(np.empty((0, 3, 8, 8), np.float32)).shape == (0, 3)


def test_many_may_fill_one_cache_at_the_same_time(tmp_path):
    x = pictures(24, 16)

    def fill(start: int) -> None:
        for at in range(start, start + 6):
            extract(x[at % 24 : at % 24 + 3], "gabor_pyramid", cache=tmp_path)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(fill, start) for start in (0, 0, 0, 2, 4, 4)]:
            done.result()
    np.testing.assert_allclose(extract(x[:12], cache=tmp_path), extract(x[:12]), atol=1e-5)
    assert not [file for file in tmp_path.rglob("*") if file.name.startswith(".")]
