"""A session with a folder of small pictures and a tiny model: the same as the page's tests have."""

from tests.ui.conftest import loaded, run_id, session, shared, shared_images

__all__ = ["loaded", "run_id", "session", "shared", "shared_images"]
