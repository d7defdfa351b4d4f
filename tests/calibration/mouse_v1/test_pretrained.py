"""The decoders around other people's networks run with weights at random and toy width; data are simulated."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from calibration.mouse_v1.experiments import Plan, Systems
from calibration.mouse_v1.experiments import pretrained as experiment
from calibration.mouse_v1.features import Classifier, fit_features, open_classifier
from calibration.mouse_v1.fid import Fid, fid_row, open_fid
from calibration.mouse_v1.latents import Autoencoder, fit_latents, open_autoencoder
from calibration.mouse_v1.settings import FeatureSettings, LatentSettings
from streamkit.errors import BadInput, ConfigError
from tests.calibration.mouse_v1.mice import HEIGHT, WIDTH, animal, trained

SHAPE = (1, HEIGHT, WIDTH)
LATENTS = LatentSettings(hidden=(64, 32), dropout=0.0, maps=6, lr=5e-3, batch_size=16, epochs=60)
FEATURES = FeatureSettings(
    widths=(16, 8),
    refined=((8, 3),),
    inverter_lr=1e-2,
    inverter_decay=0.0,
    inverter_batch=16,
    inverter_steps=150,
    readin=12,
    readin_widths=(12, 12),
    lr=5e-3,
    last=1e-3,
    batch_size=16,
    epochs=80,
)


@cache
def autoencoder() -> Autoencoder:
    """An autoencoder at random, of 16 x 16 pixels and two blocks; a factor brings its latents near a variance of 1."""
    diffusers = pytest.importorskip("diffusers", reason="not run: diffusers is not installed")
    torch.manual_seed(0)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    vae = diffusers.AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, sample_size=16, **blocks)
    return Autoencoder(vae.eval(), "toy", side=16, scale=6.0)


@cache
def classifier() -> Classifier:
    """Two strided convolutions at random."""
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 12, 4, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(12, 12, 4, 2, 1))
    return Classifier(torch.nn.Sequential(*layers).eval().requires_grad_(False), side=16)


@pytest.mark.parametrize("readin", ["mlp", "ridge", "conv"])
def test_latents_are_predicted_better_than_by_their_mean(readin: str) -> None:
    mouse, test = animal(), animal().test.by_image()
    fitted = fit_latents(mouse, autoencoder(), LATENTS.model_copy(update={"readin": readin}))
    wanted, mean = autoencoder().encode(test.y), autoencoder().encode(mouse.train.images).mean(0)
    said = fitted.latents(test.X)
    assert said.shape == wanted.shape == (24, 4, 8, 8)
    assert ((said - wanted) ** 2).mean() < 0.97 * ((mean - wanted) ** 2).mean()
    images = fitted.predict(test.X, SHAPE)
    assert images.shape == (24, *SHAPE)
    assert images.min() >= 0
    assert images.max() <= 1


def test_a_latent_is_the_scaled_mean_of_the_posterior() -> None:
    images = animal().test.images[:2]
    vae = autoencoder().vae
    whole = Autoencoder(vae, side=16, scale=1.0).encode(images)
    np.testing.assert_allclose(Autoencoder(vae, side=16).encode(images), 0.18215 * whole, rtol=1e-5, atol=1e-7)


def test_an_autoencoder_comes_from_a_folder_and_under_its_licence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CreativeML OpenRAIL-M"):
        open_autoencoder(tmp_path)
    with pytest.raises(ConfigError, match=r"no autoencoder 'sd-v1-5'\. Did you mean 'sd-v1-4'\?"):
        open_autoencoder(tmp_path, "sd-v1-5")
    with pytest.raises(BadInput, match=r"has no config\.json\. Fetch it and give its path"):
        open_autoencoder(tmp_path, accept_licence=True)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="cannot be loaded"):
        open_autoencoder(tmp_path, accept_licence=True)


def change(folder: Path, name: Callable[[str], str]) -> None:
    """Write the autoencoder in the folder under other names; what has none is left out."""
    safetensors = pytest.importorskip("safetensors.torch")
    file = folder / "diffusion_pytorch_model.safetensors"
    state = {name(key): value for key, value in safetensors.load_file(file).items()}
    state.pop("", None)
    safetensors.save_file(state, file)


def of_2022(key: str) -> str:
    """The name of a weight in the published files."""
    for new, old in ((".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")):
        key = key.replace(new, old)
    return key


def test_an_autoencoder_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    autoencoder().vae.save_pretrained(str(tmp_path))
    change(tmp_path, lambda key: "" if key == "decoder.conv_norm_out.weight" else key)
    with pytest.raises(BadInput, match=r"lacks 1 weights, 'decoder\.conv_norm_out\.weight' among them"):
        open_autoencoder(tmp_path, "sd-vae-ft-mse", accept_licence=True)


def test_a_saved_autoencoder_is_read_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    autoencoder().vae.save_pretrained(str(tmp_path))
    change(tmp_path, of_2022)
    found = open_autoencoder(tmp_path, "sd-vae-ft-mse", accept_licence=True)
    assert not capfd.readouterr().err
    images = animal().test.images[:2]
    again = Autoencoder(found.vae, side=16, scale=6.0).encode(images)
    np.testing.assert_allclose(again, autoencoder().encode(images), atol=1e-6)


def test_features_are_painted_and_predicted() -> None:
    mouse, test = animal(), animal().test.by_image()
    fitted = fit_features(mouse, classifier(), FEATURES)
    images = fitted.predict(test.X, SHAPE)
    assert images.shape == (24, *SHAPE)
    r = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, test.y, strict=True)]
    assert np.mean(r) > 0.3
    assert fitted.histories[0].train[-1] < fitted.histories[0].train[0]


def test_a_training_is_not_taken_up_again_with_another_classifier(tmp_path: Path) -> None:
    mouse, quick = animal(), FEATURES.model_copy(update={"inverter_steps": 1, "epochs": 1})
    first = fit_features(mouse, classifier(), quick, checkpoint=tmp_path)
    again = fit_features(mouse, classifier(), quick, checkpoint=tmp_path)
    np.testing.assert_array_equal(again.predict(mouse.test.X, SHAPE), first.predict(mouse.test.X, SHAPE))
    other = copy.deepcopy(classifier().module)
    with torch.no_grad():
        other[0].bias += 1
    with pytest.raises(BadInput, match=r"of another training: about\.classifier"):
        fit_features(mouse, Classifier(other, side=16), quick, checkpoint=tmp_path)


def test_the_experiment_has_both_decoders_where_there_are_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment, "open_autoencoder", lambda *_, **__: autoencoder())
    monkeypatch.setattr(experiment, "open_classifier", lambda *_: classifier())
    quick = {"epochs": 2, "batch_size": 64}
    latents = LATENTS.model_copy(update=quick)
    systems = Systems(latents=latents, features=FEATURES.model_copy(update={**quick, "inverter_steps": 2}))
    plan, keeping = Plan(n_way=8, bootstrap=30, permutations=30), replace(trained(), resume=tmp_path)
    rows = experiment.pretrained(keeping, systems, (0,), plan).rows
    places = {place: place.stat().st_mtime_ns for place in tmp_path.rglob("*.safetensors")}
    assert len(places) == 4  # two read-ins to latents (a third is solved), a read-in to features, a painter
    assert {line["row"] for line in rows} >= {"SD-VAE", "SD-VAE, ridge", "SD-VAE, conv", "ResNet50"}
    values = {(line["row"], line["metric"]): line["value"] for line in rows}
    assert all(values[name, "SSIM loss"] is not None for name in ("SD-VAE", "ResNet50"))
    again = experiment.pretrained(keeping, systems, (0,), plan).rows
    assert {(line["row"], line["metric"]): line["value"] for line in again} == values
    assert {place: place.stat().st_mtime_ns for place in tmp_path.rglob("*.safetensors")} == places


def test_both_trainings_get_the_same_normalisation_unless_told_to_be_faithful() -> None:
    images = torch.from_numpy(np.random.default_rng(0).random((2, 1, 16, 16), np.float32))
    seen: list[torch.Tensor] = []

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return x[:, :, :4, :4]

    spy = Classifier(Spy(), side=16)
    mouse = animal()
    quick = {"inverter_steps": 1, "epochs": 1, "refined": ((4, 3),)}
    for how, alike in (("both", True), ("faithful", False)):
        seen.clear()
        fit_features(mouse, spy, FEATURES.model_copy(update={**quick, "normalise": how}))
        lowest = [float(x.min()) for x in seen if len(x) > 1]
        assert (min(lowest[-3:]) < 0) == alike
        assert min(lowest[:3]) < 0
    assert spy.features(images, False).min() >= 0


def test_resnet_has_its_layer_and_wants_its_weights(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"resnet50-11ad3fa6\.pth"):
        open_classifier(None)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "resnet50.pth")
    with pytest.raises(BadInput, match="they are those of another network"):
        open_classifier(tmp_path / "resnet50.pth")


@pytest.mark.slow
def test_the_layer_of_resnet_is_1024_maps_of_14_by_14() -> None:
    pytest.importorskip("torchvision", reason="not run: torchvision is not installed")
    from calibration.features.torchvision_encoders import tapped
    from calibration.mouse_v1.features import LAYER, feature_shape

    assert feature_shape(Classifier(tapped("resnet50", LAYER))) == (1024, 14, 14)


def test_fid_is_through_torchmetrics_and_needs_the_user_s_weights(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics", reason="not run: torchmetrics is not installed")

    class Pooled(torch.nn.Module):
        """Sixteen means of the grey picture, in place of a trained network."""

        num_features = 16

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(x[:, :1].float() / 255, 4).flatten(1)

    fid = Fid(Pooled())
    shown = animal().train.images[:60]
    other = np.random.default_rng(0).random(shown.shape).astype(np.float32)
    assert fid(3 * shown - 1, shown) == pytest.approx(0, abs=1e-4)  # each picture is stretched first
    assert fid(other, shown) > 0.05
    assert open_fid(None) is None
    with pytest.raises(BadInput, match="is no file"):
        open_fid(tmp_path / "absent.pth")
    line = fid_row("CNN", None, 40)
    assert line["value"] is None
    assert line["note"].startswith("not run: FID-64 needs the weights of Inception v3")
    assert fid_row("CNN", [1.0, 3.0], 40)["value"] == 2.0
