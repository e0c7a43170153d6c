"""Small files in the layouts in which suites are published, of rows of no data set."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

TRAIN, DEV = 64, 16
LANGUAGES = ("en", "de")
_NAMES = ("Ada", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus")
_VERBS = ("sees", "finds", "helps", "calls", "meets")


def _pair(number: int) -> tuple[str, str]:
    """Return two sentences, other ones for every number below a thousand."""
    first, second = _NAMES[number % 7], _NAMES[(number + 3) % 7]
    verb = _VERBS[number % 5]
    return f"{first} {verb} {second} on day {number}.", f"{second} {verb} {first}."


def _boolq(n: int) -> dict[str, Any]:
    passage, question = _pair(n)
    return {"question": question, "passage": passage, "idx": n, "label": n % 2 == 0}


def _cb(n: int) -> dict[str, Any]:
    premise, hypothesis = _pair(n)
    label = ("entailment", "contradiction", "neutral")[n % 3]
    return {"premise": premise, "hypothesis": hypothesis, "label": label, "idx": n}


def _copa(n: int) -> dict[str, Any]:
    premise, choice = _pair(n)
    choices = {"choice1": choice, "choice2": f"{choice} Twice."}
    return {"premise": premise, **choices, "question": "cause", "label": n % 2, "idx": n}


def _multirc(n: int) -> dict[str, Any]:
    """Return a passage with two questions, of two and of three answers."""
    passage, question = _pair(n)
    questions = [
        {
            "question": f"{question} {at}?",
            "answers": [
                {"text": f"Answer {n} {at} {i}", "idx": i, "label": (n + i) % 2}
                for i in range(2 + at)
            ],
            "idx": at,
        }
        for at in range(2)
    ]
    return {"idx": n, "version": 1.1, "passage": {"text": passage, "questions": questions}}


def _rte(n: int) -> dict[str, Any]:
    premise, hypothesis = _pair(n)
    label = ("entailment", "not_entailment")[n % 2]
    return {"premise": premise, "hypothesis": hypothesis, "label": label, "idx": n}


def _wic(n: int) -> dict[str, Any]:
    one, two = _pair(n)
    places = {"start1": 0, "end1": 3, "start2": 0, "end2": 3, "version": 1.1}
    return {"word": "day", "sentence1": one, "sentence2": two, "label": n % 2 == 0, **places}


def _wsc(n: int) -> dict[str, Any]:
    text, _ = _pair(n)
    target = {"span1_index": 0, "span1_text": "Ada", "span2_index": 2, "span2_text": "she"}
    return {"text": text, "target": target, "idx": n, "label": n % 2 == 0}


SUPERGLUE: Mapping[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "boolq": ("BoolQ", _boolq),
    "cb": ("CB", _cb),
    "copa": ("COPA", _copa),
    "multirc": ("MultiRC", _multirc),
    "rte": ("RTE", _rte),
    "wic": ("WiC", _wic),
    "wsc": ("WSC", _wsc),
}


def write_superglue(root: Path) -> None:
    """Write ``BoolQ/train.jsonl``, ``BoolQ/val.jsonl``, ... and ``test.jsonl`` without labels."""
    for folder, row in SUPERGLUE.values():
        (root / folder).mkdir(parents=True)
        parts = {"train": range(TRAIN), "val": range(100, 100 + DEV), "test": range(200, 204)}
        for name, numbers in parts.items():
            rows = [json.dumps(row(number)) for number in numbers]
            (root / folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")


def _write_tsv(file: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(map(str, row)) for row in [columns, *rows]]
    file.write_text("\n".join(lines) + "\n")


def write_xnli(root: Path) -> None:
    """Write XNLI-1.0 and XNLI-MT-1.0 as their archives have them, in two languages."""
    labels = ("entailment", "neutral", "contradiction")
    for name, begin in (("dev", 100), ("test", 200)):
        rows = [
            (language, labels[n % 3], f"{language}: {one}", two, n, "fiction")
            for language in LANGUAGES
            for n in range(begin, begin + DEV)
            for one, two in [_pair(n)]
        ]
        columns = ("language", "gold_label", "sentence1", "sentence2", "pairID", "genre")
        _write_tsv(root / "XNLI-1.0" / f"xnli.{name}.tsv", columns, rows)
    for language in LANGUAGES:
        file = root / "XNLI-MT-1.0" / "multinli" / f"multinli.train.{language}.tsv"
        written = ("entailment", "neutral", "contradictory")
        pairs = ((f"{language}: {one}", two) for one, two in map(_pair, range(TRAIN)))
        rows = [(*pair, written[n % 3]) for n, pair in enumerate(pairs)]
        _write_tsv(file, ("premise", "hypo", "label"), rows)


def write_glue(root: Path) -> None:
    """Write MNLI, RTE and QQP as GLUE has them, and the dev sets of HANS and PAWS."""
    nli = ("entailment", "neutral", "contradiction")
    columns = ("index", "sentence1", "sentence2", "gold_label")
    parts = {"train": (0, TRAIN), "dev_matched": (100, DEV), "dev_mismatched": (150, DEV)}
    for name, (begin, count) in parts.items():
        rows = [(n, *_pair(n), nli[n % 3]) for n in range(begin, begin + count)]
        _write_tsv(root / "MNLI" / f"{name}.tsv", columns, rows)
    rte, qqp = ("entailment", "not_entailment"), ("question1", "question2", "is_duplicate")
    for name, (begin, count) in {"train": (0, TRAIN), "dev": (100, DEV)}.items():
        numbers = range(begin, begin + count)
        rows = [(n, *_pair(n), rte[n % 2]) for n in numbers]
        _write_tsv(root / "RTE" / f"{name}.tsv", ("index", *columns[1:3], "label"), rows)
        _write_tsv(root / "QQP" / f"{name}.tsv", qqp, [(*_pair(n), n % 2) for n in numbers])
    hans = ("gold_label", *columns[1:3], "pairID", "heuristic", "subcase", "template")
    told = [
        (("entailment", "non-entailment")[n % 2], *_pair(n), f"ex{n}", "lexical_overlap", "ln", "t")
        for n in range(300, 300 + DEV)
    ]
    _write_tsv(root / "HANS" / "heuristics_evaluation_set.txt", hans, told)
    paws = [(n, *_pair(n), n % 2) for n in range(400, 400 + DEV)]
    _write_tsv(root / "PAWS" / "dev.tsv", ("id", *columns[1:3], "label"), paws)
