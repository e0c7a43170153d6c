import hashlib
import json

import pytest

from tests.support.experiments import Compose
from tlbench.config.identity import identity_of, job_folder_name, unresolved
from tlbench.config.remembered import Remembered


def test_the_same_object_is_worked_on_once() -> None:
    once, calls = Remembered(), []

    def size(values: list[int], by: float) -> float:
        calls.append(values)
        return len(values) * by

    same, equal = [1], [1]
    assert once(size, same, 2) == once(size, same, 2) == once(size, equal, 2) == 2
    assert [id(one) for one in calls] == [id(same), id(equal)]
    assert once(size, same, 2.0) == 2.0  # a fraction is another number
    assert len(calls) == 3


def test_an_error_is_not_remembered() -> None:
    once, calls = Remembered(), []

    def fail(name: str) -> None:
        calls.append(name)
        raise ValueError(name)

    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            once(fail, "a")
    assert calls == ["a", "a"]


def test_a_folder_is_named_by_the_json_of_what_was_asked(compose: Compose) -> None:
    once = Remembered()
    for overrides in ([], ["seed=1"], ["strategy=mtl", "support_task=mnli"], ["optim.lr=1e-3"]):
        plain = unresolved(compose(*overrides))
        text = json.dumps(identity_of(plain), sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        assert job_folder_name(plain, once) == job_folder_name(plain)
        assert job_folder_name(plain).endswith(digest)
