"""Each extra can be installed beside what a corner pins."""

from pathlib import Path

import pytest

from matrix import environments
from matrix.corners import Corner
from retrain.extras import EXTRAS
from tests.corners.conftest import each_corner

pytestmark = pytest.mark.nightly  # sixty resolutions; test_parse.py installs the wheel with most of them in two corners


@each_corner
@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_an_extra_resolves_under_the_pins_of_the_corner(extra: str, corner: Corner, environment: Path) -> None:
    done = environments.resolve(environment, corner.lock, extra)
    assert done.returncode == 0, done.stderr[-2000:]
