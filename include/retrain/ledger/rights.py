"""What the roles of the ledger's database may do: the only place that knows it.

The owner makes the tables (`retrain migrate`), and owns nothing but their schema. The runtime role reads and adds rows,
and changes some columns: it deletes nothing, and what is history stays as it was written.
"""

import re
from collections.abc import Iterator

from retrain.text import sql_block, sql_name, sql_text

OWNER_ROLE, RUNTIME_ROLE = "retrain", "retrain_task"

_READ, _ADD = "SELECT", "SELECT, INSERT"
_RIGHTS = {
    "migrations": _READ,
    "claims": f"{_ADD}, UPDATE (made)",
    # A row is locked by whoever may change one of its columns.
    "models": f"{_ADD}, UPDATE (created_at)",
    "split_versions": f"{_ADD}, UPDATE (since)",
    "snapshots": f"{_ADD}, UPDATE (body, taken_at, dropped_at, erased_rows, erased_files)",
    "model_files": f"{_ADD}, UPDATE (version)",
    "dismissals": _ADD,
    "holdout_rounds": f"{_ADD}, UPDATE (tests_spent)",
    "verdicts": _ADD,
    "promotions": f"{_ADD}, UPDATE (applied_at, superseded_at)",
    "freezes": f"{_ADD}, UPDATE (ended_at)",
    "faults": f"{_ADD}, UPDATE (body, last_key, times, announced_times, ended_at)",
    "outbox": f"{_ADD}, UPDATE (delivered_at)",
    "cohorts": f"{_ADD}, UPDATE (body, at)",
    "live_looks": _ADD,
    "trials": f"{_ADD}, UPDATE (ended)",
    "trial_looks": f"{_ADD}, UPDATE (body)",
    "splits": f"{_ADD}, UPDATE (ended)",
    "split_steps": _ADD,
    "split_looks": _ADD,
    "split_plans": f"{_ADD}, UPDATE (body, at)",
    "exposures": _ADD,
    "live_models": f"{_ADD}, UPDATE (looked_at, expected)",
    "deliveries": f"{_ADD}, UPDATE (attempts, next_at, response, outcome, ended_at)",
}
"""What the runtime role may do with each table."""


def of_runtime(role: str, schema: str) -> Iterator[str]:
    """Yield the statements that give the runtime role its rights. Their owner runs them when the tables are there."""
    yield f"GRANT USAGE ON SCHEMA {sql_name(schema)} TO {sql_name(role)}"
    for table, rights in _RIGHTS.items():
        yield f"GRANT {rights} ON {sql_name(schema)}.{sql_name(table)} TO {sql_name(role)}"


def studies_in(schema: str) -> str:
    """Return the name of the schema in which Optuna keeps the studies, beside this one."""
    return f"{schema}_studies"


def of_schema(role: str, schema: str) -> Iterator[str]:
    """Yield the statements that let a role read and write whatever another schema holds now."""
    yield f"GRANT USAGE ON SCHEMA {sql_name(schema)} TO {sql_name(role)}"
    yield f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {sql_name(schema)} TO {sql_name(role)}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {sql_name(schema)} TO {sql_name(role)}"


def asked(schema: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield, for each right of the runtime role, its name and the query, with its values, whether a login has it."""
    for table, granted in _RIGHTS.items():
        place = f"{sql_name(schema)}.{sql_name(table)}"
        for right in re.findall(r"\w+(?: \([^)]*\))?", granted):
            verb, _, columns = right.partition(" ")
            if columns:
                for column in columns.strip("()").split(", "):
                    query = "SELECT has_column_privilege(%s, %s, %s) AS may"
                    yield f"{verb} {table}.{column}", query, (place, column, verb)
            else:
                yield f"{verb} {table}", "SELECT has_table_privilege(%s, %s) AS may", (place, verb)


def of_administrator(owner: str, runtime: str, schema: str) -> Iterator[str]:
    """Yield the statements that only an administrator may run, in the ledger's database: roles, and an empty schema."""
    for role in (owner, runtime):
        yield role_made(role)
    yield may_connect(owner, runtime)
    for name in (schema, studies_in(schema)):
        yield f"CREATE SCHEMA IF NOT EXISTS {sql_name(name)} AUTHORIZATION {sql_name(owner)}"


def role_made(role: str) -> str:
    """Return the statement that makes a role unless it is there. It has no password yet."""
    return sql_block(
        f"IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {sql_text(role)}) THEN "
        f"CREATE ROLE {sql_name(role)} LOGIN; END IF;"
    )


def may_connect(*roles: str) -> str:
    """Return the statement that lets roles connect to the database in which it is run."""
    names = ", ".join(map(sql_name, roles))
    return sql_block(f"EXECUTE format('GRANT CONNECT ON DATABASE %I TO %s', current_database(), {sql_text(names)});")
