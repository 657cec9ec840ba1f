"""Views of the next batch are made meanwhile, and every number is as if they were made in turn."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from studio.clip.backbone import Backbone
from studio.clip.scaling import LossScaler
from studio.coft import ahead as ahead_module
from studio.coft import phase2, trainer
from studio.coft.ahead import Ahead, Made
from studio.coft.keeping import Batches
from studio.coft.task import Task
from studio.coft.views import Each
from studio.methods import METHODS
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs
from tests.coft.test_fit import QUICK
from tests.coft.test_keeping import plain

CPU = torch.device("cpu")
FIRST, SECOND, THIRD = torch.tensor([3, 1]), torch.tensor([2]), torch.tensor([0, 4])


def drawn(batch: Tensor, streams: Sequence[Generator], each: Each) -> Made:
    """The numbers of a batch, and a random one for each image."""
    del each
    return batch, torch.rand(len(batch), generator=streams[0])


def stream() -> Generator:
    return Generator().manual_seed(5)


def test_the_next_batch_is_made_while_this_one_is_learned() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(batch: Tensor, streams: Sequence[Generator], each: Each) -> Made:
        if batch is SECOND:
            begun.set()
            assert go_on.wait(10)
        return drawn(batch, streams, each)

    ahead, own = Ahead(slow, device=CPU), stream()
    ahead.of(FIRST, [own], then=SECOND)
    assert begun.wait(10), "it is at work, and nobody has asked for it yet"
    go_on.set()
    assert torch.equal(ahead.of(SECOND, [own], then=None)[0], SECOND)


def test_every_batch_draws_in_its_turn() -> None:
    plainly, own = stream(), stream()
    ahead = Ahead(drawn, device=CPU)
    for batch, then in ((FIRST, SECOND), (SECOND, THIRD), (THIRD, None)):
        _, expected = drawn(batch, [plainly], map)
        assert torch.equal(ahead.of(batch, [own], then=then)[1], expected)
        assert torch.equal(own.get_state(), plainly.get_state()), "what is ahead is not drawn yet"


def test_what_was_made_for_another_batch_or_from_other_numbers_is_dropped() -> None:
    ahead, own, plainly = Ahead(drawn, device=CPU), stream(), stream()
    ahead.of(FIRST, [own], then=SECOND)
    drawn(FIRST, [plainly], map)
    assert torch.equal(ahead.of(THIRD, [own], then=SECOND)[1], drawn(THIRD, [plainly], map)[1])
    for generator in (own, plainly):
        torch.rand(7, generator=generator)
    assert torch.equal(ahead.of(SECOND, [own], then=None)[1], drawn(SECOND, [plainly], map)[1])


def test_a_fault_shows_when_its_batch_has_its_turn() -> None:
    def faulty(batch: Tensor, streams: Sequence[Generator], each: Each) -> Made:
        if batch is SECOND:
            raise OSError("gone")
        return drawn(batch, streams, each)

    ahead, own = Ahead(faulty, device=CPU), stream()
    ahead.of(FIRST, [own], then=SECOND)
    with pytest.raises(OSError, match="gone"):
        ahead.of(SECOND, [own], then=None)


def test_where_no_thread_can_be_begun_batches_are_made_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when Python is ending while a run is at work."""

    def refuses(*_: Any) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    monkeypatch.setattr(ahead_module.ThreadPoolExecutor, "submit", refuses)
    monkeypatch.setattr(ahead_module.ThreadPoolExecutor, "map", refuses)

    def doubled(batch: Tensor, streams: Sequence[Generator], each: Each) -> Made:
        return torch.stack(list(each(lambda one: 2 * one, batch))), *drawn(batch, streams, each)

    for device in (CPU, torch.device("meta")):
        ahead, own, plainly = Ahead(doubled, device=device), stream(), stream()
        for batch, then in ((FIRST, SECOND), (SECOND, None)):
            twice, _, numbers = ahead.of(batch, [own], then=then)
            assert torch.equal(twice, 2 * batch)
            assert torch.equal(numbers, drawn(batch, [plainly], map)[1])


def test_batches_know_what_comes_behind_them() -> None:
    batches = Batches(2)
    pairs = [
        (batch.tolist(), None if batches.then is None else batches.then.tolist())
        for epoch in (1, 2) for batch in batches.of(epoch, lambda: torch.arange(5))
    ]  # fmt: skip
    assert pairs == [([0, 1], [2, 3]), ([2, 3], [4]), ([4], None)] * 2


@pytest.mark.parametrize("method", ["coft+", "fixmatch"])
def test_a_fit_is_the_same_as_one_that_makes_nothing_ahead(
    vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    settings = Settings(**QUICK | {"contrast_weight": 0.1, "phase2_batch": 8, "phase1_batch": 4})

    def events() -> tuple[list[Any], int]:
        images, before = Canvases(20), threads.count("views")
        task = Task(**inputs(vit, images), settings=settings)
        found = [plain(event) for event in METHODS[method].load()(task)]
        return found, threads.count("views") - before

    threads: list[str] = []
    batch = Canvases.batch

    def watched(self: Canvases, indices: Sequence[int]) -> Tensor:
        threads.append(threading.current_thread().name.split("_")[0])
        return batch(self, indices)

    monkeypatch.setattr(Canvases, "batch", watched)
    found, ahead = events()
    assert ahead > 0
    monkeypatch.setattr(Ahead, "_begin", lambda *_: None)
    assert events() == (found, 0)


class Reads(TorchDispatchMode):
    """Counts numbers that are read one by one, for which a device would be waited for."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **kwargs or {})


def test_a_step_reads_what_it_came_to_once_when_all_of_it_has_been_given_to_the_device(
    vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: dict[str, list[int]] = {"Trainer": [], "_Tuner": []}
    for kind in (trainer.Trainer, phase2._Tuner):

        def counted(self: Any, *args: Any, step: Any = kind.step, **options: Any) -> Any:
            with Reads() as counter:
                result = step(self, *args, **options)
            reads[type(self).__name__].append(counter.count)
            return result

        monkeypatch.setattr(kind, "step", counted)
    log: list[str] = []
    places: tuple[tuple[Any, str], ...] = (
        (trainer, "summed"), (phase2, "summed"), (LossScaler, "step"),
    )  # fmt: skip
    for place, name in places:
        own = getattr(place, name)

        def told(*args: Any, own: Any = own, name: str = name) -> Any:
            log.append(name)
            return own(*args)

        monkeypatch.setattr(place, name, told)
    settings = Settings(**QUICK | {
        "contrast_weight": 0.1, "phase2_batch": 8, "phase1_batch": 8, "micro_batch": 2,
        "phase2_optimizer": "sgd", "phase1_optimizer": "sgd",
    })  # fmt: skip
    for _ in METHODS["coft+"].load()(Task(**inputs(vit, Canvases(20)), settings=settings)):
        pass
    assert all(len(own) > 1 and set(own) == {0} for own in reads.values()), reads
    assert log == ["step", "summed"] * (len(log) // 2)
