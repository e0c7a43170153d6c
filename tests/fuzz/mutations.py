"""Odd values, and broken copies of bytes and of JSON."""

import json
import random
from typing import Any

ODD: list[Any] = [None, True, False, 0, -1, 1, 0.5, 2**31, 2**63, 2**70, -(2**70), 1e300, -50]
ODD += [float("nan"), float("inf"), 5e-324, "", "0", "a", "x" * 10_000, "\0", "\ud800", "${seed}"]
ODD += ["${oc.env:HOME}", "../../x", "/dev/zero", "a/b", "1e400", "\N{RIGHT-TO-LEFT OVERRIDE}x"]
ODD += ["<script>", "os.system", "torch.load", "tlbench.nope", "null", "???", "2x", "%s{x}", "a\nb"]
ODD += [[], {}, [1, 2], ["rte", "rte"], {"_target_": "os.system"}, {"a": None}, [[[[]]]]]


def mutated_bytes(rng: random.Random, content: bytes) -> bytes:
    """Return bytes with some of them changed, cut out, repeated or put in."""
    broken = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at = rng.randrange(len(broken) + 1)
        end = at + rng.choice([1, 1, 4, 100])
        change = rng.randrange(4)
        if change == 0:
            broken[at:end] = rng.randbytes(min(end, len(broken)) - at)
        elif change == 1:
            del broken[at:end]
        elif change == 2:
            broken[at:at] = broken[at:end] * rng.choice([1, 2, 50])
        else:
            broken[at:at] = rng.choice(
                [b"\0", b'"', b"\r", b"\n", b"\t", b",", b"\xff", b"\xef\xbb"]
            )
    return bytes(broken)


def mutated_json(rng: random.Random, content: Any) -> str:
    """Return JSON with some values exchanged, removed, nested or named twice."""
    changed = json.loads(json.dumps(content))
    for _ in range(rng.choice([1, 1, 2, 4])):
        parent, key = _place(rng, changed)
        change = rng.randrange(6)
        if change == 0 and isinstance(parent, dict):
            del parent[key]
        elif change == 1:
            parent[key] = [parent[key]] * rng.choice([1, 2, 100])
        elif change == 2:
            for _ in range(rng.choice([2, 60, 400])):
                parent[key] = {"a": parent[key]} if rng.random() < 0.5 else [parent[key]]
        else:
            parent[key] = rng.choice(ODD)
    text = json.dumps(changed)
    if rng.random() < 0.05:
        text = text.replace('"', '"seed": 1, "', 1)
    return mutated_bytes(rng, text.encode()).decode("latin-1") if rng.random() < 0.1 else text


def _place(rng: random.Random, content: Any) -> tuple[Any, Any]:
    """Return a mapping or a list inside of a mapping, and a key or an index of it."""
    while True:
        keys = [*content] if isinstance(content, dict) else [*range(len(content))]
        key = rng.choice(keys)
        inside = content[key]
        if not (isinstance(inside, dict | list) and inside) or rng.random() < 0.25:
            return content, key
        content = inside
