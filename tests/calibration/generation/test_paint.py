"""The image generator's plumbing, on a pipeline of SDXL's classes: small, with weights at random, made here."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from calibration.datasets.photographs import locate
from calibration.features import extract
from calibration.features.resample import resize
from calibration.generation import PAINTERS, open_painter
from calibration.generation.load import OFFLINE, _variant, offline
from calibration.generation.paint import seed_of
from calibration.generation.painters import SPACE
from streamkit.errors import BadInput, ConfigError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
"""Of diffusers' Euler scheduler, beside NumPy 2."""

DIM, TEXT = 12, 16
CROSS = 2 * TEXT
SIZE = 32
WORDS = ("<|startoftext|>", "<|endoftext|>", "a", "a</w>")


def text_config(transformers):
    return transformers.CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=TEXT,
        intermediate_size=TEXT,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=TEXT,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def tokenizer(transformers, folder: Path):
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: at for at, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer.from_pretrained(str(folder), model_max_length=8)


def small_pipeline(folder: Path):
    """SDXL of a few thousand weights, saved as its authors save theirs."""
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        sample_size=SIZE // 2,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        norm_num_groups=4,
        cross_attention_dim=CROSS,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + TEXT,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        sample_size=SIZE,
    )
    words = tokenizer(transformers, folder.parent / "words")
    return diffusers.StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=transformers.CLIPTextModel(text_config(transformers)),
        text_encoder_2=transformers.CLIPTextModelWithProjection(text_config(transformers)),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(),
        add_watermarker=False,
    )


def small_adapter(unet, file: Path, strength: float = 1.0) -> Path:
    """An IP-Adapter in the form that its authors publish, with weights at random."""
    draw = torch.Generator().manual_seed(1)
    state = {
        "image_proj.proj.weight": torch.randn(4 * CROSS, DIM, generator=draw),
        "image_proj.proj.bias": torch.zeros(4 * CROSS),
        "image_proj.norm.weight": torch.ones(CROSS),
        "image_proj.norm.bias": torch.zeros(CROSS),
    }
    attending = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(attending):
        wide = unet.get_submodule(name.removesuffix(".processor")).to_k.out_features
        for part in ("to_k_ip", "to_v_ip"):
            weight = strength * torch.randn(wide, CROSS, generator=draw)
            state[f"ip_adapter.{2 * number + 1}.{part}.weight"] = weight
    save_file(state, file)
    return file


def load_colour(name: str) -> np.ndarray:
    with Image.open(locate(name)) as picture:
        return np.asarray(picture.convert("RGB"), np.float32).transpose(2, 0, 1) / 255


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdxl") / "model"
    pipeline = small_pipeline(folder)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder, small_adapter(pipeline.unet, folder.parent / "ip-adapter_sdxl_vit-h.safetensors")


@pytest.fixture(scope="module")
def painter(files):
    return open_painter(*files, accept_licence=True)


def features(n: int = 2) -> np.ndarray:
    return np.random.default_rng(2).standard_normal((n, DIM)).astype(np.float32)


SHORT = {"steps": 2, "size": SIZE, "space": SPACE}


def test_each_row_is_painted_several_times(painter):
    made = painter.paint(features(), each=2, **SHORT)
    assert made.shape == (2, 2, 3, SIZE, SIZE)
    assert made.dtype == np.float32
    assert (made.min() >= 0, made.max() <= 1) == (True, True)
    assert np.abs(made[0, 0] - made[0, 1]).max() > 1e-3


def test_a_painting_depends_on_its_features_seed_and_place_alone(painter):
    x = features()
    both = painter.paint(x, each=2, **SHORT)
    np.testing.assert_allclose(painter.paint(x[:1], each=1, **SHORT)[0, 0], both[0, 0], atol=1e-4)
    changed = painter.paint(x[:1] * -1, each=1, **SHORT)
    assert np.abs(changed[0, 0] - both[0, 0]).max() > 1e-4
    assert np.abs(painter.paint(x[:1], seed=1, **SHORT)[0, 0] - both[0, 0]).max() > 1e-3
    assert len({seed_of(0, at, k) for at in range(4) for k in range(4)}) == 16


def test_guidance_takes_the_unconditional_run_as_well(painter, monkeypatch):
    batches = []
    forward = painter.pipeline.unet.forward
    monkeypatch.setattr(
        painter.pipeline.unet, "forward", lambda x, *a, **k: batches.append(len(x)) or forward(x, *a, **k)
    )
    plain = painter.paint(features(1), guidance=0.0, **SHORT)
    guided = painter.paint(features(1), guidance=7.0, **SHORT)
    assert batches == [1, 1, 2, 2]
    assert np.abs(plain - guided).max() > 1e-4


def test_the_generators_own_settings_are_the_defaults(painter, monkeypatch):
    asked = []

    class Pipeline:
        device, dtype = torch.device("cpu"), torch.float32

        def __call__(self, **settings):
            asked.append(settings)
            size = settings["height"], settings["width"], 3
            return type("Painted", (), {"images": np.zeros((settings["num_images_per_prompt"], *size))})

    replaced = type(painter)(PAINTERS["sdxl"], DIM, Pipeline())
    assert replaced.paint(features(1), space=SPACE, each=3).shape == (1, 3, 3, 1024, 1024)
    (asked,) = asked
    assert (asked["prompt"], asked["num_inference_steps"], asked["guidance_scale"]) == ("", 30, 5.0)
    (embedding,) = asked["ip_adapter_image_embeds"]
    assert embedding.shape == (2, 1, DIM)
    assert (embedding[0] == 0).all()
    np.testing.assert_array_equal(embedding[1, 0], features(1)[0])
    assert len(asked["generator"]) == 3


def test_the_adapter_counts_in_full(painter):
    scales = [p.scale for p in painter.pipeline.unet.attn_processors.values() if hasattr(p, "scale")]
    assert scales
    assert all(scale == [1.0] for scale in scales)
    assert painter.dim == DIM


def test_nothing_is_asked_of_the_network(files, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert open_painter(*files, accept_licence=True).row.name == "sdxl"


def test_the_libraries_are_told_to_stay_offline_and_told_otherwise_afterwards(monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv(OFFLINE[0], "0")
    monkeypatch.delenv(OFFLINE[1], raising=False)
    with offline():
        assert [os.environ[name] for name in OFFLINE] == ["1", "1", "1"]
    assert os.environ[OFFLINE[0]] == "0"
    assert OFFLINE[1] not in os.environ


@pytest.mark.parametrize("name", PAINTERS)
def test_a_licence_that_was_not_accepted_is_named(name, tmp_path):
    with pytest.raises(ConfigError) as told:
        open_painter(tmp_path, tmp_path / "a.safetensors", name)
    assert PAINTERS[name].licence in str(told.value)
    assert PAINTERS[name].source in str(told.value)
    assert "accept_licence=True" in str(told.value)


def test_missing_files_are_named_with_who_publishes_them(tmp_path):
    with pytest.raises(BadInput, match=r"stable-diffusion-xl-base-1.0 .*has no model_index.json.*as `folder`"):
        open_painter(tmp_path, tmp_path / "a.safetensors", accept_licence=True)
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(BadInput, match=r"ip-adapter_sdxl_vit-h.safetensors \(https://huggingface.co/h94.*as `adapter`"):
        open_painter(tmp_path, tmp_path / "a.safetensors", accept_licence=True)
    with pytest.raises(ConfigError, match="Did you mean 'sdxl'"):
        open_painter(tmp_path, tmp_path, "sdlx", accept_licence=True)


def test_an_adapter_of_something_else_and_a_folder_that_is_not_whole_are_refused(files, tmp_path):
    folder, adapter = files
    save_file({"other": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(BadInput, match=r"it has no image_proj\.proj\.weight"):
        open_painter(folder, tmp_path / "other.safetensors", accept_licence=True)
    (tmp_path / "model_index.json").write_text((folder / "model_index.json").read_text())
    with pytest.raises(BadInput, match="sdxl cannot be loaded from"):
        open_painter(tmp_path, adapter, accept_licence=True)


def test_a_generator_that_lacks_weights_is_refused(files, tmp_path):
    folder, adapter = files
    shutil.copytree(folder, tmp_path / "model")
    file = tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    del state["conv_in.bias"]
    save_file(state, file)
    with pytest.raises(BadInput, match=r"unet lacks 1 weights, 'conv_in\.bias' among them\. Expected the whole folder"):
        open_painter(tmp_path / "model", adapter, accept_licence=True)


def test_features_of_another_encoder_are_refused(painter):
    with pytest.raises(BadInput, match=r"features of 'eva02_e_14' .* from those of 'clip_vit_h_14' only"):
        painter.paint(features(), space="eva02_e_14")
    with pytest.raises(BadInput, match="features of '' were given"):
        painter.paint(features(), space="")
    with pytest.raises(BadInput, match=r"shape \(2, 11\), this adapter takes \(n, 12\)"):
        painter.paint(features()[:, :-1], space=SPACE)


def test_files_in_sixteen_bits_alone_are_found(tmp_path):
    (tmp_path / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"")
    assert _variant(tmp_path) == {"variant": "fp16"}
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    assert _variant(tmp_path) == {}


def test_published_weights_paint_images_that_their_own_encoder_recognises():
    names = ("SDXL", "IP_ADAPTER", "CLIP_VIT_H_14")
    folder, adapter, encoder = (os.environ.get(f"STREAMKIT_{name}", "") for name in names)
    if not (folder and adapter and encoder):
        pytest.skip("not run: the weights of SDXL, IP-Adapter and CLIP ViT-H/14 are not here (set STREAMKIT_SDXL, …)")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shown = np.stack([resize(load_colour(name)[None], (512, 512))[0] for name in ("astronaut", "coffee", "rocket")])
    wanted = extract(shown, SPACE, encoder, device=device)
    opened = open_painter(folder, adapter, accept_licence=True, device=device)
    made = opened.paint(wanted, space=SPACE, size=512)[:, 0]
    likeness = np.corrcoef(extract(made, SPACE, encoder, device=device), wanted)[:3, 3:]
    assert likeness.argmax(1).tolist() == [0, 1, 2]
