"""The braindecode networks at window sizes people use."""

from __future__ import annotations

import sys

import pytest
import torch

from models import eeg_backbones

BUILDERS = ["build_eegnet", "build_shallow_fbcsp", "build_deep4", "build_eegconformer"]


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("n_times", [205, 250])
def test_a_window_of_about_a_second_fits(name: str, n_times: int) -> None:
    pytest.importorskip("braindecode")
    model = getattr(eeg_backbones, name)(5, n_times, (2,), 256.0).eval()
    assert model(torch.zeros(3, 5, n_times)).shape == (3, 2)


def test_an_absent_braindecode_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "braindecode.models", None)
    with pytest.raises(ImportError, match=r"EEGNet needs the package 'braindecode'.*pip install 'streamkit\[train\]'"):
        eeg_backbones.build_eegnet(4, 128, (2,), 128.0)
