"""Every fit takes up its own checkpoint, and refuses that of other data or other settings; all data are simulated."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calibration.brain2pix.fields import estimate
from calibration.brain2pix.fit import fit_brain2pix
from calibration.brain2pix.settings import FieldsSettings
from calibration.brainae.fit import fit_brainae
from calibration.fit import fit as fit_by_recipe
from calibration.generation.prior import train_prior
from calibration.generation.settings import PriorSettings
from calibration.image2ecog.fit import fit_image2ecog
from calibration.image2ecog.split import split
from calibration.mouse_v1.features import Classifier, fit_features
from calibration.mouse_v1.fid import Fid
from calibration.mouse_v1.fit_decoder import Guide, fit_decoder
from calibration.mouse_v1.fit_encoder import fit_encoder
from calibration.mouse_v1.latents import Autoencoder, fit_latents
from calibration.mouse_v1.material import Animal
from calibration.mouse_v1.settings import FeatureSettings, LatentSettings
from calibration.progress import Progress
from calibration.recipe import Recipe
from calibration.spikes2video.fit import fit_spikes2video
from calibration.spikes2video.streaming import fit_streaming, stream_of
from calibration.training.identity import known_by
from calibration.training.settings import LoopSettings
from calibration.windows import Examples
from streamkit.errors import BadInput
from streamkit.types import OutputSpec
from tests.calibration.brain2pix.toy import SETTINGS as TOY_BRAIN2PIX
from tests.calibration.brain2pix.toy import film
from tests.calibration.brainae.toy import SETTINGS as TOY_BRAINAE
from tests.calibration.brainae.toy import toy
from tests.calibration.image2ecog.toy import SETTINGS as TOY_IMAGE2ECOG
from tests.calibration.image2ecog.toy import subject
from tests.calibration.mouse_v1.mice import ENCODER, HEIGHT, TOY_CNN, TOY_GAN, WIDTH, animal
from tests.calibration.spikes2video.clips import trials
from tests.calibration.spikes2video.test_fit import SETTINGS as TOY_SPIKES2VIDEO
from tests.calibration.toy import document

pytestmark = pytest.mark.usefixtures("one_thread")
N_UNITS = 12
LATENTS = LatentSettings(readin="conv", hidden=(8,), maps=2, batch_size=16, epochs=1)
FEATURES = FeatureSettings(
    widths=(4, 4), refined=((4, 3),), inverter_steps=1, inverter_batch=16, readin=4, readin_widths=(4,), epochs=1
)
PRIOR = PriorSettings(loop=LoopSettings(epochs=1, batch_size=16))


@dataclass(frozen=True)
class Pair:
    """Data to train on and to pick the epoch by."""

    train: Any
    validation: Any


@dataclass(frozen=True)
class Mouse:
    """An animal and what decoders are given beside it."""

    animal: Animal
    guide: Guide
    network: nn.Module


@dataclass(frozen=True)
class Case:
    """A fit, and what makes it another one.

    Attributes
    ----------
    fit
        Takes data, settings and a folder; returns the trained network.
    arrays
        Where the data are that shape the weights or pick the epoch, as attributes joined by dots.
    changes
        Of the settings, each leaving all shapes of the network as they are.
    """

    fit: Callable[[Any, Any, Path], nn.Module]
    data: Callable[[], Any]
    settings: Any
    arrays: tuple[str, ...]
    changes: tuple[dict[str, Any], ...]
    others: tuple[Callable[[Any], Any], ...] = field(default=())


def mouse() -> Mouse:
    rng = np.random.default_rng(0)
    meis = rng.standard_normal((N_UNITS, HEIGHT, WIDTH)).astype(np.float32)
    guide = Guide(meis, rng.uniform(-1, 1, (N_UNITS, 2)).astype(np.float32))
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.Conv2d(4, 4, 4, 2, 1)).eval().requires_grad_(False)
    return Mouse(animal("m1", n_units=N_UNITS, n_train=32), guide, network)


def encoder(data: Mouse, settings: Any, folder: Path) -> nn.Module:
    return fit_encoder([data.animal], settings, checkpoint=folder).model


def decoder(data: Mouse, settings: Any, folder: Path) -> nn.Module:
    return fit_decoder([data.animal], settings, guides={"m1": data.guide}, checkpoint=folder).model


def latents(data: Mouse, settings: Any, folder: Path) -> nn.Module:
    def encode(x: torch.Tensor) -> Any:
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=nn.functional.avg_pool2d(x, 8)))

    vae: Any = SimpleNamespace(encode=encode)
    return fit_latents(data.animal, Autoencoder(vae, side=16), settings, checkpoint=folder).model


def features(data: Mouse, settings: Any, folder: Path) -> nn.Module:
    return fit_features(data.animal, Classifier(data.network, side=16), settings, checkpoint=folder).readin


def pair_of(fit: Callable[..., Any]) -> Callable[[Pair, Any, Path], nn.Module]:
    def trained(data: Pair, settings: Any, folder: Path) -> nn.Module:
        model: nn.Module = fit(data.train, data.validation, settings, checkpoint=folder).model
        return model

    return trained


def image2ecog(data: Any, settings: Any, folder: Path) -> nn.Module:
    return fit_image2ecog(data, settings, checkpoint=folder).model


def prior(data: Pair, settings: PriorSettings, folder: Path) -> nn.Module:
    args = {"widths": (8, 4), "time": 4}
    return train_prior(*data.train, settings, validation=data.validation, args=args, checkpoint=folder).module


def by_recipe(data: Examples, settings: Recipe, folder: Path) -> nn.Module:
    output = OutputSpec(kind="image", shape=data.y.shape[1:], chance=0.5)
    return fit_by_recipe(settings, data, output, 100.0, Progress(), folder).module


def trial_pair() -> Pair:
    return Pair(trials(1), trials(1, seed=1))


def stream_pair() -> Pair:
    return Pair(*(stream_of(each, TOY_SPIKES2VIDEO.eta) for each in (trials(1), trials(1, seed=1))))


def film_pair() -> Pair:
    return Pair(film(1, 1), film(1, 2))


def code_pair() -> Pair:
    return Pair(*toy().held_back(40, 0))


def vectors() -> Pair:
    rng = np.random.default_rng(0)
    return Pair(*(tuple(rng.standard_normal((32, 4)).astype(np.float32) for _ in range(2)) for _ in range(2)))


def examples() -> Examples:
    shown = animal("m1", n_units=N_UNITS, n_train=32).train
    groups = np.repeat(["a", "b"], len(shown) // 2)
    places = np.arange(len(shown))
    return Examples(shown.X[:, :, None], shown.y, groups, groups, np.zeros_like(places), places)


def recipe(dropout: float = 0.0, **told: Any) -> Recipe:
    """A CNN, the last group for validation."""
    return Recipe.model_validate(
        document(
            window={"mode": "event", "n_times": 1},
            target={"kind": "image", "size": HEIGHT, "width": WIDTH, "grey": True},
            model={"name": "v1_cnn", "args": {"channels": [4] * 5, "dropout": dropout}},
            train={"method": "gradient", "epochs": 1, "batch_size": 8, **told},
            split={"validation": ["b"]},
        )
    )


def other_bias(data: Mouse) -> Mouse:
    network = mouse().network
    network[0].bias += 1
    return replace(data, network=network)


def other_last_example(data: Examples) -> Examples:
    y = data.y.copy()
    y[-1] += 1
    return replace(data, y=y)


def other_validation(data: Pair) -> Pair:
    return replace(data, validation=(data.validation[0], data.validation[1] + 1))


OF_AN_ANIMAL = ("animal.train.X", "animal.train.images", "animal.validation.X", "animal.validation.images")
OF_A_FILM = ("train.voxels", "train.frames", "validation.voxels", "validation.frames")
SHORT = TOY_IMAGE2ECOG.but(epochs=1, classifier_epochs=1)
VIDEO = TOY_SPIKES2VIDEO.but(epochs=1, hidden=4, base=2)
LOSSES = ({"loss": "paper"}, {"eta": (5.0, 1.0, 1.0)}, {"ssim_window": 3})
CASES = {
    "encoder": Case(
        encoder, mouse, ENCODER.but(epochs=1), OF_AN_ANIMAL, ({"sparse": 5.0}, {"smooth": 0.0}, {"shift": 1})
    ),
    "decoder, CNN": Case(
        decoder, mouse, TOY_CNN.but(epochs=1), OF_AN_ANIMAL, ({"loss": "ssim"}, {"select": "r"}, {"dropout": 0.5})
    ),
    "decoder, GAN": Case(
        decoder,
        mouse,
        TOY_GAN.but(epochs=1),
        (*OF_AN_ANIMAL, "guide.meis"),
        ({"adversarial": 0.2}, {"label_noise": 0.1}, {"clip": 0.5}),
    ),
    "latents": Case(latents, mouse, LATENTS, OF_AN_ANIMAL, ({"dropout": 0.1},)),
    "features": Case(
        features, mouse, FEATURES, OF_AN_ANIMAL[:2], ({"normalise": "faithful"}, {"dropout": 0.3}), (other_bias,)
    ),
    "spikes2video, U-Net": Case(
        pair_of(fit_spikes2video), trial_pair, VIDEO, ("train.X", "train.videos", "validation.X"), LOSSES
    ),
    "spikes2video, MLP": Case(
        pair_of(fit_spikes2video),
        trial_pair,
        VIDEO.but(network="mlp"),
        ("train.X", "train.videos", "validation.X"),
        LOSSES,
    ),
    "streaming": Case(
        pair_of(fit_streaming),
        stream_pair,
        VIDEO.but(windows=1),
        ("train.counts", "train.frames", "validation.counts", "validation.frames"),
        LOSSES,
    ),
    "image2ecog, end to end": Case(
        image2ecog, subject, SHORT.but(model="end-to-end"), ("images", "Y"), ({"lambda_mse": 0.1}, {"dropout": 0.2})
    ),
    "image2ecog, two stages": Case(
        image2ecog, subject, SHORT, ("images", "Y", "category"), ({"lambda_mse": 0.1}, {"finetune": True})
    ),
    "brain2pix": Case(
        pair_of(fit_brain2pix), film_pair, TOY_BRAIN2PIX.but(epochs=1), OF_A_FILM, ({"feature": 3.0}, {"history": 0})
    ),
    "fields": Case(
        pair_of(estimate),
        film_pair,
        FieldsSettings(channels=(2, 2), pools=(2, 2), frames=4, epochs=1, least=-1.0),
        OF_A_FILM,
        ({"penalty": 1.0},),
    ),
    "brainae": Case(
        pair_of(fit_brainae),
        code_pair,
        TOY_BRAINAE.but(epochs=1),
        ("train.X", "train.features", "validation.X"),
        ({"tau": 0.5}, {"dropout": 0.2}),
    ),
    "prior": Case(prior, vectors, PRIOR, (), ({"drop": 0.5}, {"train_steps": 10}), (other_validation,)),
    "recipe": Case(
        by_recipe,
        examples,
        recipe(),
        ("X", "y"),
        (
            {"train": recipe(noise=0.1).train},
            {"train": recipe(correlation=0.1).train},
            {"model": recipe(dropout=0.5).model},
        ),
        (other_last_example,),
    ),
}


def altered(data: Any, path: str) -> Any:
    """The same data with one number changed."""
    name, _, rest = path.partition(".")
    value = getattr(data, name)
    if rest:
        return replace(data, **{name: altered(value, rest)})
    values = value.copy()
    values.flat[0] += 1
    return replace(data, **{name: values})


@pytest.mark.parametrize("name", CASES)
def test_a_fit_takes_up_its_own_training_and_no_other(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    data, settings = case.data(), case.settings
    first = case.fit(data, settings, tmp_path).state_dict()
    written = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")}
    again = case.fit(data, settings, tmp_path).state_dict()
    assert all(torch.equal(again[key], value) for key, value in first.items())
    assert written == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.safetensors")} != {}
    others = {path: altered(data, path) for path in case.arrays}
    others |= {other.__name__: other(data) for other in case.others}
    told = {str(change): settings.model_copy(update=change) for change in case.changes}
    tried = {each: (other, settings) for each, other in others.items()}
    tried |= {each: (data, other) for each, other in told.items()}
    assert [each for each, given in tried.items() if not refused(case, *given, tmp_path)] == []


def refused(case: Case, data: Any, settings: Any, folder: Path) -> bool:
    """Whether the checkpoint in a folder is said to be of another training."""
    try:
        case.fit(data, settings, folder)
    except BadInput as error:
        return "is of another training" in str(error)
    return False


def test_what_comes_after_another_first_stage_is_another_training(tmp_path: Path) -> None:
    other, parts = replace(subject(), category=subject().category[::-1].copy()), split(subject(), SHORT)
    fit_image2ecog(subject(), SHORT, parts=parts, checkpoint=tmp_path)
    shutil.rmtree(tmp_path / "classifier")
    with pytest.raises(BadInput, match=r"regressor is of another training: about\.first stage\.contents"):
        fit_image2ecog(other, SHORT, parts=parts, checkpoint=tmp_path)


def test_a_weight_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.pth", "moved.pth", "other.pth")]
    for file, content in zip(files, (b"a", b"a", b"b"), strict=True):
        file.write_bytes(content)
    one, moved, other = (known_by(Fid(weights=str(file)).known_by) for file in files)
    assert one == moved != other
