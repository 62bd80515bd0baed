"""Specs as files that anybody may have written: what is wrong with a file stays that file's."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrain.errors import SpecError
from retrain.spec.files import LARGEST, load, load_folder
from retrain.spec.parse import MOST_FAULTS, parse
from retrain.spec.yaml_text import DEEPEST, MOST_VALUES
from tests.core.spec.specs import SMALLEST
from tests.faults import mutations

GOOD = mutations.GOOD.format(model="letters", feature="other")


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[str | bytes], str]:
    """Write this into a file, and return why it is refused."""

    def refuse(text: str | bytes) -> str:
        file = tmp_path / "broken.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(SpecError) as refused:
            load(file)
        assert str(refused.value).isprintable() or len(str(refused.value).splitlines()) > 1
        return str(refused.value)

    return refuse


def read(folder: Path, how_many: int, seed: int) -> tuple[float, int]:
    """Read a folder of mutations; check each file. Returns the seconds that it took, and how many files are good."""
    good, names = mutations.write(folder, how_many, seed)
    begun = time.process_time()  # on a machine that others use as well, the clock tells what they do
    found = load_folder(folder)
    took = time.process_time() - begun
    loaded = {file.path.name for file in found.files}
    told = {line.split(": ")[0] for line in "\n".join(found.faults).splitlines()}
    assert good <= loaded, "a good file is read, whatever is beside it"
    assert (loaded | told, loaded & told) == (names, set()), "each broken one has its own message"
    for line in "\n".join(found.faults).splitlines():
        assert line.encode()
        assert line.isprintable()
    return took, len(loaded)


@pytest.mark.parametrize("seed", range(4))
def test_any_fault_of_a_file_is_that_files(seed: int, tmp_path: Path) -> None:
    """E3."""
    took, good = read(tmp_path, 200, seed)

    assert good > 10
    assert took < 5


@pytest.mark.nightly
def test_five_thousand_mutations_are_read_within_five_seconds(tmp_path: Path) -> None:
    """E3."""
    took, good = read(tmp_path, 5_000, seed=time.time_ns())

    print(f"\n5,000 files in {took:.1f} s, {good} of them good")
    assert took < 5


@pytest.mark.parametrize("deep", [DEEPEST + 1, 3_000, 60_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")])
def test_a_spec_that_is_too_deep_is_refused(deep: int, opening: str, closing: str, refusal: Any) -> None:
    """E3."""
    text = f"{opening * deep}1{closing * deep}"[:LARGEST]
    assert refusal(text) == f"broken.yaml: line 1: is nested more than {DEEPEST} deep; a spec needs less"


@pytest.mark.parametrize("kind", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_that_stand_for_more_than_memory_holds_are_refused(kind: str, refusal: Any) -> None:
    """E3."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 20):
        lines.append(f"a{level}: &a{level} " + kind.format(", ".join([f"*a{level - 1}"] * 9)))
    assert f"more than {MOST_VALUES:,} values" in refusal("\n".join(lines))


def test_aliases_that_stand_for_little_are_read(tmp_path: Path) -> None:
    """E3."""
    (tmp_path / "good.yaml").write_text(GOOD)
    one, other = load(tmp_path / "good.yaml").spec.candidates
    assert (one.params, other.name) == (other.params, "other")


@pytest.mark.parametrize("text", ["&a [*a]", "&a {b: [*a]}", "&a {<<: *a}"])
def test_a_list_that_holds_itself_is_refused(text: str, refusal: Any) -> None:
    """E3."""
    assert refusal(f"model: {text}") == "broken.yaml: line 1: *a holds itself; write it out"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("!!bool a", "'a' is not a bool; put it in quotes"),
        ("!!timestamp 9999999", "'9999999' is not a timestamp; put it in quotes"),
        ("!!int x", "'x' is not a int; put it in quotes"),
        ("!!float ''", "'' is not a float; put it in quotes"),
        ("2026-02-30", "'2026-02-30' is not a timestamp; put it in quotes"),
        ("1" + ":59" * 9_000, "is not a int; put it in quotes"),
        ("1" + ":59" * 200 + ".5", "is not a float; put it in quotes"),
        ("!!binary é", "failed to convert base64 data into ascii"),
        ("!!python/object:os.system x", "could not determine a constructor"),
        ("!!omap [a: 1]", "model[0] = \"('a', 1)\": is a tuple; put it in quotes"),
        ("!!set {a, b}", "is a set; put it in quotes"),
        ("0x" + "f" * 290, "is too large a number; write a smaller one, or put it in quotes"),
        ("{0x" + "f" * 290 + ": 1}", "a number of thousands of digits is not text; put it in quotes"),
        ("{? [a, b] : c}", "found unhashable key"),
        ('"a\\nb"', "is not a name for a model"),
    ],
)
def test_a_value_that_is_not_what_it_says_is_refused(value: str, fault: str, refusal: Any) -> None:
    """E3."""
    text = GOOD.replace("model: letters", f"model: {value}")
    assert fault in refusal(text)


def test_hundreds_of_faults_are_counted_and_the_first_are_told(refusal: Any) -> None:
    """E3."""
    lines = refusal(GOOD + "".join(f"k{number}: 1\n" for number in range(900))).splitlines()
    assert len(lines) == MOST_FAULTS + 1
    assert lines[-1] == f"broken.yaml: and {900 - MOST_FAULTS:,} faults more; mend these first"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, refusal: Any) -> None:
    """E3."""
    assert (
        refusal("#" * (LARGEST + 1))
        == f"broken.yaml: cannot be read: is larger than {LARGEST:,} bytes; make it smaller"
    )
    (tmp_path / "good.yaml").write_text(GOOD + "#" * (LARGEST - len(GOOD)))
    assert load(tmp_path / "good.yaml").spec.model == "letters"


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """E3."""
    for number, make in enumerate(mutations.SPECIAL):
        make(tmp_path / f"special_{number}.yaml")
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "link.yaml").symlink_to("data/link.yaml")  # as Kubernetes puts files in place
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.yaml").write_text(mutations.GOOD.format(model="other", feature="x"))

    found = load_folder(tmp_path)

    assert [file.path.name for file in found.files] == ["good.yaml", "link.yaml"]
    assert len(found.faults) == len(list(tmp_path.iterdir())) - 3


def test_a_query_that_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    """E3."""
    os.mkfifo(tmp_path / "query.sql")
    (tmp_path / "a.yaml").write_text(GOOD.replace("table: letters", "query: query.sql"))
    assert load_folder(tmp_path).faults == (
        "a.yaml: source.query = 'query.sql': cannot be read (is not a regular file; put one in its place); "
        "put it beside the spec",
    )


@pytest.mark.parametrize("name", [b"\xff.yaml", b"a\nb.yaml", b"a b.yaml", "가 나.yaml".encode(), b"\xed\xa0\x80.yaml"])
def test_a_file_name_that_makes_no_dag_is_refused_in_characters_that_can_be_stored(name: bytes, tmp_path: Path) -> None:
    """E3."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text(GOOD)
    (tmp_path / "가.yaml").write_text(GOOD)

    found = load_folder(tmp_path)

    assert [file.path.name for file in found.files] == ["가.yaml"]
    (fault,) = found.faults
    assert "the name becomes the id of a DAG: rename the file to" in fault
    assert fault.encode()
    assert fault.isprintable()


@pytest.mark.parametrize("model", [".", "..", "a\nb", "a\u2028b", "a\x7fb", "a ", "\u202eb"])
def test_a_model_that_no_path_and_no_line_can_hold_is_refused(model: str) -> None:
    """E8."""
    with pytest.raises(SpecError, match="is not a name for a model"):
        parse({**SMALLEST, "model": model}, "a.yaml")


@pytest.mark.parametrize("model", ["자기소개서", "a.b", ".a.", "a b", "모델 (2)"])
def test_a_model_in_printable_characters_is_accepted(model: str) -> None:
    """E8."""
    assert parse({**SMALLEST, "model": model}, "a.yaml").model == model
