import pytest

from retrain.errors import SpecError
from retrain.spec import files
from tests.core.spec.specs import refusal, spec

DATED = {"table": "letters", "key": "id", "label": "label", "label_time": "at", "features": ["text"]}


def test_a_log_of_what_was_served_has_the_columns_that_one_expects():
    served = spec(source=DATED, predictions={"table": "served"}).predictions
    assert served is not None
    assert (served.key, served.version, served.at, served.prediction, served.score) == (
        None,
        "version",
        "at",
        "prediction",
        None,
    )
    assert served.skew == 0.01


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"predictions": {"table": "served", "query": "served.sql"}}, "names both or neither of table and query"),
        ({"predictions": {}}, "names both or neither of table and query"),
        ({"predictions": {"table": "served"}, "watch": {"cohort": None}}, "needs source.label_time and watch.cohort"),
        ({"predictions": {"table": "served", "score": "score"}}, "score is the probability of gate.positive"),
        (
            {"predictions": {"table": "served"}, "gate": {"metric": "roc_auc", "positive": "yes"}},
            "gate.metric roc_auc needs probabilities; name their column in score",
        ),
        ({"predictions": {"table": "served", "skew": 1.0}}, "predictions.skew"),
    ],
)
def test_a_log_that_cannot_be_scored_is_refused(fields, says):
    assert says in refusal(source=DATED, **fields)


def test_its_query_file_is_read_and_missed_by_name(tmp_path):
    file = tmp_path / "letters.yaml"
    file.write_text(
        "model: m\nsource: {table: letters, key: id, label: label, label_time: at, features: [text]}\n"
        "predictions: {query: served.sql}\n"
        "candidates: [{name: one, estimator: 'a:b'}]\n",
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match=r"letters\.yaml: predictions\.query = 'served\.sql': cannot be read"):
        files.load(file)
    (tmp_path / "served.sql").write_text("SELECT 1 AS id;", encoding="utf-8")
    assert files.load(file).queries == {"served.sql": "SELECT 1 AS id"}
