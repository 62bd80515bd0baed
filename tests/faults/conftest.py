"""What broke in other hands. Each file imports the fixtures of the parts that it is about."""

import tests.airflow.conftest  # noqa: F401 - sets the environment that Airflow reads when it is first imported
