"""Makes tickets of a shop's customers, to try a task of one's own.

python make_tickets.py data/tickets.csv --rows 700
python make_tickets.py data/old_shop.csv --rows 3000 --shop old    # another shop's
python make_tickets.py data/new.csv --rows 100 --seed 1 --unlabelled

Every row is a customer's question and the shop's answer. The ticket is `solved` if the answer says
that what was asked for has been done, for the thing that it was asked for; else it is `open`.
"""

import argparse
import csv
import random
from pathlib import Path

THINGS = {
    "new": ["lamp", "chair", "kettle", "printer", "bicycle", "heater", "jacket", "camera", "desk"],
    "old": ["clock", "sofa", "oven", "scanner", "scooter", "fan", "coat", "lens", "laptop", "boat"],
}
FAULTS = [
    "does not work",
    "arrived broken",
    "is the wrong size",
    "makes a strange noise",
    "has a crack",
    "stopped after a week",
]
# What a customer asks for, in several words, and how the shop says that it is done, or not.
ASKED = {
    "replace": ["Please send me another one.", "I would like a new one.", "Can you replace it?"],
    "refund": ["I want my money back.", "Please refund me.", "Can I return it and be paid?"],
    "repair": ["Can somebody mend it?", "Please repair it.", "I would like to have it fixed."],
}
DONE = {
    "replace": [
        "we have shipped a new {}",
        "another {} was delivered to you this morning",
        "the postman has brought you a second {}",
    ],
    "refund": [
        "we have paid you back for the {}",
        "the price of the {} is on your account again",
        "you have got all of your money for the {}",
    ],
    "repair": [
        "our workshop has fixed the {}",
        "the {} was mended and works again",
        "a new part was put into your {}, which is as good as before",
    ],
}
NOT_DONE = {
    "replace": [
        "we have no other {} to send",
        "a new {} can only be ordered next month",
        "nobody makes this {} any more",
    ],
    "refund": [
        "we can't return the price of the {}",
        "we are still looking at what you paid for the {}",
        "please send us the bill of the {} first",
    ],
    "repair": [
        "nobody here can mend the {}",
        "the {} is still waiting in our workshop",
        "for the {} we need a part that has not come",
    ],
}
OPENINGS = ["Hello,", "Dear customer,", "Thanks for writing,", "Good news or not,"]


def ticket(draw: random.Random, things: list[str]) -> tuple[str, str, str]:
    """Return a question, an answer and whether that solves it."""
    thing, wish = draw.choice(things), draw.choice(list(ASKED))
    question = f"My {thing} {draw.choice(FAULTS)}. {draw.choice(ASKED[wish])}"
    solved = draw.random() < 0.5
    said_of, did, texts = thing, wish, DONE
    if not solved:
        fault = draw.choice(["not done"] * 6 + ["another thing", "another wish"])
        texts = NOT_DONE if fault == "not done" else DONE
        if fault == "another thing":
            said_of = draw.choice([other for other in things if other != thing])
        if fault == "another wish":
            did = draw.choice([other for other in ASKED if other != wish])
    answer = f"{draw.choice(OPENINGS)} {draw.choice(texts[did]).format(said_of)}."
    return question, answer, "solved" if solved else "open"


def main() -> None:
    """Write the rows that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the CSV to write; its folder is made")
    parser.add_argument("--rows", type=int, default=700)
    parser.add_argument(
        "--shop", choices=sorted(THINGS), default="new", help="which things it sells"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unlabelled", action="store_true", help="without the column `status`")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    columns = ["id", "question", "answer"] + ["status"] * (not options.unlabelled)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for number in range(1, options.rows + 1):
            table.writerow([number, *ticket(draw, THINGS[options.shop])][: len(columns)])


if __name__ == "__main__":
    main()
