"""Mutation testing: small bugs are planted one at a time, and the quick tests should notice.

    python -m tools.mutation studio/coft studio/scores --each 8 --seed 0 --out mutants.jsonl

mutmut and cosmic-ray start an interpreter and import torch for each mutant. Here the tests are
collected once; each mutant is a fork, in which the code of one function is exchanged (or, for what
stands outside of functions, everything is imported again), and which runs the tests that call the
function, those of its own file first and then the quickest, until one fails. Goes on where it was
ended. docs/testing.md has the results.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from tools.mutants import mutants

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 120.0  # seconds for a mutant: an endless loop is noticed too
QUICK = ["-qsx", "-p", "no:cacheprovider", "-m", "not slow and not browser"]


def forked(work: Callable[[], int], limit: float) -> int | None:
    """Exit status of work() in a process of its own; None: it took too long."""
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os._exit(work())
    ends = time.monotonic() + limit
    while time.monotonic() < ends:
        if (done := os.waitpid(child, os.WNOHANG))[0]:
            return os.waitstatus_to_exitcode(done[1])
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def exchanged(path: str, line: int, tree: ast.Module) -> bool:
    """In a fork: give the function that begins there its new code; False where that cannot be."""
    whole = compile(tree, os.path.abspath(path), "exec")
    stack, new = [whole], None
    while stack:
        code = stack.pop()
        new = code if code.co_firstlineno == line and code.co_name != "<module>" else new
        stack += [c for c in code.co_consts if isinstance(c, CodeType) and code is not new]
    where = (whole.co_filename, line)
    functions = [f for f in gc.get_objects() if isinstance(f, FunctionType)]
    functions = [
        f for f in functions if (f.__code__.co_filename, f.__code__.co_firstlineno) == where
    ]
    if new is None or any(len(f.__code__.co_freevars) != len(new.co_freevars) for f in functions):
        return False
    for function in functions:
        function.__code__ = new
    return bool(functions)


class Mutation:
    """A pytest plugin: instead of running the tests once, run them for each mutant."""

    def __init__(self, options: argparse.Namespace, out: Path) -> None:
        self.options, self.out = options, out
        self.called: set[tuple[str, int]] = set()  # by the test that runs
        self.shared: dict[str, set[tuple[str, int]]] = {}  # file -> while fixtures were made
        self.able: dict[tuple[str, int], list[str]] = {}  # function -> tests that call it
        self.cost: dict[str, float] = {}

    def pytest_runtestloop(self, session: Any) -> bool:
        """When all tests are collected."""
        calls = Path("calls.json").resolve()
        forked(lambda: self._calls(session, calls), 7200)
        for test, self.cost[test], called in json.loads(calls.read_text(encoding="utf-8")):
            for where in called:
                self.able.setdefault(tuple(where), []).append(test)
        rows = self.out.read_text(encoding="utf-8").splitlines() if self.out.exists() else []
        done = {(row["file"], row["number"]) for row in map(json.loads, rows)}
        for path, number in chosen(self.options):
            if (path, number) not in done:
                self._plant(session, path, number)
        return True

    def _calls(self, session: Any, out: Path) -> int:
        """Run all tests; out: [test, seconds, functions of the studio that it calls] of each."""
        here, rows = f"{Path.cwd()}/", []

        def note(frame: FrameType, _event: str, _argument: object) -> None:
            code = frame.f_code
            if code.co_filename.startswith(here + "studio"):
                self.called.add((code.co_filename[len(here) :], code.co_firstlineno))

        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            self.called, began, failed = set(), time.process_time(), session.testsfailed
            threading.settrace(note)
            sys.settrace(note)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.settrace(None)
            session.shouldfail = False  # or everything would be torn down after each test
            if session.testsfailed == failed:  # one that fails anyway tells nothing
                rows.append((item.nodeid, time.process_time() - began, self.called))
        found = [(n, s, sorted(c | self.shared.get(n.split("::")[0], set()))) for n, s, c in rows]
        out.write_text(json.dumps(found), encoding="utf-8")
        return 0

    def pytest_runtest_call(self, item: Any) -> None:
        """What a fixture has called until now, all tests of the file may depend on."""
        self.shared.setdefault(item.nodeid.split("::")[0], set()).update(self.called)

    def _plant(self, session: Any, path: str, number: int) -> None:
        import pytest

        source = Path(path).read_text(encoding="utf-8")
        tree = ast.parse(source)
        what, at, line, inside, make = list(mutants(tree))[number]
        make()
        ast.fix_missing_locations(tree)
        own = f"tests/{Path(path).parent.name}/test_{Path(path).stem}"
        found = self.able.get((path, line), [] if line else list(self.cost))
        tests, spent = [], 0.0
        for test in sorted(found, key=lambda t: (not t.startswith(own), self.cost[t])):
            if spent < self.options.budget:
                tests.append(test)
                spent += self.cost[test]

        def work() -> int:
            if inside and exchanged(path, line, tree):
                items = [item for item in session.items if item.nodeid in tests]
                items.sort(key=lambda item: tests.index(item.nodeid))
                for item, following in zip(items, [*items[1:], None], strict=True):
                    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                    if session.testsfailed:
                        return 1
                return 0
            Path(path).write_text(ast.unparse(tree), encoding="utf-8")
            for name in [n for n in sys.modules if n.split(".")[0] in ("studio", "tests", "tools")]:
                del sys.modules[name]
            return int(pytest.main([*QUICK, *tests]))

        status = forked(work, LONGEST) if tests else 0
        Path(path).write_text(source, encoding="utf-8")
        row = {"file": path, "number": number, "line": at, "what": what, "tests": len(tests),
               "status": status, "survived": status == 0}  # fmt: skip
        with self.out.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")


def chosen(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Files and numbers of mutants, in an order in which any beginning is a fair sample."""
    found = []
    for given in map(Path, options.paths):
        for path in sorted([given] if given.suffix else given.rglob("*.py")):
            total = sum(1 for _ in mutants(ast.parse(path.read_text(encoding="utf-8"))))
            draw = random.Random(f"{options.seed} {path}")
            found += [(str(path), n) for n in draw.sample(range(total), min(options.each, total))]
    random.Random(options.seed).shuffle(found)
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="+", help="files or folders of studio/")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="folders of tests to run")
    parser.add_argument("--each", type=int, default=8, help="mutants per file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=15, help="seconds of tests per mutant")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out = options.out.resolve()
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True
    work = tempfile.mkdtemp()
    copy_all = f"git ls-files -z | tar --null -T - -cf - | tar -xf - -C {work}"
    subprocess.run(copy_all, shell=True, cwd=ROOT, check=True)
    os.chdir(work)
    sys.path.insert(0, work)
    import pytest

    pytest.main([*QUICK, *options.tests], plugins=[Mutation(options, out)])


if __name__ == "__main__":
    main()
