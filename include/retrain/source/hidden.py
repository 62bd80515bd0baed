"""Rows that row-level security keeps from a role."""

from typing import Any

from psycopg2 import sql

_HIDES = """
WITH mine AS (
    SELECT polpermissive, pg_get_expr(polqual, polrelid) = 'true' AS shows_all FROM pg_policy
    WHERE polrelid = %(table)s::regclass AND polcmd IN ('*', 'r')
    AND (0 = ANY(polroles) OR EXISTS (SELECT FROM unnest(polroles) AS role WHERE pg_has_role(role, 'USAGE')))
)
SELECT row_security_active(%(table)s) AND (
    EXISTS (SELECT FROM mine WHERE NOT polpermissive) OR NOT EXISTS (SELECT FROM mine WHERE shows_all)
)
"""


def hides_rows(cursor: Any, table: sql.Composable) -> bool:
    """Return whether row-level security keeps some rows of a table from this role.

    A policy for each row (`USING (true)`) hides none, unless a restrictive one is beside it.
    """
    cursor.execute(_HIDES, {"table": table.as_string(cursor)})
    return bool(cursor.fetchone()[0])
