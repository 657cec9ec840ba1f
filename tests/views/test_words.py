from __future__ import annotations

from pathlib import Path

from studio.views.words import GLOSSARY, words_html

TEXT = """# Words

- **Clean** and **noisy**: what [the peer](method.md) keeps. <b>No</b>.

## Signs

- **Clean**: again.
"""


def test_words_have_an_address_and_the_file_cannot_bring_html(tmp_path: Path) -> None:
    file = tmp_path / "glossary.md"
    file.write_text(TEXT, encoding="utf-8")
    html = words_html(file)
    assert html.count('id="word-clean"') == 1
    assert 'id="word-noisy"' in html
    assert "<b>" not in html
    assert "href" not in html
    assert "<h3>Signs</h3>" in html
    assert "<h1" not in html
    assert html.count("Words") == 1


def test_without_the_file_there_is_nothing(tmp_path: Path) -> None:
    assert words_html(tmp_path / "none.md") == ""


def test_every_word_that_the_templates_explain_is_in_the_glossary() -> None:
    import re

    from studio.numbers import slug

    if not GLOSSARY.is_file():
        return
    html = words_html()
    templates = (Path(__file__).resolve().parents[2] / "assets" / "templates").rglob("*.html")
    used = {w for t in templates for w in re.findall(r'parts\.word\("([^"]+)"', t.read_text())}
    assert used
    assert [word for word in used if f'id="word-{slug(word)}"' not in html] == []
