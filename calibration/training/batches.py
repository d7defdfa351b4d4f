"""The rows a training is fed with: one tensor per name, on the device where it fits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamkit.errors import ConfigError

SHARE = 0.5
"""Of a GPU's free memory that the rows may take; beyond it they stay in the computer's and go over batch by batch."""

Data = Mapping[str, NDArray[np.generic]]


class Batches:
    """Rows of several tensors of equal length.

    Parameters
    ----------
    data
        Arrays or tensors by name, first axis rows. They are not copied on a processor.
    device
        Where the batches are wanted.

    Raises
    ------
    ConfigError
        When there is nothing, or lengths differ.
    """

    def __init__(self, data: Data, device: torch.device):
        tensors = {name: tensor_of(values) for name, values in data.items()}
        lengths = {name: len(values) for name, values in tensors.items()}
        if not lengths or len(set(lengths.values())) != 1 or not all(lengths.values()):
            raise ConfigError(f"a training needs rows, as many of each name; given: {lengths or 'nothing'}")
        self.n_rows = next(iter(lengths.values()))
        self.device = device
        self.resident = fits(sum(values.nbytes for values in tensors.values()), device)
        place = device if self.resident else torch.device("cpu")
        self.tensors = {name: values.to(place) for name, values in tensors.items()}

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows by number, on the device."""
        if self.resident:
            return {name: values.index_select(0, rows) for name, values in self.tensors.items()}
        return {name: self._over(values.index_select(0, rows)) for name, values in self.tensors.items()}

    def split(self, order: Tensor, n_batches: int) -> tuple[Tensor, ...]:
        """Cut an order of rows into batches, which `take` takes; sizes differ by one at most."""
        return order.to(self.device if self.resident else "cpu").tensor_split(n_batches)

    def _over(self, values: Tensor) -> Tensor:
        return values.pin_memory().to(self.device, non_blocking=True)


def n_batches(n_rows: int, batch_size: int) -> int:
    """Batches in an epoch: none is smaller than `batch_size` unless there are fewer rows."""
    return max(1, n_rows // batch_size)


def tensor_of(values: NDArray[np.generic] | Tensor) -> Tensor:
    """Wrap an array without a copy where it lies in one piece and may be written to."""
    if isinstance(values, Tensor):
        return values
    values = np.ascontiguousarray(values)
    return torch.from_numpy(values if values.flags.writeable else values.copy())


def fits(n_bytes: int, device: torch.device) -> bool:
    """Whether so many bytes may lie on the device for good."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return n_bytes <= SHARE * free
