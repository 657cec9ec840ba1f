"""What a run says of other images, in HTML."""

from __future__ import annotations

from studio.analysis.predicted import Answers
from studio.views.render import render


def answers(answers: Answers) -> str:
    """The images with their likeliest classes and the training images nearest to each."""
    return render("predict/answers.html", answers=answers)
