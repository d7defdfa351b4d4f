"""The compiled filter gives the bits of SciPy's, and is ready before the first sample."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import butter, iirnotch, sosfilt

from streamkit.preprocess import PreprocessConfig, Preprocessor
from streamkit.preprocess.recursive import Cascade, best_kernel, engine
from streamkit.types import Chunk, StreamSpec

numba = pytest.importorskip("numba")

DESIGNS = {
    "spikes": butter(4, (300, 3000), "bandpass", fs=30000, output="sos"),
    "slow": butter(4, (0.5, 40), "bandpass", fs=1000, output="sos"),
    "steep": butter(9, 30, "lowpass", fs=250, output="sos"),
    "one section": np.concatenate(iirnotch(50, 30, fs=1000))[np.newaxis],
}


def noise(n_times: int, n_chans: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 20, (n_times, n_chans)) + rng.normal(0, 1e4, n_chans)


def both(sos: np.ndarray, n_chans: int) -> tuple[Cascade, Cascade]:
    state = np.random.default_rng(1).normal(0, 1, (len(sos), 2, n_chans))
    return Cascade(sos, state, best_kernel()), Cascade(sos, state, None)


@pytest.mark.parametrize("sos", DESIGNS.values(), ids=DESIGNS)
@pytest.mark.parametrize("n_chans", [1, 63, 64, 65, 200])
def test_the_kernel_gives_the_bits_of_scipy(sos, n_chans):
    data = noise(3000, n_chans)
    state = np.random.default_rng(1).normal(0, 1, (len(sos), 2, n_chans))
    np.testing.assert_array_equal(
        Cascade(sos, state, best_kernel())(data), sosfilt(sos, data, axis=0, zi=state)[0], strict=True
    )


def test_the_bits_stay_the_same_chunk_after_chunk_and_through_silence():
    compiled, scipys = both(DESIGNS["spikes"], 70)
    data = np.concatenate((noise(900, 70), np.zeros((6000, 70)), noise(300, 70)))  # decays into denormal numbers
    for first in range(0, len(data), 30):
        np.testing.assert_array_equal(compiled(data[first : first + 30]), scipys(data[first : first + 30]))


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x[::-1][::-1],
        lambda x: x.astype(">f8"),
        lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
    ],
    ids=["by column", "every other column", "reversed twice", "other byte order", "read-only"],
)
def test_memory_of_any_layout_goes_in_and_stays_as_it_is(layout):
    compiled, scipys = both(DESIGNS["slow"], 5)
    data = layout(noise(40, 5))
    before = data.copy()
    np.testing.assert_array_equal(compiled(data), scipys(before))
    np.testing.assert_array_equal(data, before)


def test_the_state_given_is_left_alone():
    state = np.ones((4, 2, 3))
    Cascade(DESIGNS["spikes"], state, best_kernel())(noise(10, 3))
    np.testing.assert_array_equal(state, 1)


def test_a_preprocessor_compiles_when_it_is_built_and_not_with_its_first_sample():
    spec = StreamSpec(ch_names=("a", "b"), sfreq=1000)
    chain = PreprocessConfig.model_validate({"stages": [{"kind": "notch", "freq": 50}]})
    best_kernel.cache_clear()
    preprocessor = Preprocessor(spec, chain)
    compiled = best_kernel()
    assert best_kernel.cache_info().misses == 1
    preprocessor.process(Chunk(np.zeros((3, 2), np.float32), np.arange(3) / 1000))
    assert len(compiled.signatures) == len(compiled.nopython_signatures) == 1


def test_without_numba_scipy_filters_and_the_bits_are_the_same():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np\n"
        "from streamkit.preprocess import PreprocessConfig, Preprocessor\n"
        "from streamkit.preprocess.recursive import engine\n"
        "from streamkit.types import Chunk, StreamSpec\n"
        "chain = PreprocessConfig.model_validate({'stages': [{'kind': 'bandpass', 'low': 1, 'high': 40}]})\n"
        "data = np.random.default_rng(0).normal(0, 1, (500, 3))\n"
        "spec = StreamSpec(ch_names=('a', 'b', 'c'), sfreq=250)\n"
        "out = Preprocessor(spec, chain).process(Chunk(data, np.arange(500) / 250))\n"
        "print(engine(), out.data.tobytes().hex())\n"
    )
    said = [
        subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split()
        for text in (code, code.replace("sys.modules['numba'] = None", "pass"))
    ]
    assert [engine for engine, _ in said] == ["scipy", "numba"]
    assert said[0][1] == said[1][1]


def test_the_engine_in_use_is_named():
    assert engine() == "numba"
