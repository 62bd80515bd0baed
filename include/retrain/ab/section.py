"""The section `ab` of a spec that must have one."""

from retrain.errors import SplitTestError
from retrain.spec.ab import SplitTest
from retrain.spec.spec import Spec


def section_of(spec: Spec) -> SplitTest:
    """Return the section. Raises SplitTestError where the spec has none."""
    if spec.ab is None:
        raise SplitTestError(f"{spec.model}: the spec has no section `ab`; write one")
    return spec.ab
