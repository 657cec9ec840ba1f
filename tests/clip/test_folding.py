"""Batch norms folded into convolutions: the same features, gradients, names and copies."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.func import functional_call

from studio.clip.backbone import load_backbone
from studio.clip.folding import fold_norms
from studio.clip.image_only import load_image_only
from tests.coft.conftest import convolutional_config, make_backbone

SIZE = 32


def unlike(module: nn.Module, *, seed: int = 0) -> nn.Module:
    """With norms as training leaves them: those of fresh models change nothing."""
    draw = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for own, low in (
                (norm.weight.data, 0.5), (norm.bias.data, -0.2),
                (norm.running_mean, -0.2), (norm.running_var, 0.5),
            ):  # fmt: skip
                assert own is not None
                own.copy_(low + (1.0 if low > 0 else 0.4) * torch.rand(len(own), generator=draw))
    return module.eval()


class Small(nn.Module):
    """Both kinds of convolution and of norm, a bias, groups, and a norm with nothing before it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Conv2dSame(3, 8, 3, stride=2, bias=False)
        self.norm = BatchNormAct2d(8, act_layer=nn.ReLU6)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.other = nn.BatchNorm2d(8)
        self.alone = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 8)."""
        x = self.norm(self.first(x))
        return self.alone(self.other(self.second(x)).relu() + x).mean((2, 3))


class Lying(Small):
    """The order of its children is that of `Small`, what it does with them is not."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        """(B, 8)."""
        x = self.norm(self.first(x))
        own = self.second(x)
        if self.what == "elsewhere":
            return (self.other(own) + own).mean((2, 3))
        if self.what == "changed":
            return self.other(own.relu_()).mean((2, 3))
        if self.what == "twice":
            return (self.other(own) + self.other(x)).mean((2, 3))
        return self.alone(own + self.other(x)).mean((2, 3))


def folded(module: nn.Module) -> nn.Module:
    """A copy of it, folded."""
    own = copy.deepcopy(module)
    assert fold_norms(own, size=SIZE)
    return own


def gradients(module: nn.Module, pixels: Tensor) -> dict[str, Tensor]:
    """Of all parameters, for a loss that no symmetry makes zero."""
    module.requires_grad_(True).zero_grad()
    features = module(pixels)
    (features * torch.linspace(-1, 2, features.shape[1])).square().sum().backward()
    return {name: own.grad for name, own in module.named_parameters() if own.grad is not None}


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def small() -> nn.Module:
    torch.manual_seed(0)
    return unlike(Small()).requires_grad_(False)


def close(own: Tensor, other: Tensor) -> None:
    within = 1e-10 if own.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(own, other, rtol=within, atol=within * float(other.abs().max()))


def test_features_and_gradients_are_those_of_the_plain_tower(
    small: nn.Module, pixels: Tensor
) -> None:
    torch.manual_seed(0)
    whole = unlike(make_backbone(convolutional_config()).visual)
    plain: nn.Module
    for plain in (small, whole):
        own = folded(plain)
        with torch.inference_mode():
            close(own(pixels), plain(pixels))
        own, plain = own.double(), plain.double()  # else rounding moves activations over an edge
        mine, theirs = gradients(own, pixels.double()), gradients(plain, pixels.double())
        assert mine.keys() == theirs.keys() == dict(plain.named_parameters()).keys()
        for name in theirs:
            close(mine[name], theirs[name])


def test_every_norm_behind_a_convolution_is_folded_and_no_other(small: nn.Module) -> None:
    assert fold_norms(copy.deepcopy(small), size=SIZE) == 2
    visual = make_backbone(convolutional_config()).visual
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in visual.modules())
    assert fold_norms(visual, size=SIZE) == norms == 49


def test_the_work_is_done_by_the_convolution(small: nn.Module, pixels: Tensor) -> None:
    own = folded(small)
    seen: list[bool] = []
    own.other.register_forward_hook(lambda _m, x, y: seen.append(y is x[0]))
    with torch.no_grad():
        own(pixels)
    own.requires_grad_(True)(pixels)
    own.requires_grad_(False)
    own.other.requires_grad_(True)  # a norm that learns beside a convolution that does not
    own(pixels)
    own.requires_grad_(True).train()(pixels)
    assert seen == [True, True, False, False]


def test_norms_that_learn_beside_frozen_convolutions_do_as_before(
    small: nn.Module, pixels: Tensor
) -> None:
    own = folded(small)
    swapped = {"other.weight": torch.full((8,), 0.7), "norm.bias": torch.full((8,), 0.3)}
    for leaf in swapped.values():
        leaf.requires_grad_(True)
    found = []
    for module in (own, small):
        with torch.inference_mode():
            features = functional_call(module, swapped, (pixels,))
        functional_call(module, swapped, (pixels,)).square().sum().backward()
        found.append([features, *(leaf.grad for leaf in swapped.values())])
        for leaf in swapped.values():
            leaf.grad = None
    for mine, theirs in zip(*found, strict=True):
        assert mine is not None
        assert theirs is not None
        close(mine, theirs)


def test_in_training_mode_statistics_are_gathered_as_before(
    small: nn.Module, pixels: Tensor
) -> None:
    own = folded(small).train()
    close(own(pixels), small.train()(pixels))
    for mine, theirs in zip(own.buffers(), small.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_state_and_names_stay(small: nn.Module) -> None:
    own = folded(small)
    assert list(own.state_dict()) == list(small.state_dict())
    assert [name for name, _ in own.named_modules()] == [name for name, _ in small.named_modules()]
    assert [name for name, _ in own.named_parameters()] == [n for n, _ in small.named_parameters()]


def test_a_copy_folds_its_own_norms(small: nn.Module, pixels: Tensor) -> None:
    first = folded(small)
    second = copy.deepcopy(first)
    others = unlike(copy.deepcopy(small), seed=1)
    second.load_state_dict(others.state_dict())
    with torch.no_grad():
        close(second(pixels), others(pixels))
        close(first(pixels), small(pixels))
        assert not torch.allclose(first(pixels), second(pixels), rtol=1e-2)


@pytest.mark.parametrize("what", ["elsewhere", "changed"])
def test_a_convolution_whose_output_serves_anything_else_leaves_all_plain(
    what: str, pixels: Tensor
) -> None:
    torch.manual_seed(0)
    plain = unlike(Lying(what))
    own = copy.deepcopy(plain)
    assert fold_norms(own, size=SIZE) == 0
    assert type(own.first) is Conv2dSame
    with torch.no_grad():
        torch.testing.assert_close(own(pixels), plain(pixels))


@pytest.mark.parametrize("what", ["twice", "other way round"])
def test_a_norm_that_also_takes_something_else_stays_plain(what: str, pixels: Tensor) -> None:
    torch.manual_seed(0)
    plain = unlike(Lying(what))
    own = copy.deepcopy(plain)
    assert fold_norms(own, size=SIZE) == 1
    assert type(own.second) is nn.Conv2d
    with torch.no_grad():
        close(own(pixels), plain(pixels))


def test_loaded_models_are_folded(tmp_path: Path) -> None:
    backbone = load_backbone("embedded", device="cpu")
    norms = [m for m in backbone.visual.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(hasattr(norm, "pair") for norm in norms)
    trunk = timm.create_model("resnet10t", num_classes=0)
    file = tmp_path / "weights.safetensors"
    save_file(trunk.state_dict(), file)
    other = load_image_only(f"timm:resnet10t={file}", device="cpu")
    norms = [m for m in other.visual.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(hasattr(norm, "pair") for norm in norms)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        close(other.visual(pixels), trunk.eval()(pixels))
