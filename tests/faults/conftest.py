"""What broke in other hands: one file for each part that it broke in. The fixtures are those of the parts."""

from tests.core.conftest import (  # noqa: F401
    _drawn,
    _moulds,
    cast,
    here,
    no_report,
    one_fresh_process,
    one_picture,
    tracker,
    world,
)
