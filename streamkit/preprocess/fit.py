"""Fill in what has to be learnt from training recordings, for the stages that learn: scale, whiten, threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from streamkit.errors import ConfigError
from streamkit.preprocess.config import PreprocessConfig
from streamkit.preprocess.noise_covariance import NoiseCovariance, whitening
from streamkit.preprocess.preprocessor import Preprocessor
from streamkit.preprocess.robust_rms import RobustRms
from streamkit.preprocess.scaling import ScaleSettings
from streamkit.preprocess.spikes import ThresholdSettings
from streamkit.preprocess.stage import Block, Samples, require_rate
from streamkit.preprocess.whiten import WhitenSettings
from streamkit.types import Chunk, StreamSpec

Learning = ScaleSettings | ThresholdSettings | WhitenSettings


def fit_preprocess(spec: StreamSpec, config: PreprocessConfig, signals: Iterable[Iterable[Chunk]]) -> PreprocessConfig:
    """Fit every unfitted scale, whiten and threshold stage, in order, each on what the stages before it give.

    Parameters
    ----------
    spec
        The stream the recordings hold.
    config
        The chain; stages that have their values keep them.
    signals
        The training recordings, each as its chunks in order (``signal.chunks(size)``). Each starts anew. All of them
        are learnt from, so what a decoder is chosen or scored by must not be among them. Invalid samples do not
        count. The chunks are kept until the fit is done.

    Raises
    ------
    ConfigError
        When a stage does not fit the stream, or there is no valid sample to learn from.
    """
    stages = list(config.stages)
    recordings = [tuple(chunks) for chunks in signals] if any(map(_unfitted, stages)) else []
    for place, stage in enumerate(stages):
        if isinstance(stage, Learning) and not stage.fitted:
            earlier = config.model_copy(update={"stages": tuple(stages[:place])})
            stages[place] = _fitted(stage, Preprocessor(spec, earlier), recordings)
    return config.model_copy(update={"stages": tuple(stages)})


class Moments:
    """Mean and variance of each channel over a stream of any length, in float64.

    Source: Chan, Golub & LeVeque 1983, The American Statistician 37(3), the pairwise update.
    """

    def __init__(self, n_chans: int) -> None:
        self.n = 0
        self.mean = np.zeros(n_chans)
        self._squares = np.zeros(n_chans)

    def add(self, data: Samples) -> None:
        """Count the samples of ``(n_times, n_chans)``."""
        if not len(data):
            return
        mean = data.mean(axis=0)
        squares = ((data - mean) ** 2).sum(axis=0)
        total = self.n + len(data)
        shift = mean - self.mean
        self.mean = self.mean + shift * (len(data) / total)
        self._squares = self._squares + squares + shift**2 * (self.n * len(data) / total)
        self.n = total

    @property
    def variance(self) -> Samples:
        """``(n_chans,)``, of the population."""
        return self._squares / max(self.n, 1)


def _unfitted(stage: object) -> bool:
    return isinstance(stage, Learning) and not stage.fitted


def _fitted(stage: Learning, earlier: Preprocessor, recordings: Sequence[Iterable[Chunk]]) -> Learning:
    if isinstance(stage, ScaleSettings):
        moments = Moments(earlier.out.n_chans)
        _count(moments, earlier, recordings, "a scale stage", "mean and std")
        return _scaled(stage, moments)
    if isinstance(stage, WhitenSettings):
        return _whitened(stage, earlier, recordings)
    noise = RobustRms(earlier.out.n_chans)
    _count(noise, earlier, recordings, "a threshold stage", "rms")
    return stage.model_copy(update={"rms": tuple(map(float, noise.value))})


def _count(
    statistic: Moments | RobustRms, earlier: Preprocessor, recordings: Sequence[Iterable[Chunk]], what: str, keys: str
) -> None:
    for chunks in recordings:
        for block in _blocks(earlier, chunks):
            statistic.add(block.data[block.valid])
    if not statistic.n:
        raise ConfigError(
            f"{what} cannot be fitted: {len(recordings)} recordings gave no valid sample; "
            f"give training recordings, or state {keys}"
        )


def _blocks(earlier: Preprocessor, chunks: Iterable[Chunk]) -> Iterator[Block]:
    """What the stages before give for one recording."""
    earlier.reset()
    for chunk in chunks:
        yield from earlier.blocks(chunk)


def _whitened(stage: WhitenSettings, earlier: Preprocessor, recordings: Sequence[Iterable[Chunk]]) -> WhitenSettings:
    length = max(2, round(stage.epoch * require_rate(earlier.out)))
    noise = NoiseCovariance(earlier.out.n_chans, length)
    for chunks in recordings:
        for block in _blocks(earlier, chunks):
            noise.add(block)
        noise.close()
    if not noise.n:
        raise ConfigError(
            f"a whiten stage cannot be fitted: {len(recordings)} recordings gave no stretch of {stage.epoch / 2:g} s "
            "without a gap; give training recordings, a shorter epoch, or state the matrix"
        )
    rows = whitening(noise.mean).tolist()
    return stage.model_copy(update={"matrix": tuple(map(tuple, rows))})


def _scaled(stage: ScaleSettings, moments: Moments) -> ScaleSettings:
    mean, variance = moments.mean, moments.variance
    if not stage.per_channel:
        pooled = mean.mean()
        mean, variance = np.array([pooled]), np.array([(variance + (mean - pooled) ** 2).mean()])
    # A channel that never changes has nothing to be divided by.
    std = np.sqrt(np.where(variance > 0, variance, 1.0))
    values = {"mean": tuple(map(float, mean)), "std": tuple(map(float, std))}
    return stage.model_copy(update={name: value for name, value in values.items() if getattr(stage, name) is None})
