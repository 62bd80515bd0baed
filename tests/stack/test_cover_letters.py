"""The sample is the same each time, and has all that a cycle needs: classes, late labels, and words that change."""

import subprocess
import sys
from datetime import timedelta

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from retrain.spec import files as spec_files
from stack import feed
from stack.home import PROJECT
from stack.samples.cover_letters import FAILED, PASSED, START, generate


def words(letters):
    return {word for letter in letters["letter"] for word in letter.split()}


def written(file, *options):
    """Run the command with its output in a file, as a person would; return the file."""
    with file.open("w") as output:
        command = [sys.executable, "-m", "stack.samples.cover_letters", *map(str, options)]
        subprocess.run(command, cwd=PROJECT, stdout=output, check=True)
    return file


def test_the_same_arguments_give_the_same_letters():
    how = {"seed": 7, "first": 5, "new_words": 0.5, "passing": 0.3, "review_days": 1.0, "until": START}

    assert_frame_equal(generate(100, **how), generate(100, **how))


def test_another_seed_gives_other_letters():
    one, other = generate(100, seed=1), generate(100, seed=2)

    assert (one["letter"] == other["letter"]).mean() < 0.05
    assert (one["result"] != other["result"]).any()


def test_letters_have_the_columns_that_the_spec_names():
    source = spec_files.load(PROJECT / "include" / "specs" / "cover_letters.yaml").spec.source

    assert {source.key, source.label, source.label_time, *source.features} <= set(generate(1, seed=1).columns)


def test_letters_are_numbered_and_written_one_after_the_other():
    letters = generate(3, seed=1, first=41)

    assert letters["letter_id"].tolist() == [41, 42, 43]
    assert letters["written_at"].tolist() == [START + timedelta(seconds=90 * number) for number in (41, 42, 43)]


@pytest.mark.parametrize("passing", [0.0, 0.1, 0.5, 0.75, 1.0])
def test_as_many_letters_pass_as_were_asked_for(passing):
    results = generate(200, seed=1, passing=passing)["result"]

    assert (results == PASSED).mean() == passing
    assert (results == FAILED).mean() == 1 - passing


def test_new_words_are_in_as_many_sentences_as_were_asked_for_and_in_no_early_letter():
    early, late = generate(500, seed=1), generate(500, seed=2, new_words=1.0)
    new = words(late) - words(early)

    def share(letters):
        sentences = letters["letter"].str.split(r"(?<=\.) ", regex=True).explode()
        return sentences.map(lambda sentence: not new.isdisjoint(sentence.split())).mean()

    assert len(new) > 20
    assert share(generate(500, seed=3)) < 0.05  # a number that no early letter has
    assert share(generate(500, seed=3, new_words=0.4)) == pytest.approx(0.4, abs=0.05)
    assert share(late) > 0.95


def test_without_review_days_a_letter_has_its_label_when_it_is_written():
    letters = generate(50, seed=1)

    assert letters["result"].notna().all()
    assert (letters["reviewed_at"] == letters["written_at"]).all()


def test_labels_come_late_as_many_days_as_were_asked_for():
    letters = generate(2000, seed=1, review_days=2.0)
    waited = letters["reviewed_at"] - letters["written_at"]

    assert waited.min() >= timedelta(0)
    assert waited.mean() / timedelta(days=1) == pytest.approx(2.0, abs=0.2)


def test_labels_that_come_later_than_a_moment_are_still_empty_and_the_same_when_they_come():
    until = START + timedelta(days=1)
    everything = generate(2000, seed=1, review_days=1.0)

    early = generate(2000, seed=1, review_days=1.0, until=until)

    come = everything["reviewed_at"] <= until
    assert 0 < come.sum() < len(come)
    assert_frame_equal(early[come], everything[come])
    assert early.loc[~come, ["result", "reviewed_at"]].isna().all(axis=None)
    assert_frame_equal(early[["letter_id", "letter", "written_at"]], everything[["letter_id", "letter", "written_at"]])


@pytest.mark.parametrize("how", [{}, {"review_days": 1.0, "until": START, "new_words": 0.5, "passing": 0.2}])
def test_no_rows_are_a_table_with_the_same_columns(how):
    nothing, some = generate(0, seed=1, **how), generate(5, seed=1, **how)

    assert len(nothing) == 0
    assert [(name, type_.kind) for name, type_ in nothing.dtypes.items()] == [
        (name, type_.kind) for name, type_ in some.dtypes.items()
    ]


def test_the_command_writes_a_file_that_can_be_fed(tmp_path):
    file = written(tmp_path / "letters.tsv", "--rows=20", "--seed=3", "--first=11", "--new-words=0.5", "--passing=0.25")

    read = feed.read(file, dates="written_at")

    letters = generate(20, seed=3, first=11, new_words=0.5, passing=0.25)
    for column in letters.columns.drop("reviewed_at"):
        assert read[column].tolist() == letters[column].tolist()


@pytest.mark.parametrize("until", ["2026-01-01T12:00:00+00:00", "2026-01-01T12:00:00", "2026-01-02"])
def test_the_command_takes_a_moment_as_a_person_writes_it(tmp_path, until):
    file = written(tmp_path / "letters.tsv", "--rows=2000", "--review-days=1", f"--until={until}")

    reviewed = feed.read(file, dates="reviewed_at")["reviewed_at"]

    assert 0 < reviewed.notna().sum() < len(reviewed)
    assert reviewed.max() <= pd.to_datetime(until, utc=True)
