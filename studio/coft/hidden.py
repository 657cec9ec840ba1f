"""What the frozen stages make of the test views; kept between rounds, which all need them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.coft.adapters import VisualAdapter
from studio.coft.dual import test_hidden

EVALUATION_BATCH = 64
KEPT_BYTES = 2 * 2**30
"""Memory for test views between rounds: some 24,000 images of the embedded model."""


class TestViews:
    """Prefix outputs of all images' test views, chunk by chunk [studio].

    keep: hold them for the next round, as far as `KEPT_BYTES` reach: the frozen stages are most of
    the cost of labelling everything. Without a frozen prefix there is nothing to keep.
    """

    __test__ = False  # not a test case

    def __init__(
        self, backbone: Backbone, adapter: VisualAdapter, images: Images, *, keep: bool
    ) -> None:
        self._source = backbone, adapter, images
        self._room = KEPT_BYTES if keep and adapter.has_frozen_prefix else 0
        self._kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._source[2])

    def chunks(self) -> Iterator[Tensor]:
        """Prefix outputs (B, ...), in the order of the images."""
        backbone, adapter, images = self._source
        for start in range(0, len(images), EVALUATION_BATCH):
            hidden = self._kept.get(start)
            if hidden is None:
                chunk = range(start, min(start + EVALUATION_BATCH, len(images)))
                hidden = test_hidden(backbone, adapter, images, chunk)
                if hidden.nbytes <= self._room:
                    self._kept[start] = hidden
                    self._room -= hidden.nbytes
            yield hidden
