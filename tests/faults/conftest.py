"""What broke in other hands: one file for each part that it broke in. The fixtures are those of the parts."""

from tests.api.conftest import address, api, as_person, backend, experiment, name, run  # noqa: F401
