"""What broke in other hands: a file or more for each letter. What a file needs of one part alone, it imports itself."""

import tests.airflow.conftest  # noqa: F401 - sets the environment that Airflow reads when it is first imported
from tests.api.conftest import address, api, as_person, backend, experiment, name, run  # noqa: F401
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
from tests.core.source.conftest import letters, schema, session, way  # noqa: F401
