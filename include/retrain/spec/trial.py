"""Section `trial`: challengers that are held against Production on labels that come later."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from retrain.spec.fields import Duration, Section, some_time


class On(StrEnum):
    """Which challengers become trials."""

    UNDECIDED = "undecided"
    """Those that the holdout leaves undecided, and those that come when its tests are spent."""
    ALWAYS = "always"
    """Those that pass as well: none goes into Production by the holdout alone, but for the first version."""


class TrialSpec(Section):
    """Staging against Production, look by look, until it concludes by itself. Its level is the gate's alpha."""

    max_rows: int = Field(10_000, ge=200)
    """Later rows after which a trial ends."""
    max_wait: Annotated[Duration, AfterValidator(some_time)] = timedelta(days=90)
    """Time after which it ends, on whatever rows have come."""
    when: On = On.UNDECIDED
    """Which challengers become trials."""
