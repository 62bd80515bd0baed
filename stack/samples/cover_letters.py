"""Writes labelled Korean cover letters, any number of them: `python -m stack.samples.cover_letters --rows 1000`.

Each letter is a few sentences of a subject, a deed and an ending. Deeds speak for or against an applicant, a number
speaks for one, and an ending can turn a deed into its opposite ("… 했습니다", "… 하지 못했습니다"): a model that sees
single words knows less than one that sees them together, and no model can know everything, because reviewers differ.
Stems take many endings, as in any Korean text, so that few whole words occur twice, while their characters do.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PASSED, FAILED = "합격", "불합격"
START = datetime(2026, 1, 1, tzinfo=UTC)

_SECONDS_BETWEEN = 90
_SUBJECTS = (
    "동아리를", "졸업 과제를", "인턴 업무를", "봉사 활동을", "매장 운영을", "고객 응대를", "재고 관리를", "시장 조사를",
    "발표 자료를", "품질 검사를", "생산 공정을", "학과 행사를", "데이터 정리를", "공모전 준비를", "교육 과정을",
)  # fmt: skip
_NEW_SUBJECTS = ("생성형 모델을", "추천 시스템을", "온라인 협업을", "탄소 배출을", "구독 서비스를")
# Stems of verbs in 하다, grouped by how much they speak for an applicant.
_PLAIN = ("진행", "준비", "담당", "정리", "기록", "수행", "관찰", "참여", "계획", "안내")
_DEEDS = {
    1.0: ("개선", "주도", "설계", "자동화", "분석", "달성", "제안", "해결", "협상", "검증"),
    -1.0: ("희망", "동경", "구경", "암기", "복사", "대기", "부탁", "상상", "청강", "낭비"),
    0.0: _PLAIN,
}
_NEW_DEEDS = {
    1.0: ("고도화", "경량화", "내재화", "벤치마킹", "시각화"),
    -1.0: ("방관", "의존", "모방", "나열", "회피"),
    0.0: _PLAIN,
}
_ENDINGS = ("했습니다", "하였습니다", "해 왔습니다", "하면서 성장했습니다", "한 경험이 있습니다", "하고 있습니다")
_TURNED = ("하지 못했습니다", "하려다 그만두었습니다", "하지는 않았습니다")
_OPENINGS = ("저는", "대학 시절", "작년에", "팀에서", "처음으로", "그 과정에서", "동료들과 함께", "매주", "끝까지", "")
_FIGURES = ("{}퍼센트만큼", "{}명과 함께", "{}개월 동안", "{}건 이상", "{}배로")

_TURNED_SHARE, _FIGURE_SHARE = 0.2, 0.3
_FIGURE_WEIGHT, _REVIEWER_SPREAD = 0.5, 0.8


def generate(
    rows: int,
    *,
    seed: int,
    first: int = 1,
    new_words: float = 0.0,
    passing: float = 0.5,
    review_days: float = 0.0,
    until: datetime | None = None,
) -> pd.DataFrame:
    """Return letters `first`, `first + 1`, …, written 90 s apart from 2026 on. Equal arguments give equal letters.

    new_words: share of the sentences, 0 to 1, with words that the early letters do not have. passing: share of the
    letters that pass. review_days: mean number of days between a letter and its label. until: labels later than this
    (UTC if it has no zone) are still empty. Columns: letter_id, letter, written_at, result, reviewed_at.
    """
    dice = np.random.default_rng(seed)
    texts, merits = _letters(dice, rows, new_words)
    seen = merits + dice.normal(scale=_REVIEWER_SPREAD, size=rows)
    passed = seen.argsort().argsort() >= rows - round(rows * passing)
    ids = np.arange(first, first + rows)
    written = pd.Series(
        [START + timedelta(seconds=_SECONDS_BETWEEN * int(i)) for i in ids], dtype="datetime64[us, UTC]"
    )
    reviewed = written + _days(dice.exponential(review_days, size=rows))
    result = pd.Series(np.where(passed, PASSED, FAILED), dtype=object)
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    pending = reviewed > until if until is not None else pd.Series(False, index=reviewed.index)
    return pd.DataFrame(
        {
            "letter_id": ids,
            "letter": pd.Series(texts, dtype=object),
            "written_at": written,
            "result": result.mask(pending),
            "reviewed_at": reviewed.mask(pending),
        }
    )


def _letters(dice: np.random.Generator, rows: int, new_words: float) -> tuple[list[str], NDArray[np.float64]]:
    """Return the texts, and how much speaks for each applicant, shape (rows,)."""
    lengths = dice.integers(3, 7, size=rows)
    sentences, merits = _sentences(dice, int(lengths.sum()), new_words)
    ends = np.cumsum(lengths)
    texts = [" ".join(sentences[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
    letter = np.repeat(np.arange(rows), lengths)
    return texts, np.bincount(letter, weights=merits, minlength=rows).astype(np.float64)


def _sentences(dice: np.random.Generator, count: int, new_words: float) -> tuple[list[str], NDArray[np.float64]]:
    def pick(choices: Sequence[Any]) -> list[Any]:
        return [choices[i] for i in dice.integers(len(choices), size=count)]

    new = dice.random(count) < new_words
    turned, figure = dice.random(count) < _TURNED_SHARE, dice.random(count) < _FIGURE_SHARE
    merit = np.asarray(pick((1.0, -1.0, 0.0)))
    old_stems, new_stems = ({kind: pick(stems) for kind, stems in deeds.items()} for deeds in (_DEEDS, _NEW_DEEDS))
    old_subjects, new_subjects = pick(_SUBJECTS), pick(_NEW_SUBJECTS)
    endings, turns, openings, figures = pick(_ENDINGS), pick(_TURNED), pick(_OPENINGS), pick(_FIGURES)
    numbers = dice.integers(2, 40, size=count)
    texts = []
    for i in range(count):
        subject = (new_subjects if new[i] else old_subjects)[i]
        stem = (new_stems if new[i] else old_stems)[merit[i]][i]
        words = (
            openings[i],
            subject,
            figures[i].format(numbers[i]) if figure[i] else "",
            stem + (turns if turned[i] else endings)[i],
        )
        texts.append(" ".join(filter(None, words)) + ".")
    return texts, np.where(turned, -merit, merit) + _FIGURE_WEIGHT * figure


def _days(numbers: NDArray[np.float64]) -> pd.Series:
    return pd.Series(pd.to_timedelta(numbers, unit="D").round("s"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stack.samples.cover_letters", description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="id of the first letter")
    parser.add_argument("--new-words", type=float, default=0.0, help="share of sentences with words of a later time")
    parser.add_argument("--passing", type=float, default=0.5, help="share of the letters that pass")
    parser.add_argument("--review-days", type=float, default=0.0, help="mean days between a letter and its label")
    parser.add_argument("--until", type=datetime.fromisoformat, help="labels later than this are still empty")
    generate(**vars(parser.parse_args())).to_csv(sys.stdout, sep="\t", index=False)


if __name__ == "__main__":
    main()
