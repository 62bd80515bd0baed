"""Ten tables as people have them, for `retrain init`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection
from psycopg2.extras import execute_values

from stack.samples import cover_letters

CHANCE = "SELECT setseed(0.5); "
"""Each table holds the same values whenever it is made."""
SIGN = "(random() + random() + random() - 1.5)"
"""About as a normal distribution, its standard deviation 0.5."""


@dataclass(frozen=True)
class Table:
    name: str
    """As --table takes it."""
    label: str
    statement: str
    fill: Callable[[connection], None] | None = None
    rows: int = 0
    """Labelled."""

    def make(self, session: connection) -> None:
        with session.cursor() as cursor:
            cursor.execute(CHANCE + self.statement)
        if self.fill is not None:
            self.fill(session)
        session.commit()


def _letters(session: connection) -> None:
    frame = cover_letters.generate(1_500, seed=1, review_days=5, until=None)
    rows: Iterator[tuple[Any, ...]] = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    with session.cursor() as cursor:
        execute_values(cursor, "INSERT INTO letters VALUES %s", list(rows), page_size=1000)
        cursor.execute("UPDATE letters SET letter = NULL WHERE letter_id % 50 = 0")


TEXT = Table(
    "letters",
    "result",
    "CREATE TABLE letters (letter_id bigint PRIMARY KEY, letter text, written_at timestamptz, result text, "
    "reviewed_at timestamptz)",
    _letters,
    rows=1_500,
)
NUMBERS = Table(
    "public.houses",
    "price",
    """
    CREATE TABLE houses (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        area float8, rooms int, lat numeric(9, 5), price numeric(12, 2), sold_at timestamptz
    );
    INSERT INTO houses (area, rooms, lat, price, sold_at)
    SELECT area, rooms, 37 + random(), 1000 * area + 5000 * rooms + 9000 * random(),
        timestamptz '2026-01-01' + n * interval '2 h'
    FROM (
        SELECT n, 30 + 90 * random() AS area, (1 + 5 * random())::int AS rooms FROM generate_series(1, 2000) AS n
    ) AS drawn
    """,
    rows=2_000,
)
MIXED = Table(
    "sales.leads",
    "won",
    f"""
    CREATE SCHEMA sales;
    CREATE TABLE sales.people (id int PRIMARY KEY);
    INSERT INTO sales.people SELECT generate_series(0, 399);
    CREATE TABLE sales.leads (
        lead_id uuid PRIMARY KEY, owner_id int REFERENCES sales.people, note text, channel text, email text, visits int,
        score float8, member boolean, extra jsonb, created_at timestamptz DEFAULT now(), won boolean, reason_code text,
        closed_at timestamp
    );
    INSERT INTO sales.leads
    SELECT gen_random_uuid(), n % 400,
        CASE WHEN n % 40 > 0 THEN
            (ARRAY['please call me', 'no thanks never again', 'send the price list now', 'just looking around'])
                [1 + (2 * random() + (CASE WHEN won THEN 0 ELSE 1.3 END))::int % 4] || ' ' || md5(n::text)
        END,
        (ARRAY['web', 'phone', 'fair'])[1 + n % 3], 'a' || n || '@example.org', (random() * 20)::int,
        CASE WHEN won THEN 0.6 ELSE 0 END + {SIGN}, random() < 0.5, '{{}}',
        timestamptz '2025-01-01' + n * interval '3 h', won, CASE WHEN won THEN 'w' WHEN NOT won THEN 'l' END,
        CASE WHEN won IS NOT NULL THEN timestamp '2025-01-02' + n * interval '3 h' END
    FROM (
        SELECT n, CASE WHEN n <= 2800 THEN random() < 0.18 END AS won FROM generate_series(1, 3000) AS n
    ) AS drawn
    """,
    rows=2_800,
)
_QUESTIONS = [f"q{place}" for place in range(14)]
BOOLEANS = Table(
    "answers",
    "passed",
    f"""
    CREATE TABLE answers (
        id serial PRIMARY KEY, {", ".join(f"{name} boolean" for name in _QUESTIONS)},
        passed boolean NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
    );
    INSERT INTO answers ({", ".join(_QUESTIONS)}, passed, created_at)
    SELECT {", ".join(f"q[{place + 1}]" for place in range(14))},
        (SELECT count(*) FROM unnest(q) AS each WHERE each) + random() > 8.5, now() - n * interval '1 h'
    FROM (
        SELECT n, ARRAY(SELECT random() + 0 * n < 0.5 FROM generate_series(1, 14)) AS q
        FROM generate_series(1, 2000) AS n
    ) AS drawn
    """,
    rows=2_000,
)
NULLS = Table(
    "gaps",
    "outcome",
    """
    CREATE TABLE gaps (
        id int PRIMARY KEY, age int, income float8, city text, comment text, never text, outcome text
    );
    INSERT INTO gaps
    SELECT n, CASE WHEN random() < 0.7 THEN (good::int * 20 + 30 * random())::int END,
        CASE WHEN random() < 0.9 THEN random() END,
        CASE WHEN random() < 0.3 THEN (ARRAY['Seoul', 'Busan'])[1 + n % 2] END,
        CASE WHEN random() < 0.5 THEN CASE WHEN good THEN 'it was a fine day ' ELSE 'it was a bad night ' END || n END,
        NULL, CASE WHEN n % 10 = 0 THEN NULL WHEN n % 10 = 1 THEN ' ' WHEN good THEN 'good' ELSE 'bad' END
    FROM (SELECT n, random() < 0.5 AS good FROM generate_series(1, 2500) AS n) AS drawn
    """,
    rows=2_000,
)
KOREAN = Table(
    "고객",
    "해지 여부",
    """
    CREATE TABLE 고객 (
        "고객 번호" int PRIMARY KEY, 나이 int, "월 요금" float8, "select" float8, "Upper" float8, "a,b:c# 'd'" float8,
        지역 text, 의견 text, "해지 여부" text, 등록일시 timestamp NOT NULL DEFAULT now()
    );
    INSERT INTO 고객
    SELECT n, (20 + 40 * random())::int, 10 * random() + CASE WHEN leaves THEN 4 ELSE 0 END, random(), random(),
        random(), (ARRAY['서울', '부산', '대구'])[1 + n % 3],
        CASE WHEN leaves THEN '요금이 너무 비싸서 불만이 많습니다 ' ELSE '서비스가 편하고 만족합니다 ' END ||
            (ARRAY['정말로', '아마', '그냥'])[1 + (random() * 2)::int] || ' ' || n,
        CASE WHEN leaves <> (random() < 0.1) THEN '예' ELSE '아니오' END,
        timestamp '2026-03-01' + n * interval '20 min'
    FROM (SELECT n, random() < 0.3 AS leaves FROM generate_series(1, 2000) AS n) AS drawn
    """,
    rows=2_000,
)
FEW = Table(
    "few",
    "kind",
    """
    CREATE TABLE few (id int PRIMARY KEY, a float8, b float8, kind text);
    INSERT INTO few
    SELECT n, (n % 2) + random(), random(), CASE WHEN n % 2 = 1 THEN 'one' ELSE 'two' END
    FROM generate_series(1, 60) AS n
    """,
    rows=60,
)
CLASSES = Table(
    "many",
    "topic",
    """
    CREATE TABLE many (id int PRIMARY KEY, title text, x float8, topic text, updated_at timestamptz);
    INSERT INTO many
    SELECT n, 'about ' || md5((n % 40)::text) || ' and ' || md5(random()::text), random() + n % 40,
        'topic ' || CASE WHEN random() < 0.9 THEN n % 40 ELSE (random() * 39)::int END, now() - n * interval '5 min'
    FROM generate_series(1, 4000) AS n
    """,
    rows=4_000,
)
NO_TIME = Table(
    "plain",
    "grade",
    f"""
    CREATE TABLE plain (code text PRIMARY KEY, a float8, b float8, birthday date, grade int);
    INSERT INTO plain
    SELECT 'k' || n, grade + {SIGN}, {SIGN}, date '1990-01-01' + (n * 7 % 9000), grade
    FROM (SELECT n, 1 + n % 3 AS grade FROM generate_series(1, 1500) AS n) AS drawn
    """,
    rows=1_500,
)


def wide(columns: int, rows: int = 800) -> Table:
    names = [f"measured_value_{place}" for place in range(columns)]
    return Table(
        "wide",
        "state",
        "CREATE TABLE wide (id int PRIMARY KEY, state text, "
        + ", ".join(f"{name} real" for name in names)
        + "); INSERT INTO wide SELECT n, CASE WHEN bad THEN 'bad' ELSE 'good' END, "
        + ", ".join("random() + bad::int * 0.5" if place < 20 else "random()" for place in range(columns))
        + f" FROM (SELECT n, random() < 0.4 AS bad FROM generate_series(1, {rows}) AS n) AS drawn",
        rows=rows,
    )


TABLES = {
    "text": TEXT,
    "numbers": NUMBERS,
    "mixed": MIXED,
    "booleans": BOOLEANS,
    "NULLs": NULLS,
    "wide": wide(1_590),
    "Korean names": KOREAN,
    "few rows": FEW,
    "many classes": CLASSES,
    "no label time": NO_TIME,
}
