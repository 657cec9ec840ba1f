"""docs/glossary.md as the page shows it, so that a word has one explanation and not two."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from studio.numbers import slug
from studio.places import DOCS
from studio.views.render import render

GLOSSARY = DOCS / "glossary.md"


def words_html(file: Path = GLOSSARY) -> Markup:
    """The glossary as a dialog: each word in bold type can be reached by `parts.word`.

    Empty where the file is missing, as in a checkout without its documents.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return Markup("")
    markdown = MarkdownIt("commonmark", {"html": False})
    tokens = markdown.parse(text)
    for token in tokens:
        # Links lead to other documents, which the page has not.
        token.children = [t for t in token.children or [] if not t.type.startswith("link_")]
    _mark_words(tokens)
    title = next((i for i, token in enumerate(tokens) if token.type == "heading_close"), -1)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = "h3"  # below the dialog's own
    body = markdown.renderer.render(tokens[title + 1 :], markdown.options, {})
    return render("page/words.html", words=Markup(body))


def _mark_words(tokens: list[Token]) -> None:
    """Give the first mention of each word in bold type an address."""
    taken: set[str] = set()
    for token in tokens:
        inside = token.children or []
        for opened, text in pairwise(inside):
            if opened.type == "strong_open" and (name := slug(text.content)) not in taken:
                taken.add(name)
                opened.attrSet("id", f"word-{name}")
