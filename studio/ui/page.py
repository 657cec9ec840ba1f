"""The whole page: header, seven tabs, and one timer that asks how things stand."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

# Before gradio is imported: it reads these once. Nothing is reported to anyone.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from studio.places import check_port, direct

with direct():
    import gradio as gr
from starlette.middleware import Middleware

from studio.cache_folder import tidy
from studio.clip.presets import presets
from studio.images.uploads import MAX_BYTES, TAKEN
from studio.imports import import_torch
from studio.room import CACHE, RUNS, unwritable
from studio.runs.store import RunStore
from studio.runs.worker import get_worker, shutdown, stop_on_sigterm
from studio.session.limits import ON_LENT_GPU, Limits
from studio.session.options import Options
from studio.session.rooms import Rooms, Whose
from studio.session.session import Session
from studio.ui.compare import CompareTab
from studio.ui.data.tab import DataTab
from studio.ui.door.crowd import next_event
from studio.ui.door.door import Door, Rules, sweep
from studio.ui.door.hosts import Hosts
from studio.ui.door.visitors import Visitors
from studio.ui.explore.tab import ExploreTab
from studio.ui.export import ExportTab
from studio.ui.handlers import keep_rule
from studio.ui.header import Header
from studio.ui.parts import file_url, plotly_file
from studio.ui.polling import Polling
from studio.ui.predict import PredictTab
from studio.ui.prompts.tab import PromptsTab
from studio.ui.states import keep_little
from studio.ui.tables import TABLES
from studio.ui.theme import CSS, ICON, theme
from studio.ui.tools.offered import NAMES, check_tools, offer, speak_json
from studio.ui.train.tab import TrainTab
from studio.views.render import render

POLL_SECONDS = 1.5
_QUEUE_SECONDS = 0.02
"""Between two looks of gradio's queue for events of pages. Its own millisecond wakes the
interpreter a thousand times a second: 8 % of a processor core, even when no page is open.
"""

SWEEP = (3600, 86_400)
"""Seconds between two looks for uploads that nobody has taken, and how old these are."""

READ = (*TAKEN, *TABLES)
"""Endings of the files that some field of the page reads."""

WORDS = {"common.complete": "Done", "common.error": "That did not work"}
"""What gradio says to screen readers when an event has ended: it has no text for these itself."""


def make_studio(options: Options) -> Session | Rooms:
    """The studio behind the page; called in the main thread, so that SIGTERM stops its worker."""
    address = partial(file_url, root=options.root)
    if options.public:
        return Rooms(options, address=address)
    worker = get_worker(runs_dir=options.runs_dir, cache_dir=options.cache_dir)
    return Session(options=options, worker=worker, address=address)


def build(session: Whose, *, models: list[str]) -> gr.Blocks:
    """The page; nothing is served yet."""
    options = session.here().options
    gr.set_static_paths([plotly_file(), *served_folders(options)])
    header = Header(session)
    data, prompts, train = DataTab(session), PromptsTab(session), TrainTab(session)
    explore, compare, export = ExploreTab(session), CompareTab(session), ExportTab(session)
    predict = PredictTab(session)
    with gr.Blocks(
        title="CoFT Studio", analytics_enabled=False, fill_width=True, delete_cache=SWEEP
    ) as page:
        if options.tools:  # first, so that no event of the page has the name of one
            offer(session)
        polling = Polling()
        header.build()
        if options.limits is not None:
            gr.HTML(render("page/limits.html", sentences=options.limits.sentences()))
        timer = gr.Timer(POLL_SECONDS)
        with gr.Tabs(selected="data", elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab("Data", id="data"):
                data.build(models)
            with gr.Tab("Prompts", id="prompts"):
                prompts.build()
            with gr.Tab("Train", id="train"):
                train.build(models, data.names)
            with gr.Tab("Explore", id="explore") as explore_tab:
                explore.build()
            with gr.Tab("Compare", id="compare") as compare_tab:
                compare.build()
            with gr.Tab("Predict", id="predict") as predict_tab:
                predict.build()
            with gr.Tab("Export", id="export") as export_tab:
                export.build()
        header.wire(polling, tabs, train.status, explore, export)
        data.wire(polling, tabs)
        prompts.wire(polling)
        train.wire(polling, tabs, data.start)
        explore.watch(polling)
        polling.wire(page, timer)
        explore.wire(explore_tab, tabs, train.explore, train.chosen)
        compare.wire(compare_tab)
        predict.wire(predict_tab)
        export.wire(export_tab)
    polling.lighten(page)
    keep_rule(page, session)
    return page


def serve(
    options: Options,
    *,
    host: str,
    port: int,
    names: Sequence[str] = (),
    browser: bool = False,
    until: Callable[[str], bool] | None = None,
) -> None:
    """Serve the page until the process is asked to end, or `until`, told its address, says so.

    names: what it is called besides `host`, see `Hosts`; browser: whether to open it in one.
    """
    check_port(host.strip("[]"), port)
    if options.tools:
        check_tools(options)
    look_at_folders(options)
    uploads = Path(os.environ["GRADIO_TEMP_DIR"])
    if uploads.is_relative_to(options.cache_dir):  # else it is not the studio's own
        age = SWEEP[0] if options.limits is not None else SWEEP[1]
        threading.Thread(
            target=keep_swept, args=(uploads, age), name="sweep uploads", daemon=True
        ).start()
    session = make_studio(options)
    page = build(session, models=presets())
    queue(page)
    host = f"[{host}]" if ":" in host.strip("[]") and not host.startswith("[") else host
    with direct(host):
        page.launch(
            server_name=host,
            server_port=port,
            root_path=options.root,
            app_kwargs={"middleware": [door(session, page, uploads, Hosts.of(host, names))]},
            share=False,
            inbrowser=browser,
            theme=theme(),
            css_paths=[CSS],
            favicon_path=ICON,
            footer_links=[],
            run_history=False,
            i18n=gr.I18n(en=WORDS),
            ssr_mode=False,
            mcp_server=options.tools,
            enable_monitoring=False,
            show_error=False,
            max_file_size="512mb",
            allowed_paths=[],
            quiet=True,
            pwa=False,
            prevent_thread_lock=True,
            # Else gradio ends the start with an error about shared links when its own page takes
            # more than 3 seconds to answer, as it may on a busy machine (seen at a load of 11 on
            # two cores). It has asked itself before, without a limit.
            _frontend=False,
        )
    keep_little(page)
    if options.tools:
        speak_json(page)
    threading.Thread(target=warm, args=(session,), name="warm-up", daemon=True).start()
    print(f"CoFT Studio is ready: http://{host}:{port}", flush=True)
    stop_on_sigterm(ctrl_c=True)
    try:
        if until is None or not until(f"http://{host}:{port}{options.root}/"):
            page.block_thread()
    finally:
        shutdown()  # a run at work keeps what it has learned


def keep_swept(uploads: Path, age: float) -> None:
    """Delete uploads that nobody has taken, for ever. age: seconds that they may have."""
    while True:
        sweep(uploads, older_than=time.time() - age)
        time.sleep(SWEEP[0])


def door(session: Session | Rooms, page: gr.Blocks, uploads: Path, hosts: Hosts) -> Middleware:
    """What every request passes, see `studio.ui.door`."""
    options = session.options
    rules = Rules(
        hosts=hosts,
        files=lambda token: [plotly_file(), *session.served(token)],
        uploads=uploads,
        most_upload=MAX_BYTES if options.limits is None else options.limits.megabytes << 20,
        endings=READ,
        visitors=Visitors() if session.shared else None,
        root=options.root,
        tools=frozenset(NAMES if options.tools else ()),
        events=1 + max(page.fns, default=0),
    )
    waiting = page._queue.pending_event_ids_session
    return Middleware(Door, rules=rules, queued=lambda of: len(waiting.get(of, ())))


def served_folders(options: Options) -> list[Path]:
    """The folders that gradio may serve from; the door tells whom it serves what."""
    if options.limits is not None:
        return [options.cache_dir.parent]  # of all rooms
    return [options.cache_dir / "thumbs", options.cache_dir / "exports"]


def look_at_folders(options: Options) -> None:
    """Say in the terminal what cannot be done because folders cannot be written.

    Raises:
        RunError: the runs cannot even be read.
    """
    RunStore(options.runs_dir).check_readable()
    temporary = options.cache_dir / "gradio"  # for uploads
    for folder, what, without in (
        (options.runs_dir, RUNS, "no run can be started"),
        (temporary, CACHE, "nothing is kept from one start to the next"),
    ):
        if problem := unwritable(folder, what=what):
            print(f"note: {problem}. Until then {without}.", file=sys.stderr, flush=True)
            if folder == temporary:
                temporary = Path(tempfile.gettempdir()) / "coft-studio"
    os.environ.setdefault("GRADIO_TEMP_DIR", str(temporary))


def queue(page: gr.Blocks) -> None:
    """Let events wait for each other, but not for those of other pages; look for them calmly."""
    # Not "auto": each event that begins would then tell every other one how many are before it.
    page.queue(max_size=1000, default_concurrency_limit=8, status_update_rate=10)
    page._queue.sleep_when_free = _QUEUE_SECONDS
    page._queue.get_events = partial(next_event, page._queue)  # type: ignore[method-assign]


def warm(session: Session | Rooms) -> None:
    """Take up the last data set and import what is heavy, while the page is already there."""
    if isinstance(session, Rooms):
        session.sweep()
    else:
        session.store.tidy()
        tidy(session.options.cache_dir)
        session.data.restore()
        session.measure_cache()
    import_torch()


__all__ = ["ON_LENT_GPU", "Limits", "Options", "build", "make_studio", "serve"]
