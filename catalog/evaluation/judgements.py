"""Judged queries from a file."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

MAX_GRADE = 3


class UnusableJudgements(Exception):
    """The file cannot be used; the message says why, in one line."""


def read_judgements(path: Path) -> dict[str, dict[str, int]]:
    """Return the grades of products (0 to 3) by query and sku, from a CSV file with ``query,product_id,grade``.

    Raises:
        UnusableJudgements: the file is not there, or not of this form.
    """
    judgements: defaultdict[str, dict[str, int]] = defaultdict(dict)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                grade = int(row["grade"])
                if not 0 <= grade <= MAX_GRADE:
                    raise UnusableJudgements(f"{path.name}: grade {grade} is not one of 0 to {MAX_GRADE}.")
                judgements[row["query"]][row["product_id"]] = grade
    except OSError as error:
        raise UnusableJudgements(f"{path}: {error.strerror}.") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise UnusableJudgements(f"{path.name} is no CSV file with query, product_id and grade ({error}).") from error
    if not judgements:
        raise UnusableJudgements(f"{path.name} holds no judgement.")
    return dict(judgements)
