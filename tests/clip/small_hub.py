"""What the small models' repositories hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save

CORPUS = ["a photo of a red bird", "this is a photo of an old cat", "a dog", "x y a b cat dog"]


def weights_of(architecture: str, *, seed: int = 0, half: str = "", prefix: str = "") -> bytes:
    """A safetensors file of random weights. half: "float16", "bfloat16" or ""."""
    import open_clip
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = open_clip.get_model_config(architecture)
        custom = config.pop("custom_text", False)
        model: Any = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
        for tensor in model.parameters():  # some start at zero, and would hide mistakes
            tensor.data.add_(torch.randn(tensor.shape) * 0.02)
    state = {prefix + name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if half:
        kind = getattr(torch, half)
        state = {n: t.to(kind) if t.is_floating_point() else t for n, t in state.items()}
    return save(state)


def gemma_like_tokenizer() -> dict[str, bytes]:
    """A small tokenizer.json with the special tokens of SigLIP 2's, and its settings.

    As in Gemma's file a <bos> would be put before; the settings say that SigLIP has none, but an
    <eos> behind.
    """
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    inner: Any = Tokenizer(BPE(unk_token="<unk>", byte_fallback=False))
    inner.normalizer = normalizers.Replace(" ", "▁")
    inner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    alphabet = list("abcdefghijklmnopqrstuvwxyz▁")
    words = [*CORPUS, *(f"{w} {w} {w}" for w in ("x", "y", "a", "b"))] * 3
    inner.train_from_iterator(
        words, BpeTrainer(vocab_size=120, special_tokens=special, initial_alphabet=alphabet)
    )
    inner.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 2)]
    )
    settings = {
        "add_bos_token": False, "add_eos_token": True, "bos_token": "<bos>", "eos_token": "<eos>",
        "pad_token": {"content": "<pad>", "special": True}, "tokenizer_class": "GemmaTokenizer",
    }  # fmt: skip
    return {
        "tokenizer.json": inner.to_str().encode(),
        "tokenizer_config.json": json.dumps(settings).encode(),
    }


def repository(architecture: str) -> dict[str, bytes]:
    """Files of `makers/<architecture>`; the pickle beside the weights must never be asked for."""
    import open_clip

    from tests.clip.conftest import FEEDS

    feed = {key: value for key, value in FEEDS[architecture].items() if key != "quick_gelu"}
    config = open_clip.get_model_config(architecture)
    described = {"model_cfg": config, "preprocess_cfg": feed}
    files = {
        "open_clip_config.json": json.dumps(described).encode(),
        "open_clip_model.safetensors": weights_of(architecture),
        "open_clip_pytorch_model.bin": b"a pickle",
    }
    if config["text_cfg"].get("hf_tokenizer_name"):
        files |= gemma_like_tokenizer()
    return files


def as_folder(files: dict[str, bytes], folder: Path) -> Path:
    """The same on disk."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder
