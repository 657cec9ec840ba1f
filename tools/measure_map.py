"""What the map costs: time to draw and to select, memory of the page, time until UMAP is ready.

    python tools/measure_map.py page [--points 100000] [--chromium /usr/bin/chromium]
    python tools/measure_map.py umap FEATURES [--points 10000]

`page` serves a studio with a made-up run of that many images and drives Chromium (software
rendering, so an upper bound): opening the map, a lasso around about 30 % of the points until the
gallery beside it is filled, the page's memory. `umap` takes real features, a folder of .safetensors
as the studio's cache keeps them (`CACHE/features/MODEL`), and times the process that the page
starts, its imports and compiling included. CPU seconds are printed as well: unlike the time on the
clock, they do not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import socket
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

FILLED = """(number) => new Promise((done) => {
  const text = document.querySelector("#selection-head").innerText;
  window.__began = 0;
  const began = () => { window.__began = performance.now(); };
  window.addEventListener("mouseup", began, { capture: true, once: true });
  const look = () => {
    const head = document.querySelector("#selection-head").innerText;
    const cards = document.querySelectorAll("#gallery-selection .card").length;
    const images = [...document.querySelectorAll("#gallery-selection .card img")];
    const loaded = images.every((image) => image.complete);
    if (window.__began && head !== text && /Selected/.test(head) && cards && loaded) {
      window.__filled = performance.now() - window.__began;
    } else requestAnimationFrame(look);
  };
  look(); done();
})"""

RECOLOUR = """() => {
  const choice = document.querySelector("#map .map-colour"), began = performance.now();
  choice.value = "confidence";
  choice.dispatchEvent(new Event("change"));
  return performance.now() - began;
}"""


def features_of(number: int, width: int = 512, classes: int = 40) -> Any:
    """(number, width) unit vectors in clusters, and the cluster of each."""
    noise = np.random.default_rng(0)
    group = noise.integers(0, classes, number)
    centres = noise.normal(size=(classes, width)).astype("f4")
    units = centres[group] + 1.2 * noise.standard_normal((number, width), dtype="f4")
    return units / np.linalg.norm(units, axis=1, keepdims=True), group


def made_up_run(session: Any, number: int) -> str:
    """A finished run of images that exist only here; its id."""
    import torch
    from PIL import Image

    from studio.files import write_json
    from studio.images.folder import Folder, ImageFile
    from studio.session import similar

    units, group = features_of(number)
    noise = np.random.default_rng(1)
    names = tuple(f"class {c}" for c in range(40))
    run = session.store.create(
        name="made up", method="coft", model="embedded", folder="/made/up", class_names=names
    )
    paths = [f"{i // 1000}/{i}.jpg" for i in range(number)]
    write_json(run.path / "images.json", {"root": "/made/up", "images": paths, "refused": []})
    labels = torch.from_numpy(group)
    other = torch.where(torch.from_numpy(noise.random(number) < 0.1), (labels + 1) % 40, labels)
    clean = torch.from_numpy(noise.beta(4, 2, number).astype("f4"))
    two = {"labels": torch.stack([labels, other]), "clean_probability": clean.expand(2, -1)}
    events = {
        "zero_shot": {"labels": other, "confidence": clean.sqrt()},
        "judged": {**two, "clean": two["clean_probability"] > 0.5,
                   "confidence": clean.expand(2, -1),
                   "own_clean_probability": clean.expand(2, -1)},
        "finished": {"labels": labels, "confidence": clean, "clean_probability": clean,
                     "clean": clean > 0.5, "model_labels": two["labels"],
                     "model_clean_probability": clean.expand(2, -1), "top_labels": labels[:, None],
                     "top_probabilities": clean[:, None]},
    }  # fmt: skip
    for kind, tensors in events.items():
        run.append({"kind": kind, "arrays": run.write_arrays(kind, tensors), "stage": "phase2"})
    run.set_status(state="finished")

    class Pictures:
        size = 224

        def image(self, index: int) -> Image.Image:
            return Image.new("RGB", (224, 224), (index % 256, index // 256 % 256, 120))

    folder = Folder(Path("/made/up"), tuple(ImageFile(p, 1, 1) for p in paths), ())
    session._folders["/made/up"] = folder, Pictures()
    similar._vectors = lambda *_: similar.Vectors(np.arange(number), units)
    return str(run.id)


def measure_page(number: int, chromium: str) -> None:
    """Print what opening the map and selecting on it takes."""
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False")
    from playwright.sync_api import sync_playwright

    from studio.imports import import_torch
    from studio.session.layouts import Layouts
    from studio.ui.explore import map as map_panel
    from studio.ui.page import Options, build, make_studio
    from studio.ui.theme import CSS, theme

    folder = Path(tempfile.mkdtemp(prefix="measure-map-"))
    # A ready layout at once: how long UMAP takes is the other measurement.
    code = "import sys, numpy as np; f, l = sys.argv[1:]; u = np.load(f); np.save(l, (u @ "
    code += "np.random.default_rng(0).normal(size=(u.shape[1], 2))).clip(-2, 2).astype('f4') / 2)"
    map_panel.Layouts = partial(Layouts, command=(sys.executable, "-c", code))
    session = make_studio(Options(runs_dir=folder / "runs", cache_dir=folder / "cache"))
    made_up_run(session, number)
    import_torch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    build(session, models=["embedded"]).queue().launch(
        server_port=port, theme=theme(), css_paths=[CSS], prevent_thread_lock=True, quiet=True,
        run_history=False, ssr_mode=False,
    )  # fmt: skip
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"]
    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=chromium, args=flags)
        for attempt in ("first", "second"):
            page = browser.new_page(viewport={"width": 1400, "height": 1300})
            page.set_default_timeout(120_000)
            page.goto(f"http://127.0.0.1:{port}/")
            page.wait_for_selector("#tabs")
            page.wait_for_timeout(3000)
            began, cpu = time.perf_counter(), spent(browser)
            page.get_by_role("tab", name="Explore", exact=True).click()
            page.wait_for_selector("#map[data-drawn], #map [data-drawn]", state="attached")
            seconds = time.perf_counter() - began
            print(
                f"{attempt} opening: {seconds:.2f} s until drawn; {since(browser, cpu)}", flush=True
            )
            page.wait_for_timeout(4000)
            if attempt == "first":
                page.close()
        print(page.inner_text("#map .map-note"))
        print(f"redrawing in other colours: {page.evaluate(RECOLOUR) / 1000:.2f} s", flush=True)
        for _ in range(3):
            lasso(browser, page)
        memory(browser, page)
        browser.close()
    os._exit(0)


def spent(browser: Any) -> dict[str, float]:
    """CPU seconds so far, by kind of process."""
    told = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    found = {"server": time.process_time()}
    for process in told:
        found[process["type"]] = found.get(process["type"], 0.0) + process["cpuTime"]
    return found


def since(browser: Any, before: dict[str, float]) -> str:
    """CPU seconds since then, in words."""
    now = spent(browser)
    each = {kind: now[kind] - before.get(kind, 0.0) for kind in ("server", "renderer", "GPU")}
    return "CPU: " + ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in each.items())


def lasso(browser: Any, page: Any, radius: float = 0.2) -> None:
    """Draw around the middle of the map; print how long it takes until the gallery is filled."""
    plot = page.locator("#map .map-plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    a, b = radius * box["width"], radius * box["height"]
    page.evaluate(FILLED, 0)
    page.mouse.move(x + a, y)
    page.mouse.down()
    for step in range(1, 41):
        turn = 2 * math.pi * step / 40
        page.mouse.move(x + a * math.cos(turn), y + b * math.sin(turn))
    cpu = spent(browser)
    page.mouse.up()
    page.wait_for_function("() => window.__filled")
    filled = page.evaluate("() => { const t = window.__filled; window.__filled = 0; return t; }")
    head = page.inner_text("#selection-head").replace("\n", " ")
    print(f"lasso: {filled / 1000:.2f} s until the gallery was filled; {since(browser, cpu)}")
    print(f"  {head}", flush=True)
    page.wait_for_timeout(2000)
    page.locator("#selection-clear").click()
    page.wait_for_timeout(2000)


def memory(browser: Any, page: Any) -> None:
    """Print the script's heap, and the memory of the process that draws the page."""
    page.wait_for_timeout(2000)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = page.evaluate("() => performance.memory.usedJSHeapSize")
    root = browser.new_browser_cdp_session()
    told = root.send("SystemInfo.getProcessInfo")["processInfo"]
    for kind in ("renderer", "GPU"):
        sizes = [_pss(p["id"]) for p in told if p["type"] == kind]
        print(f"{kind} process: {max(sizes, default=0) / 1e6:.0f} MB")
    print(f"script heap: {heap / 1e6:.0f} MB")


def _pss(pid: int) -> int:
    """Bytes of a process, of shared ones its part; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def measure_umap(source: Path, number: int) -> None:
    """Print how long a fresh process takes until the layout is there."""
    from safetensors.numpy import load_file

    from studio.scores.neighbours import unit
    from studio.session.layouts import Layouts

    found = [load_file(file)["features"] for file in sorted(source.rglob("*.safetensors"))]
    features = np.concatenate(found)[:number]
    units = unit(features.astype("f4"))
    print(f"{units.shape[0]} images, {units.shape[1]} numbers each")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        layout = Layouts(Path(folder)).get(units)
        print(f"PCA: {time.perf_counter() - began:.2f} s")
        said = ""
        while layout.state == "running":
            if layout.text != said:
                said = layout.text
                print(f"{time.perf_counter() - began:6.1f} s  {said}", flush=True)
            time.sleep(0.05)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime
        print(f"UMAP {layout.state}: {time.perf_counter() - began:.1f} s, {cpu:.1f} s CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    page = commands.add_parser("page")
    page.add_argument("--points", type=int, default=100_000)
    page.add_argument("--chromium", default="/usr/bin/chromium")
    umap = commands.add_parser("umap")
    umap.add_argument("features", type=Path)
    umap.add_argument("--points", type=int, default=10_000)
    options = parser.parse_args()
    if options.what == "page":
        measure_page(options.points, options.chromium)
    else:
        measure_umap(options.features, options.points)


if __name__ == "__main__":
    main()
