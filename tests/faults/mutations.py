"""Files made by chance from a good spec, and special files: whoever reads their folder must survive."""

import os
import random
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GOOD = """\
model: {model}
description: &text made by a test
source: {{table: letters, key: id, label: result, label_time: at, features: [letter, {feature}]}}
threshold: {{rows: 100}}
candidates:
  - &first {{name: linear, estimator: "estimators.text:logistic", params: {{C: 1.5, deep: [1, [2, {{a: null}}]]}}}}
  - {{<<: *first, name: other}}
gate: {{metric: f1_macro, floor: 0.7}}
"""

TAGS = ("bool a", "timestamp 9999999", "timestamp 2026-99-99", "int x", "float ''", "null 1", "binary é", "set {a, b}")
MORE_TAGS = (
    "omap [a: 1]",
    "pairs [a: 1]",
    "python/object:os.system x",
    "merge x",
    "seq x",
    "map x",
    "str [a]",
    "value =",
)
SCALARS = (
    *(
        "~",
        "yes",
        "0",
        "-1",
        ".inf",
        ".nan",
        "1e999",
        "2026-02-30",
        "2026-01-02",
        "0x" + "f" * 5_000,
        "9" * 5_000,
        "''",
    ),
    *("1:59:59:59", "1" + ":59" * 9_000, "1" + ":59" * 9_000 + ".0", '"\\ud800"', '"\\0"', "[a", "*nobody", "&a [*a]"),
    *(
        "..",
        "{}",
        "[]",
        "? [a, b]\n: c",
        "x" * 70_000,
        "é",
        "\u202e",
        "<<: 1",
        "'",
        "|",
        "@",
        "`",
        "%",
        "- - - -",
        "0o8",
    ),
    *(f"!!{tag}" for tag in (*TAGS, *MORE_TAGS)),
)


def write(folder: Path, how_many: int, seed: int) -> tuple[set[str], set[str]]:
    """Write so many files; return the names of those that are good, and of all."""
    chance = random.Random(seed)  # noqa: S311 - a test
    good, names = set[str](), set[str]()
    for number in range(how_many):
        name = f"spec_{number:04}.yaml"
        text = GOOD.format(model=f"model {number}", feature=f"f{number}")
        names.add(name)
        kind = chance.random()
        if kind < 0.1:
            (folder / name).write_text(text, "utf-8")
            good.add(name)
        elif kind < 0.2:
            if not chance.choice(SPECIAL)(folder / name):
                (folder / name).write_text("", "utf-8")
        else:
            changed = text
            for _ in range(chance.randint(1, 3)):
                changed = chance.choice(CHANGES)(changed, chance)
            data = chance.choice(ENCODINGS)(changed) if kind > 0.9 else changed.encode("utf-8", "surrogatepass")
            (folder / name).write_bytes(data)
    return good, names


# ── changes of the text


def _value(text: str, chance: random.Random) -> str:
    """Put another value in the place of one."""
    places = [match.start() for match in re.finditer(": ", text)]
    if not places:
        return text
    place = chance.choice(places) + 2
    end = min([at for at in (text.find(mark, place) for mark in (",", "}", "\n")) if at >= 0], default=len(text))
    return text[:place] + chance.choice(SCALARS) + text[end:]


def _key(text: str, chance: random.Random) -> str:
    """Put another name in the place of one."""
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    name, colon, rest = lines[at].partition(":")
    lines[at] = f"{chance.choice(SCALARS) if chance.random() < 0.5 else name[:-1]}{colon}{rest}"
    return "\n".join(lines)


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text))] if text else text


def _bytes(text: str, chance: random.Random) -> str:
    characters = list(text or " ")
    for _ in range(chance.randint(1, 20)):
        characters[chance.randrange(len(characters))] = chance.choice("\0\t\r\x1b[]{}&*!|>%@`'\":,?-#\ufeff\u2028가")
    return "".join(characters)


def _twice(text: str, chance: random.Random) -> str:
    return text + chance.choice(text.split("\n")) + "\n" + text * chance.randint(0, 2)


def _deep(text: str, chance: random.Random) -> str:
    deep = chance.choice((33, 200, 3_000, 30_000))
    opening, closing = chance.choice((("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ("- ", ""), ("? ", ""), ("[", "")))
    return f"{text}deep: {opening * deep}1{closing * deep}\n"


def _bomb(text: str, chance: random.Random) -> str:
    many, levels = chance.choice(((9, 9), (2, 40), (40, 3), (100, 2)))
    kind = chance.choice(("[{}]", "{{<<: [{}]}}"))
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, levels + 1):
        lines.append(f"a{level}: &a{level} " + kind.format(", ".join([f"*a{level - 1}"] * many)))
    return text + "\n".join(lines) + "\n"


def _many(text: str, chance: random.Random) -> str:
    line = chance.choice(
        ("k{}: 1\n", "? k{}\n", "k{}: &k{} {{a: *text}}\n", "# {}\n", "%TAG !{}! tag:a\n", "---\n{}\n")
    )
    return text + "".join(line.replace("{}", str(number)) for number in range(chance.choice((50, 1_000, 9_000))))


def _huge(text: str, chance: random.Random) -> str:
    return text + chance.choice(("#", " ", "\n", "x", "-", "a: ")) * chance.choice((100_000, 2_000_000))


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    *([_value] * 8),
    *([_key] * 4),
    *(_cut, _bytes, _bytes, _twice, _deep, _bomb, _many, _huge),
)
ENCODINGS: tuple[Callable[[str], bytes], ...] = (
    lambda text: text.encode("utf-16", "replace"),
    lambda text: text.encode("utf-32", "replace"),
    lambda text: text.encode("latin-1", "replace"),
    lambda text: b"\xff" + text.encode("utf-8", "replace"),
    lambda text: b"\xef\xbb\xbf" + text.encode("utf-8", "replace"),
    lambda text: text.encode("utf-8", "replace").replace(b"\n", b"\r"),
    lambda text: text.encode("utf-8", "surrogatepass") + b"\xed\xa0\x80",
    os.fsencode,
)


# ── special files


def _socket(file: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as listening:  # its path may be too long
        listening.bind(str(file))
        return True
    return False


def _made(make: Callable[[Path], object]) -> Callable[[Path], bool]:
    def made(file: Path) -> bool:
        make(file)
        return True

    return made


def _unreadable(file: Path) -> None:
    file.write_text("model: a")
    file.chmod(0)


def _without_end(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(1 << 40)


SPECIAL: tuple[Callable[[Path], bool], ...] = (
    _made(os.mkfifo),
    _socket,
    _made(lambda file: file.symlink_to("/dev/zero")),
    _made(lambda file: file.symlink_to("/dev/null")),
    _made(lambda file: file.symlink_to(file.name)),
    _made(lambda file: file.symlink_to("nothing")),
    _made(lambda file: file.symlink_to(file.parent)),
    _made(lambda file: file.mkdir()),
    _made(_unreadable),
    _made(_without_end),
    _made(lambda file: file.write_bytes(b"")),
    _made(lambda file: file.write_bytes(b"\0" * 100_000)),
)
