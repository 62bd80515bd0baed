"""Counts the n-grams of characters in texts, by a hash of each: arrays at once, and no loop over texts or words.

Which n-grams a text has is scikit-learn's rule, `CountVectorizer(analyzer="char_wb" or "char")`. What a gram's hash is
follows from its code points alone: the same on every machine, in every Python and whatever other texts there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

HASHING = 1
"""Number of the hash below. Who changes it raises this, so that a model of before is refused and not misread."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)

_BLOCK = 1 << 15
"""Characters that are hashed and sorted at once: so many that their arrays stay in the processor's caches."""

_SPACE = 0x20
# What `str.split` takes for white space, written out: the next Unicode may not change what a stored model sees.
_WHITE = np.zeros(0x3002, dtype=bool)
_WHITE[0x09:0x0E] = _WHITE[0x1C:0x21] = _WHITE[0x2000:0x200B] = True
_WHITE[[0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]] = True

Integers = NDArray[np.integer[Any]]
Codes = NDArray[np.uint32]
Occurrences = tuple[NDArray[np.uint64], NDArray[np.int64]]
"""Rising numbers, and how often each occurs."""


@dataclass(frozen=True)
class Grams:
    """Which grams."""

    within_words: bool
    """Padded words and nothing across them (`char_wb`), or the text as it stands (`char`)."""
    shortest: int
    longest: int
    buckets: int
    """Different values of the hash."""
    lowercase: bool


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each hash occurs in each of some texts, as the rows of a CSR matrix are laid out."""

    starts: Integers
    """Shape (texts + 1,): where each text begins in the other two."""
    buckets: Integers
    """Rising within a text."""
    counts: Integers


def counted(texts: Sequence[str], grams: Grams, block: int = _BLOCK) -> Iterator[Counts]:
    """Yield the counts of all texts in their order, some texts at a time.

    Beside what it yields it needs about 200 bytes for each character of a block; of a text that is longer than a block,
    about 40 bytes for each of its characters. block: the counts are the same with any.
    """
    ends = np.cumsum(_lengths(texts))
    rest = iter(texts)
    first = 0
    while first < len(texts):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + block, side="right")))
        yield _of(list(islice(rest, last - first)), grams, block)
        first = last


def _of(texts: list[str], grams: Grams, block: int) -> Counts:
    joined = _joined(texts)
    if grams.lowercase:
        as_long, joined = len(joined), joined.lower()
        if len(joined) != as_long:  # by İ, the one letter that becomes longer
            texts = [each.lower() for each in texts]
            joined = _joined(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    lengths = _lengths(texts)
    gaps = np.concatenate([[0], np.cumsum(lengths)])
    codes, kept, is_stop = _words(codes) if grams.within_words else _lines(codes, gaps)
    rows = np.repeat(np.arange(len(texts), dtype=np.uint64), lengths)
    row_keys = (rows * np.uint64(grams.buckets))[kept[:-1]]

    parts: list[Occurrences] = []
    most = 2 * block
    for start in range(0, len(row_keys), block):
        found = _keys(codes, row_keys, is_stop, grams, slice(start, start + block))
        found.sort()
        parts.append(_occurrences(found))
        if sum(len(keys) for keys, _ in parts) > most:
            parts = [_merged(parts)]
            most = 2 * max(block, len(parts[0][0]))
    keys, counts = _merged(parts)
    bounds = np.arange(len(texts) + 1, dtype=np.uint64) * np.uint64(grams.buckets)
    starts = np.searchsorted(keys, bounds)
    # Most counts are small, and all texts' wait in memory for the last one.
    narrow = counts.astype(np.min_scalar_type(counts.max(initial=0)))
    return Counts(starts, (keys - np.repeat(bounds[:-1], np.diff(starts))).astype(np.int32), narrow)


def _joined(texts: list[str]) -> str:
    """Return the texts with one gap before each, and one after the last."""
    return f" {' '.join(texts)} "


def _lengths(texts: Sequence[str]) -> Integers:
    """Return the length of each with its gap."""
    return np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1


def _words(codes: Codes) -> tuple[Codes, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the words with one space before each and one at the end, what was kept of all, and what ends a gram.

    Two words share the space between them. It counts as part of the word that follows.
    """
    white = _WHITE[np.minimum(codes, len(_WHITE) - 1)]
    kept = ~white
    kept[:-1] |= kept[1:]  # the white space just before a word
    kept[-1] = True
    is_stop = white[kept]
    codes = codes[kept]
    codes[is_stop] = _SPACE
    return codes, kept, is_stop


def _lines(codes: Codes, gaps: Integers) -> tuple[Codes, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the texts with a gap before each and one at the end; two and more white spaces in a row are one space."""
    is_gap = np.zeros(len(codes), dtype=bool)
    is_gap[gaps] = True
    white = _WHITE[np.minimum(codes, len(_WHITE) - 1)] & ~is_gap
    kept = np.ones(len(codes), dtype=bool)
    kept[:-1] = ~(white[:-1] & white[1:])
    codes = codes.copy()
    codes[1:][white[1:] & white[:-1]] = _SPACE
    return codes[kept], kept, is_gap[kept]


def _keys(
    codes: Codes, row_keys: NDArray[np.uint64], is_stop: NDArray[np.bool_], grams: Grams, where: slice
) -> NDArray[np.uint64]:
    """Return row and hash, as one number, of each gram that begins there.

    A polynomial of the code points, mixed: the polynomial alone would leave the last character in the low bits.
    """
    start, end, _ = where.indices(len(row_keys))
    row_keys = row_keys[start:end]
    reach = _reach(is_stop, start, end, grams.longest)
    if grams.within_words:
        reach += 1  # the space after a word belongs to it
    else:
        reach[is_stop[start:end]] = 0
    at = np.arange(start, end)
    hashes: NDArray[np.uint64] = np.zeros(len(at), dtype=np.uint64)
    found = []
    for n in range(1, grams.longest + 1):
        longer = np.flatnonzero(reach >= n)
        if len(longer) < len(reach):
            at, reach, hashes, row_keys = at[longer], reach[longer], hashes[longer], row_keys[longer]
        # 1 more than the code point: else NUL before a gram would not count.
        hashes = hashes * _BASE + codes[at + (n - 1)] + np.uint64(1)
        if n >= grams.shortest:
            keys = _mixed(hashes, grams.buckets) + row_keys
            found.append(keys)
            if n == 1 and grams.within_words:
                found.append(keys[is_stop[at]])  # before a word and after it
        elif grams.within_words and n > 2:
            # A word that is shorter than the shortest gram is one gram, with both its spaces.
            whole = is_stop[at] & (reach == n)
            found.append(_mixed(hashes[whole], grams.buckets) + row_keys[whole])
    return np.concatenate(found) if found else np.empty(0, dtype=np.uint64)


def _reach(is_stop: NDArray[np.bool_], start: int, end: int, longest: int) -> Integers:
    """Return how far each position is from the next stop, at most `longest`."""
    # There is always a stop at the very end.
    stops = np.flatnonzero(is_stop[start + 1 : end + longest + 1]) + start + 1
    if not len(stops) or stops[-1] < end:
        stops = np.append(stops, end + longest)
    before = np.concatenate([[start], stops])
    following = np.repeat(stops, np.diff(before))[: end - start]
    reach: Integers = np.minimum(following - np.arange(start, end), longest)
    return reach


def _mixed(hashes: NDArray[np.uint64], buckets: int) -> NDArray[np.uint64]:
    mixed = hashes ^ (hashes >> _HALF)
    mixed *= _MIX
    mixed >>= _HALF
    mixed *= np.uint64(buckets)
    mixed >>= _HALF
    return mixed


def _occurrences(found: NDArray[np.uint64]) -> Occurrences:
    """Return each of some sorted numbers once, and how often it occurs."""
    firsts = _firsts(found)
    return found[firsts], np.diff(firsts, append=len(found))


def _firsts(found: NDArray[np.uint64]) -> NDArray[np.int64]:
    is_first = np.ones(len(found), dtype=bool)
    np.not_equal(found[1:], found[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)


def _merged(parts: list[Occurrences]) -> Occurrences:
    if len(parts) == 1:
        return parts[0]
    keys = np.concatenate([np.empty(0, dtype=np.uint64), *(each for each, _ in parts)])
    counts = np.concatenate([np.empty(0, dtype=np.int64), *(each for _, each in parts)])
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    firsts = _firsts(keys)
    return keys[firsts], np.add.reduceat(counts, firsts) if len(keys) else counts
