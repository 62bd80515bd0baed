"""Studies in a real PostgreSQL: who asks gets a trial, none is lost, and Optuna's tables are where they should be."""

import json
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from retrain.errors import LedgerError
from retrain.ledger.ledger import Ledger
from retrain.spec.search import Search
from retrain.tuning import storage as studies
from retrain.tuning.storage import storage
from retrain.tuning.study import DONE, FAILED, LAST, LOST, PRUNED, RUNNING, Study

SPACE = {"c": {"float": [0.01, 10.0], "log": True}}


def search(**fields):
    return Search.model_validate_json(json.dumps({"space": SPACE, "trials": 10, **fields}))


@pytest.fixture
def study(ledger):
    """Open a study of this search; by what it is asked for, in this turn."""
    opened = []

    def study(of=None, *, turn=0, metric="accuracy", name="model/candidate/1"):
        context = storage(ledger)
        opened.append(context)
        return Study(context.__enter__(), name, of or search(), metric, turn=turn)

    yield study
    for context in opened:
        context.__exit__(None, None, None)


def test_trials_are_told_and_the_best_comes_first(study):
    one = study()
    for value in (0.5, 0.9, None, 0.7):
        number, params = one.ask()
        assert 0.01 <= params["c"] <= 10
        one.tell(number, value)

    assert [each.value for each in one.best()] == [0.9, 0.7, 0.5]
    assert [each.state for each in one.tried()] == [DONE, DONE, FAILED, DONE]


def test_of_a_loss_the_smallest_comes_first(study):
    one = study(metric="log_loss")
    for value in (0.5, 0.9, 0.1):
        one.tell(one.ask()[0], value)

    assert [each.value for each in one.best()] == [0.1, 0.5, 0.9]


def test_two_that_ask_at_once_get_two_trials_with_other_parameters(ledger):
    def asks(turn):
        with storage(ledger) as opened:
            return Study(opened, "side by side", search(sampler="random"), "accuracy", turn=turn).ask()

    with storage(ledger) as opened:
        Study(opened, "side by side", search(), "accuracy")
    with ThreadPoolExecutor(4) as pool:
        asked = [*pool.map(asks, range(8))]

    assert sorted(number for number, _ in asked) == [*range(8)]
    assert len({params["c"] for _, params in asked}) == 8


def test_parameters_of_a_lost_trial_wait_for_whoever_asks_next(study):
    one = study()
    number, params = one.ask()

    one.lose(number)
    again, same = study(turn=5).ask()

    assert again != number
    assert same == params
    assert one.state(again) == RUNNING
    assert [(each.number, each.given) for each in one.tried()] == [(again, LOST)]
    one.lose(number)  # twice changes nothing
    assert study(turn=6).ask()[1] != params


def test_what_is_given_is_tried_first_and_once(study):
    one = study()
    for _ in range(2):
        one.begin({LAST: {"c": 3.0}})

    assert one.ask()[1] == {"c": 3.0}
    assert one.ask()[1] != {"c": 3.0}
    assert one.tried()[0].given == LAST


def test_each_point_of_a_grid_is_tried_once_and_then_it_is_over(study):
    of = search(space={"c": {"int": [1, 3]}}, sampler="grid")
    one = study(of)
    one.begin({})

    asked = []
    while one.ended() is None:
        number, params = one.ask()
        one.tell(number, 0.5)
        asked.append(params["c"])

    assert sorted(asked) == [1, 2, 3]
    assert one.ended() == "each point of the grid is tried"


@pytest.mark.parametrize("sampler", ["tpe", "random", "cma-es"])
def test_each_sampler_finds_what_is_good(study, sampler):
    of = search(sampler=sampler, space={"a": {"float": [0, 1]}, "b": {"float": [0, 1]}}, trials=40)
    for turn in range(40):
        one = study(of, turn=turn)
        number, params = one.ask()
        one.tell(number, -((params["a"] - 0.3) ** 2) - (params["b"] - 0.6) ** 2)
    assert -one.best()[0].value < 0.05


def test_it_ends_with_its_trials(study):
    one = study(search(trials=2))
    assert one.ended() is None
    one.ask()
    one.tell(one.ask()[0], 0.5)
    assert one.ended() == "all 2 trials are made"


def test_it_ends_after_trials_without_a_better_one(study):
    one = study(search(stop_after=2))
    for value in (0.5, 0.7, 0.6):
        one.tell(one.ask()[0], value)
    assert one.ended() is None
    one.tell(one.ask()[0], 0.7)
    assert one.ended() == "2 trials in a row were not better than the best"


def test_failures_alone_do_not_end_it(study):
    one = study(search(stop_after=1))
    for _ in range(3):
        one.tell(one.ask()[0], None)
    assert one.ended() is None


def test_it_ends_with_its_time(study, ledger):
    one = study(search(time="1h"))
    one.begin({})
    assert one.ended() is None
    with ledger.connection() as session, session.cursor() as cursor:
        cursor.execute("UPDATE retrain_studies.study_user_attributes SET value_json = '1000.0' WHERE key = 'begun'")
    assert study(search(time="1h")).ended() == "search.time is over"


def test_a_trial_that_is_worse_at_the_same_step_is_ended(study):
    pruner = {"metric": "validation_loss", "after_trials": 2, "after_steps": 0}
    one = study(search(pruner=pruner))
    for loss in (0.1, 0.2):
        number, _ = one.ask()
        assert not one.should_stop(number, [(0, loss + 0.1), (10, loss)])
        one.tell(number, 0.9)

    number, _ = one.ask()
    assert one.should_stop(number, [(0, 0.9)])
    one.tell(number, None, pruned=True)

    assert one.state(number) == PRUNED
    good, _ = one.ask()
    assert not one.should_stop(good, [(0, 0.15), (10, 0.05)])


def test_what_runs_when_no_task_is_left_has_failed(study):
    one = study()
    number, _ = one.ask()
    one.close()
    assert one.state(number) == FAILED


def test_it_says_what_a_parameter_explains(study):
    one = study(search(space={"c": {"float": [0, 1]}, "noise": {"float": [0, 1]}}, trials=30, sampler="random"))
    assert one.importances() == {}
    for turn in range(30):
        number, params = study(one.search, turn=turn).ask()
        one.tell(number, params["c"])

    shares = one.importances()
    assert shares["c"] > 0.9
    assert sum(shares.values()) == pytest.approx(1)


# ── where the tables are


def test_optuna_has_a_schema_of_its_own_beside_a_table_of_the_same_name(ledger, database):
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE public.alembic_version (version_num text)")
        cursor.execute("INSERT INTO public.alembic_version VALUES ('of somebody else')")
    with storage(ledger) as opened:
        Study(opened, "one", search(), "accuracy").ask()

    with database.connect() as session, session.cursor() as cursor:
        cursor.execute("SELECT version_num FROM public.alembic_version")
        assert cursor.fetchall() == [("of somebody else",)]
        cursor.execute("SELECT count(*) FROM retrain_studies.trials")
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        assert cursor.fetchall() == [("alembic_version",)]


def test_it_works_through_a_proxy_that_pools_transactions(ledger, pooled):
    del ledger  # its tables
    through = Ledger(lambda: psycopg2.connect(pooled))

    def makes(turn):
        with storage(through) as opened:
            one = Study(opened, "pooled", search(), "accuracy", turn=turn)
            number, _ = one.ask()
            one.tell(number, 0.5)
            return number

    makes(0)
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(makes, range(1, 9))) == [*range(1, 9)]


def test_without_its_tables_it_says_what_to_run(ledger, database):
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute("DROP SCHEMA retrain_studies CASCADE")
    with pytest.raises(LedgerError, match="run `retrain migrate` where the extra tune is installed"), storage(ledger):
        pass


def test_a_database_that_is_away_is_said_as_the_ledgers(ledger):
    del ledger
    away = Ledger(lambda: psycopg2.connect("host=/nowhere"))
    with pytest.raises(LedgerError, match="the studies: "), storage(away):
        pass


def test_migrating_twice_changes_nothing(database, ledger):
    del ledger
    owner = Ledger(database.connect)
    studies.migrate(owner)
    with storage(owner) as opened:
        Study(opened, "one", search(), "accuracy").ask()
    studies.migrate(owner)
    with storage(owner) as opened:
        assert len(Study(opened, "one", search(), "accuracy").tried()) == 1


def test_tables_of_another_version_are_refused_with_what_to_do(database, ledger):
    del ledger
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute("UPDATE retrain_studies.alembic_version SET version_num = 'v0.9.0.a'")
    with pytest.raises(LedgerError, match='DROP SCHEMA "retrain_studies" CASCADE'), storage(Ledger(database.connect)):
        pass


def test_an_owner_that_may_make_no_schema_is_told_what_to_run(database):
    owner = Ledger(database.connect)
    owner.migrate()
    with database.connect() as session, session.cursor() as cursor:
        cursor.execute(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'poor') THEN CREATE ROLE poor LOGIN; "
            "END IF; END $$"
        )
    poor = Ledger(lambda: psycopg2.connect(make_dsn(database.dsn, user="poor")))
    with pytest.raises(LedgerError, match="schema retrain_studies: is not there, and this role may not make it"):
        studies.migrate(poor)
