"""axe-core on a page that a test has brought into some state."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_RUN = """async (rules) => {
  const found = await axe.run(document, { resultTypes: ["violations"],
    ...(rules.length ? { runOnly: rules } : {}) });
  return found.violations.map((v) => {
    const nodes = v.nodes.slice(0, 6).map((n) => `    ${n.target.join(" ")}: ` +
      `${n.html.slice(0, 160)}\\n      ${(n.any[0] || n.all[0] || n.none[0] || {}).message || ""}`);
    return `${v.impact}: ${v.id} (${v.help}), ${v.nodes.length} times\\n${nodes.join("\\n")}`;
  });
}"""


def script() -> Path:
    """axe.min.js as it lies in the installed package."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec is not None, "python -m pip install -r tests/requirements.txt"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "axe.min.js"


def faults_of(page: Any, *, only: Sequence[str] = ()) -> list[str]:
    """What axe-core finds in what the page shows now, breaches of its best practices included.

    only: names of rules to look for; none: all of them.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.add_script_tag(content=script().read_text(encoding="utf-8"))
    return [str(fault) for fault in page.evaluate(_RUN, list(only))]


_SET_THEME = """async (dark) => {
  document.body.classList.toggle("dark", dark);
  for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
  const fading = document.getAnimations().filter(
    (animation) => animation.effect.getComputedTiming().endTime !== Infinity
  );
  await Promise.allSettled(fading.map((animation) => animation.finished));
}"""


def set_theme(page: Any, theme: str) -> None:
    """Turn the page light or dark, as gradio's own switch does it, until all colours have faded
    over, however slow the machine is; drawings follow.
    """
    page.evaluate(_SET_THEME, theme == "dark")


COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that a theme decides on."""


_OVERFLOWING = """() => [...document.querySelectorAll("button")]
  .filter((button) => button.checkVisibility() && !button.classList.contains("label-wrap"))
  .filter((button) => button.scrollWidth > button.clientWidth + 1)
  .map((button) => button.innerText.trim() || button.ariaLabel || button.id)"""


def overflowing(page: Any) -> list[str]:
    """Buttons whose words are wider than they are; of what folds, the turned arrow is."""
    return [str(name) for name in page.evaluate(_OVERFLOWING)]


def too_wide(page: Any) -> int:
    """By how many pixels the page has to be scrolled sideways; 0 when it fits."""
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return max(0, int(wide))
