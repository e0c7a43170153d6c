import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.planted import grid, none, record, write
from tlbench.analysis.collect import collect
from tlbench.cli.report import main
from tlbench.errors import UserError
from tlbench.records.packing import pack

PAIR = {"rte": 100, "mnli": 400}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write(grid(PAIR, none, seeds=range(3)), tmp_path / "study")
    failed = record("mtl", "rte", "mnli", PAIR, 9, float("nan"), status="failed", error="no \ud83d")
    write([failed], tmp_path / "study" / "more")
    return tmp_path / "study"


def test_packed_records_give_the_same_table(study: Path, tmp_path: Path) -> None:
    read = collect([study])
    assert pack([study], tmp_path / "packed.parquet") == (len(read.table), 0)
    again = collect([tmp_path / "packed.parquet"])
    assert again.table.drop(columns="file").equals(read.table.drop(columns="file"))
    assert again.protocols.flat == read.protocols.flat
    # Names, but no place on this machine.
    assert again.table.file[0].startswith("study/")
    assert str(tmp_path).encode() not in (tmp_path / "packed.parquet").read_bytes()


def test_what_is_packed_can_be_packed_again_with_more(study: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    pack([study], one)
    write([record("single", "rte", None, PAIR, 50, 0.5)], tmp_path / "other")
    assert pack([one, tmp_path / "other"], two)[0] == len(collect([one]).table) + 1
    assert set(collect([two]).table.seed) == {0, 1, 2, 9, 50}


@pytest.mark.slow
def test_the_command_makes_the_same_report_of_it(study: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.parquet"
    assert main([str(study), "--out", str(tmp_path / "a"), "--pack", str(packed)]) == 0
    assert main([str(packed), "--out", str(tmp_path / "b")]) == 0
    made = sorted(file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*.csv"))
    for name in [name for name in made if name.name != "records.csv"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "b" / "figures" / "heat_map.svg").is_file()


def test_a_changed_record_is_named_and_left_out(study: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.parquet"
    pack([study], packed)
    table = pq.read_table(packed)
    records = table["record"].to_pylist()
    records[0] = json.dumps(json.loads(records[0]) | {"score": "high"})
    pq.write_table(table.set_column(1, "record", pa.array(records)), packed)
    read = collect([packed])
    assert len(read.table) == len(table) - 1
    assert len(read.problems) == 1


def test_what_is_no_packed_file_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.parquet").write_text("text")
    pq.write_table(pa.table({"other": [1]}), tmp_path / "other.parquet")
    for name in ("text.parquet", "other.parquet"):
        with pytest.raises(
            UserError, match=f"Give another study: .*{name} holds no packed records"
        ):
            collect([tmp_path / name])
    assert main([str(tmp_path), "--pack", "records.csv"]) == 1
    assert capsys.readouterr().err == "Change --pack: records.csv does not end in .parquet.\n"


def test_a_pack_of_itself_keeps_all_records(study: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.parquet"
    many, _ = pack([study], packed)
    content = packed.read_bytes()
    assert pack([packed], packed) == (many, 0)
    assert many > 0
    assert packed.read_bytes() == content
    assert sorted(tmp_path.glob("packed*")) == [packed]


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--out", "--pack"])
def test_a_place_that_is_a_file(
    study: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    places = {"--out": tmp_path / "out", option: tmp_path / "file" / "x.parquet"}
    assert main([str(study), *(str(w) for pair in places.items() for w in pair)]) == 1
    assert f"change {option}: " in capsys.readouterr().err


def test_trials_of_a_study_are_none_of_its_records(study: Path) -> None:
    before = len(collect([study]).table)
    write(grid(PAIR, none, seeds=range(2)), study / "trials")
    (study / "trials" / "multirun.yaml").touch()
    assert len(collect([study]).table) > before, "a folder that is only called so"
    (study / "multirun.yaml").touch()
    assert len(collect([study]).table) == before
    assert set(collect([study / "trials"]).table.seed) == {0, 1}
