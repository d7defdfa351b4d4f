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


PUBLISHED = [
    ("shallow_fbcsp", {}, 553_504),
    ("eegnet", {}, 117_824),
    ("eegconformer", {}, 376_832),
    ("deep4", {"pooled": False}, 47_071_874),
    ("deep4", {}, 377_474),  # by averaging over positions, which the paper does not say how it avoids
]


@pytest.mark.parametrize(("name", "args", "parameters"), PUBLISHED)
def test_an_encoder_of_1024_numbers_has_the_published_size(name: str, args: dict[str, bool], parameters: int) -> None:
    pytest.importorskip("braindecode")
    model = eeg_backbones.backbone_encoder(name, 63, 250, **args).eval()
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    with torch.no_grad():
        assert model(torch.zeros(2, 63, 250)).shape == (2, 1024)


def test_a_pooled_encoder_averages_over_what_is_left_of_time() -> None:
    pytest.importorskip("braindecode")
    model = eeg_backbones.backbone_encoder("eegnet", 4, 128, 8, 128.0, pooled=True).eval()
    seen: dict[str, torch.Tensor] = {}
    model.drop_2.register_forward_hook(lambda _, __, maps: seen.update(maps=maps))
    answer = model(torch.randn(2, 4, 128, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(answer, model.final_layer.linear(seen["maps"].mean((2, 3))))


def test_what_has_no_positions_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="'eegconformer' has no positions to average over"):
        eeg_backbones.backbone_encoder("eegconformer", 4, 128, pooled=True)


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match="backbone 'EEGNet' was given, expected one of eegnet, shallow_fbcsp"):
        eeg_backbones.backbone_encoder("EEGNet", 4, 128)
