"""Tables of the source, as in its own tests."""

from tests.core.source.conftest import schema, session, way  # noqa: F401
