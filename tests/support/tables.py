"""Records as tables."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from tests.support.planted import write
from tlbench.analysis.collect import collect
from tlbench.records.record import ResultRecord

Table = Callable[[Iterable[ResultRecord]], pd.DataFrame]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Records as ``collect`` reads them from disk."""

    def make(records: Iterable[ResultRecord]) -> pd.DataFrame:
        return collect([write(records, tmp_path / "study")]).table

    return make
