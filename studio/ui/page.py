"""The whole page: header, six tabs, and one timer that asks how things stand."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path

# Before gradio is imported: it reads these once. Nothing is reported to anyone.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import gradio as gr

from studio.cache_folder import tidy
from studio.clip.presets import presets
from studio.imports import import_torch
from studio.places import check_port
from studio.room import unwritable
from studio.runs.store import RunStore
from studio.runs.worker import get_worker, shutdown, stop_on_sigterm
from studio.session.session import Options, Session
from studio.ui.compare import CompareTab
from studio.ui.data import DataTab
from studio.ui.explore.tab import ExploreTab
from studio.ui.export import ExportTab
from studio.ui.header import Header
from studio.ui.parts import file_url, plotly_file
from studio.ui.polling import Polling
from studio.ui.prompts.tab import PromptsTab
from studio.ui.theme import CSS, ICON, theme
from studio.ui.train.tab import TrainTab
from studio.views.render import part

POLL_SECONDS = 1.5
_QUEUE_SECONDS = 0.02
"""Between two looks of gradio's queue for events of pages. Its own millisecond wakes the
interpreter a thousand times a second: 8 % of a processor core, even when no page is open.
"""

SHARED = (
    "Everyone who opens this Space sees the same images and runs. Duplicate it to get your own."
)

WORDS = {"common.complete": "Done", "common.error": "That did not work"}
"""What gradio says to screen readers when an event has ended: it has no text for these itself."""


def make_studio(options: Options) -> Session:
    """The studio behind the page; called in the main thread, so that SIGTERM stops its worker."""
    worker = get_worker(runs_dir=options.runs_dir, cache_dir=options.cache_dir)
    return Session(options=options, worker=worker, address=file_url)


def build(session: Session, *, models: list[str]) -> gr.Blocks:
    """The page; nothing is served yet."""
    options = session.options
    gr.set_static_paths(
        [plotly_file(), options.cache_dir / "thumbs", options.cache_dir / "exports"]
    )
    header = Header(session)
    data, prompts, train = DataTab(session), PromptsTab(session), TrainTab(session)
    explore, compare, export = ExploreTab(session), CompareTab(session), ExportTab(session)
    with gr.Blocks(title="CoFT Studio", analytics_enabled=False, fill_width=True) as page:
        header.build()
        if options.public:
            gr.HTML(part("notice", SHARED))
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
            with gr.Tab("Export", id="export") as export_tab:
                export.build()
        polling = Polling()
        header.wire(polling, tabs, train.status, explore, export)
        data.wire(polling, tabs)
        prompts.wire(polling)
        train.wire(polling, tabs, data.start)
        polling.wire(page, timer)
        explore.wire(explore_tab, tabs, train.explore, train.chosen)
        compare.wire(compare_tab)
        export.wire(export_tab)
    return page


def serve(options: Options, *, host: str, port: int, browser: bool = False) -> None:
    """Serve the page until the process is asked to end. browser: whether to open it in one."""
    check_port(host, port)
    look_at_folders(options)
    session = make_studio(options)
    page = build(session, models=presets())
    queue(page)
    threading.Thread(target=warm, args=(session,), name="warm-up", daemon=True).start()
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        inbrowser=browser,
        theme=theme(),
        css_paths=[CSS],
        favicon_path=ICON,
        footer_links=[],
        run_history=False,
        i18n=gr.I18n(en=WORDS),
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        show_error=False,
        max_file_size="512mb",
        allowed_paths=[],
        quiet=True,
        pwa=False,
        prevent_thread_lock=True,
    )
    print(f"CoFT Studio is ready: http://{host}:{port}", flush=True)
    stop_on_sigterm()
    try:
        page.block_thread()
    finally:
        shutdown()  # a run at work keeps what it has learned


def look_at_folders(options: Options) -> None:
    """Say in the terminal what cannot be done because folders cannot be written.

    Raises:
        RunError: the runs cannot even be read.
    """
    RunStore(options.runs_dir).check_readable()
    temporary = options.cache_dir / "gradio"  # for uploads
    for folder, without in (
        (options.runs_dir, "no run can be started"),
        (temporary, "nothing is kept from one start to the next"),
    ):
        if problem := unwritable(folder):
            print(f"note: {problem}. Until then {without}.", file=sys.stderr, flush=True)
            if folder == temporary:
                temporary = Path(tempfile.gettempdir()) / "coft-studio"
    os.environ.setdefault("GRADIO_TEMP_DIR", str(temporary))


def queue(page: gr.Blocks) -> None:
    """Let events wait for each other, and look for them calmly."""
    page.queue(max_size=64)._queue.sleep_when_free = _QUEUE_SECONDS


def warm(session: Session) -> None:
    """Take up the last data set and import what is heavy, while the page is already there."""
    session.store.tidy()
    tidy(session.options.cache_dir)
    session.data.restore()
    session.measure_cache()
    import_torch()


__all__ = ["Options", "build", "make_studio", "serve"]
