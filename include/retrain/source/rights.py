"""What the role that reads the users' tables may do: SELECT on the columns that a spec names, and nothing else."""

from collections.abc import Iterator, Sequence

from retrain.spec.source import SourceSpec
from retrain.text import sql_name

ROLE = "source_reader"


def columns_read(source: SourceSpec) -> list[str]:
    """Return the columns that are read, each once."""
    named = (source.key, source.label, source.label_time, source.group, *source.features, *source.also_read)
    return [name for name in dict.fromkeys(named) if name is not None]


def of_source(source: SourceSpec, role: str) -> Iterator[str]:
    """Yield the statements that let the role read the spec's table; none for a query, whose columns SQL alone knows."""
    if source.table is not None:
        yield from of_table(source.table, columns_read(source), role)


def of_table(name: str, columns: Sequence[str], role: str) -> Iterator[str]:
    """Yield the statements that let the role read these columns of a table."""
    schema, _, table = name.rpartition(".")
    if schema:
        yield f"GRANT USAGE ON SCHEMA {sql_name(schema)} TO {sql_name(role)}"
    place = f"{sql_name(schema)}.{sql_name(table)}" if schema else sql_name(table)
    yield f"GRANT SELECT ({', '.join(map(sql_name, columns))}) ON {place} TO {sql_name(role)}"
