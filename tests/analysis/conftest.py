"""An outcome of a run, as arrays."""

from __future__ import annotations

import pytest

from tests.views.conftest import Make, make_outcome


@pytest.fixture
def outcome() -> Make:
    return make_outcome
