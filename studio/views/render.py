"""HTML from templates, as views make it; see `studio.templates`."""

from studio.templates import part, render

__all__ = ["part", "render"]
