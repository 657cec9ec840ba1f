"""What a vision-language model answers to the questions of the judge, by the colour it is shown.

`python tests/ask/vision_server.py 8082` serves whoever wants to try the page without a model: it
answers every question about a picture with the name that has the picture's colour in it, or else
with the first name of the list.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.prompts.chat_server import ChatServer, Reply, well

COLOURS = {
    "red": (210, 30, 30), "blue": (30, 60, 200), "green": (30, 150, 50), "yellow": (240, 220, 40),
    "white": (250, 250, 250), "black": (10, 10, 10),
}  # fmt: skip


def sent(request: dict[str, Any]) -> bytes:
    """The JPEG file in a request."""
    url = request["messages"][-1]["content"][1]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    return b64decode(url.split(",", 1)[1])


def colour(request: dict[str, Any]) -> str:
    """The name of the colour that the picture of a request has for the most part."""
    image = Image.open(BytesIO(sent(request))).convert("RGB").resize((1, 1))
    seen = image.getpixel((0, 0))

    def far(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(COLOURS[name], seen, strict=True))

    return min(COLOURS, key=far)


def names(request: dict[str, Any]) -> dict[str, str]:
    """The names by letter."""
    return dict(json.loads(request["messages"][-1]["content"][0]["text"])["names"])


def about(request: dict[str, Any]) -> str:
    """The description that came with a question."""
    data = json.loads(request["messages"][-1]["content"][0]["text"])
    return str(data.get("description_of_the_set", ""))


def is_test_picture(request: dict[str, Any]) -> bool:
    """Whether a question shows one of the studio's own test pictures."""
    return "red" in names(request).values() and "blue" in names(request).values()


def letter(request: dict[str, Any], name: str) -> Reply:
    """The answer that means this name; what stands for none of these when it is not there."""
    by_name = {n: key for key, n in names(request).items()}
    return Reply(json.dumps({"answer": by_name.get(name, by_name["none of these"])}))


def sees(request: dict[str, Any]) -> Reply:
    """A right answer: the name that has the colour in it, else none of these."""
    if isinstance(request["messages"][-1]["content"], str):
        return well(request)
    seen = colour(request)
    fits = [name for name in names(request).values() if seen in name.split()]
    return letter(request, fits[0] if fits else "none of these")


def first(request: dict[str, Any]) -> Reply:
    """The answer of a model without eyes that takes the first place."""
    return Reply(json.dumps({"answer": "A"}))


if __name__ == "__main__":
    made = ChatServer(int(sys.argv[1]) if len(sys.argv) > 1 else 8082, key=None)
    made.then = sees
    print(made.url, flush=True)
    made.serve()
