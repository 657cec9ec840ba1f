"""What a judge said is kept as it comes, counts as one action, and can go on and be undone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from studio.ask.judge_said import JudgeAsking, Judgement
from studio.errors import PromptError, RunError
from studio.files import append_json, write_json
from studio.prompts.client import Limits
from studio.prompts.endpoint import Endpoint
from studio.runs.corrections import Corrections, Subjects
from studio.runs.given import NONE, Correction
from studio.runs.judge_purpose import Naming, Plan, plan
from studio.runs.judged import JUDGED_FILE, JudgeRecord
from studio.runs.judging import Order, judge_images
from studio.runs.run import Run
from studio.runs.store import RunStore
from tests.ask.vision_server import COLOURS, is_test_picture, sees
from tests.prompts.chat_server import KEY, ChatServer, Reply, error
from tests.runs.conftest import create

QUICK = Limits(timeout=2, connect=2, tries=1, parallel=2)
NAMES = ("red thing", "blue thing", "green thing")
SHOWN = ["red", "blue", "green", "white", "red", "blue", "green", "white"]


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as served:
        served.then = sees
        yield served


@pytest.fixture
def run(store: RunStore, tmp_path: Path) -> Run:
    root = tmp_path / "photos"
    root.mkdir()
    paths = []
    for number, colour in enumerate(SHOWN):
        image = Image.new("RGB", (32, 32), COLOURS[colour])
        image.putpixel((number, 0), (0, 0, 0))
        image.save(root / f"{number}.png")
        paths.append(f"{number}.png")
    made = create(store, class_names=NAMES)
    write_json(made.path / "images.json", {"root": str(root), "images": paths, "refused": []})
    made.set_status(state="finished")
    return made


def in_turn(
    answers: Mapping[int, int], asked: Collection[int], most: int
) -> Sequence[tuple[int, Sequence[int]]]:
    return [(i, (0, 1, 2)) for i in range(len(SHOWN)) if i not in asked][:most]


@pytest.fixture
def judge(server: ChatServer, run: Run, tmp_path: Path) -> Callable[..., JudgeAsking]:
    def go(budget: int = 4, *, stop: Any = lambda: False, listen: Any = None,
           choose: Any = in_turn, go_on: Any = None) -> JudgeAsking:  # fmt: skip
        order = Order(
            paths=run.images()["images"], class_names=NAMES, root=tmp_path / "photos",
            corrections=Corrections.of(run), choose=choose,
            endpoint=Endpoint(server.url, "m", KEY), budget=budget, cache_dir=tmp_path / "cache",
            go_on=go_on,
        )  # fmt: skip
        return judge_images(order, stop=stop, listen=listen, limits=QUICK)

    return go


def record(run: Run) -> JudgeRecord:
    return JudgeRecord(Corrections.of(run))


def test_what_it_said_counts_as_judged_and_is_undone_at_once(
    run: Run, judge: Callable[..., JudgeAsking]
):
    judge(4)
    corrections = Corrections.of(run)
    assert corrections.current() == {
        "0.png": Correction("judged", "red thing"), "1.png": Correction("judged", "blue thing"),
        "2.png": Correction("judged", "green thing"), "3.png": Correction("judged", ""),
    }  # fmt: skip
    said = record(run).of("1.png")
    assert said is not None
    assert (said.judgement.label, said.model) == ("blue thing", "m")
    assert record(run).open_one() is None
    assert corrections.undo() is not None
    assert corrections.current() == {}
    assert record(run).of("1.png") is None, "what was undone is not shown"
    assert record(run).askings() == []


def test_a_person_is_never_overridden_and_not_asked_about_again(
    run: Run, judge: Callable[..., JudgeAsking]
):
    Corrections.of(run).add("relabelled", {"0.png": "green thing"})
    Corrections.of(run).add("rejected", {"1.png": ""})
    seen: list[dict[int, int]] = []

    def choose(answers: Mapping[int, int], asked: Collection[int], most: int) -> Any:
        seen.append(dict(answers))
        return in_turn(answers, asked, most)

    judge(2, choose=choose)
    assert seen[0] == {0: 2, 1: NONE}
    found = Corrections.of(run).current()
    assert found["0.png"] == Correction("relabelled", "green thing")
    assert found["1.png"] == Correction("rejected")
    assert set(found) == {"0.png", "1.png", "2.png", "3.png"}


def test_a_stopped_asking_counts_and_goes_on_as_the_same(
    run: Run, judge: Callable[..., JudgeAsking], server: ChatServer
):
    stop = threading.Event()

    def listen(asking: JudgeAsking) -> None:
        if asking.done == 3:
            stop.set()

    halfway = judge(6, stop=stop.is_set, listen=listen)
    assert (halfway.stopped, halfway.done) == (True, 3)
    assert len(Corrections.of(run).current()) == 3
    open_one = record(run).open_one()
    assert open_one is not None
    assert (open_one.left, open_one.budget) == (3, 6)
    whole = judge(6, go_on=open_one)
    assert whole.done == 6
    assert whole.requests <= 2 * 3
    assert len(Corrections.of(run).current()) == 6
    [one] = record(run).askings()
    assert (one.left, len(one.judgements), one.requests > 8) == (0, 6, True)
    Corrections.of(run).undo()
    assert Corrections.of(run).current() == {}, "one press undoes both halves"


def test_answers_are_on_the_disk_before_the_asking_ends(
    run: Run, judge: Callable[..., JudgeAsking]
):
    class Killed(BaseException):
        pass

    def listen(asking: JudgeAsking) -> None:
        if asking.done == 2:
            raise Killed

    with pytest.raises(Killed):
        judge(4, listen=listen)
    # As after a kill: no last line, and no action.
    file = run.path / JUDGED_FILE
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if '"action"' not in line) + "\n")
    (run.path / "corrections.jsonl").unlink()
    open_one = record(run).open_one()
    assert open_one is not None
    assert [j.label for j in open_one.judgements] == ["red thing", "blue thing"]
    judge(4, go_on=open_one)
    assert len(Corrections.of(run).current()) == 4


def test_an_asking_that_comes_to_nothing_leaves_no_trace(
    run: Run, judge: Callable[..., JudgeAsking], server: ChatServer
):
    server.key = "another"
    with pytest.raises(PromptError, match="does not accept the key"):
        judge(4)
    assert not (run.path / JUDGED_FILE).exists()
    assert Corrections.of(run).current() == {}


def test_a_failure_halfway_keeps_what_came_and_can_go_on(
    run: Run, judge: Callable[..., JudgeAsking], server: ChatServer
):
    judge(2)

    def used_up(request: dict[str, Any]) -> Reply:
        if is_test_picture(request) or len(server.requests) < 6 + 6:
            return sees(request)
        return error(429, "no money", code="insufficient_quota")

    server.then = used_up
    asking = judge(6)
    assert "quota" in asking.problems[0]
    open_one = record(run).open_one()
    assert open_one is not None
    assert open_one.left == 6 - asking.done
    assert len(Corrections.of(run).current()) == 2 + asking.done


def test_an_unstable_answer_is_kept_and_does_not_count(
    run: Run, judge: Callable[..., JudgeAsking], server: ChatServer
):
    server.then = lambda r: sees(r) if is_test_picture(r) else Reply('{"answer": "A"}')
    asking = judge(2)
    assert asking.unstable == 2
    assert Corrections.of(run).current() == {}
    said = record(run).of("0.png")
    assert said is not None
    assert said.judgement.label is None
    assert len(set(said.judgement.said)) == 2


def stopped_after(judge: Callable[..., JudgeAsking], done: int, budget: int) -> None:
    """Begin an asking and stop it."""
    stop = threading.Event()

    def listen(asking: JudgeAsking) -> None:
        if asking.done == done:
            stop.set()

    judge(budget, stop=stop.is_set, listen=listen)


def killed(run: Run, judge: Callable[..., JudgeAsking], budget: int) -> None:
    """An asking whose process was killed after its last image, before it ended."""
    judge(budget)
    file = run.path / JUDGED_FILE
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if '"action"' not in line) + "\n")
    (run.path / "corrections.jsonl").unlink()


def test_one_press_undoes_all_halves_and_says_how_many_images_that_are(
    run: Run, judge: Callable[..., JudgeAsking]
) -> None:
    stopped_after(judge, 3, 6)
    judge(6, go_on=record(run).open_one())
    last = Corrections.of(run).last()
    assert last is not None
    assert last.text == "6 images judged"
    assert record(run).undo() == "6 images judged"
    assert Corrections.of(run).current() == {}
    assert record(run).askings() == []


def test_what_was_paid_counts_whatever_images_and_classes_there_are_by_now(
    run: Run, judge: Callable[..., JudgeAsking], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_after(judge, 3, 6)
    of = Corrections.of

    def others(run: Run) -> Corrections:
        """As after a name was mended, or while another folder is at hand."""
        found = of(run)
        monkeypatch.setattr(found, "_subjects", lambda: Subjects((), ("scarlet thing",)))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Corrections, "of", others)
        judge(6, go_on=record(run).open_one())
    assert len(of(run).current()) == 6
    assert record(run).open_one() is None


def test_an_asking_that_could_not_end_is_taken_up(
    run: Run, judge: Callable[..., JudgeAsking]
) -> None:
    killed(run, judge, 4)
    kept = record(run)
    assert kept.open_one() is None, "nothing is left to ask"
    assert Corrections.of(run).current() == {}
    with kept.alone():
        record(run).take_up()
        assert Corrections.of(run).current() == {}, "it is at work"
    kept.take_up()
    assert len(Corrections.of(run).current()) == 4
    [one] = kept.askings()
    assert one.over
    before = (run.path / JUDGED_FILE).read_bytes()
    record(run).take_up()
    kept.take_up()
    assert (run.path / JUDGED_FILE).read_bytes() == before, "once is enough"
    kept.undo()
    record(run).take_up()
    assert Corrections.of(run).current() == {}


def test_answers_that_could_not_be_kept_at_the_end_count_later(
    run: Run, judge: Callable[..., JudgeAsking], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> str:
        raise RunError("cannot keep the correction: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Corrections, "add_judged", full)
        with pytest.raises(RunError, match="No space left"):
            judge(4)
    assert Corrections.of(run).current() == {}
    record(run).take_up()
    assert len(Corrections.of(run).current()) == 4


@pytest.mark.parametrize("while_it_works", [False, True])
@pytest.mark.parametrize("undo", [False, True])
def test_what_was_taken_back_does_not_return(
    run: Run, judge: Callable[..., JudgeAsking], undo: bool, while_it_works: bool
) -> None:
    stopped_after(judge, 2, 4)

    def take_back() -> None:
        corrections = Corrections.of(run)
        if undo:
            corrections.undo()
        else:
            corrections.add("withdrawn", {"1.png": ""})

    def listen(asking: JudgeAsking) -> None:
        if asking.done == 3:
            take_back()

    go_on = record(run).open_one()
    if while_it_works:
        judge(4, go_on=go_on, listen=listen)
    else:
        take_back()
        if undo:
            with pytest.raises(RunError, match="was undone"):
                judge(4, go_on=go_on)
            assert record(run).open_one() is None
            return
        judge(4, go_on=go_on)
    left = {"2.png", "3.png"} if undo else {"0.png", "2.png", "3.png"}
    assert set(Corrections.of(run).current()) == left
    said = record(run).of("0.png")
    assert (said is None) == undo, "what was undone is not shown"
    record(run).undo()
    assert Corrections.of(run).current() == {}


def test_an_asking_of_an_earlier_version_goes_on(run: Run) -> None:
    """It put all answers into a new action each time, in place of the one before."""
    kept, corrections = record(run), Corrections.of(run)

    def half(number: int, counts: bool) -> None:
        begun = {"asking": "a", "budget": 6, "model": "m", "host": "h"}
        append_json(kept.path, begun)
        said = Judgement(f"{number}.png", NAMES, (NAMES[0], NAMES[0]))
        append_json(kept.path, {"asking": "a", **said.to_dict()})
        if counts:
            images = {f"{n}.png": NAMES[0] for n in range(number + 1)}
            action = corrections.add("judged", images).id
            if number:
                corrections.undo(before.pop())
            before.append(action)
            append_json(kept.path, {"asking": "a", "action": action, "over": False})

    before: list[str] = []
    half(0, True)
    half(1, True)
    one = kept.open_one()
    assert one is not None
    assert (len(one.judgements), one.left, one.action) == (2, 4, before[0])
    half(2, False)  # and this one was killed
    kept.take_up()
    assert set(corrections.current()) == {"0.png", "1.png", "2.png"}
    assert kept.undo() == "3 images judged"
    assert corrections.current() == {}
    assert kept.askings() == []


def test_one_process_at_a_time_asks_about_the_same_images(
    run: Run, judge: Callable[..., JudgeAsking], server: ChatServer
) -> None:
    stopped_after(judge, 2, 6)
    go_on = record(run).open_one()
    before = len(server.requests)
    with record(run).alone(), pytest.raises(RunError, match=r"already, by .*; wait for it or stop"):
        judge(6, go_on=go_on)
    judge(6, go_on=go_on)
    assert len(server.requests) <= before + 2 * 4
    asked = len(server.requests)
    with pytest.raises(RunError, match="has gone on"):
        judge(6, go_on=go_on)  # another page has read it before it went on
    assert len(server.requests) == asked


def test_an_asking_of_which_others_have_answered_the_rest_is_not_gone_on_with(
    run: Run, judge: Callable[..., JudgeAsking]
) -> None:
    stopped_after(judge, 2, 8)
    kept = record(run)
    purpose = Naming(run.images()["images"], kept.corrections)

    def planned() -> Plan:
        one = kept.open_one()
        assert one is not None
        return plan(purpose, kept, model=one.model, host=one.host, wanted=8)

    assert planned().images == 6
    kept.corrections.add("relabelled", {f"{i}.png": "red thing" for i in range(2, 7)})
    assert planned().images == 1, "what is left"
    kept.corrections.add("relabelled", {"7.png": "red thing"})
    with pytest.raises(PromptError, match="nothing to ask"):
        planned()
    kept.corrections.undo()
    assert planned().images == 1


def test_an_asking_that_finds_no_other_image_is_over(
    run: Run, judge: Callable[..., JudgeAsking]
) -> None:
    stopped_after(judge, 2, 6)
    judge(6, go_on=record(run).open_one(), choose=lambda *_: [])
    assert record(run).open_one() is None


def test_threads_that_share_a_record_count_everything_once(run: Run) -> None:
    shared, writer, over = record(run), record(run), threading.Event()
    faults: list[BaseException] = []

    def poll() -> None:
        while not over.is_set():
            try:
                shared.askings()
                assert shared.last is None
            except BaseException as error:
                faults.append(error)

    threads = [threading.Thread(target=poll) for _ in range(4)]
    for thread in threads:
        thread.start()
    path, names = writer.path, [f"asking {n}" for n in range(150)]
    for name in names:
        append_json(path, {"asking": name, "budget": 1, "model": "m", "host": "h"})
        append_json(path, {"asking": name, "action": "", "over": True, "requests": 40})
    over.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert [(one.id, one.requests) for one in shared.askings()] == [(name, 40) for name in names]


def test_junk_in_the_file_is_passed_over(run: Run, judge: Callable[..., JudgeAsking]):
    judge(2)
    with (run.path / JUDGED_FILE).open("a") as file:
        file.write('{"asking": 7}\n{"asking": "x", "image": "0.png"}\nnot json\n')
        file.write('{"asking": "y", "budget": "many", "model": 3}\n{"asking": "y", "image": 3}\n')
        file.write('{"asking": "y", "image": "0.png", "shortlist": [1], "said": ["red"]}\n')
    said = record(run).of("0.png")
    assert said is not None
    assert said.judgement.label == "red thing"
