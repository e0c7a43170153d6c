"""The runs of a record's setting: those of its study that differ from it in the seed alone."""

from typing import NamedTuple

from tlbench.config.identity import setting_name
from tlbench.errors import UserError
from tlbench.export.chosen import Chosen, of_record
from tlbench.records.record import RECORD_FILE, read_record


class Seeds(NamedTuple):
    """The runs of a setting.

    Attributes:
        chosen: of each finished one the last stage, by seed.
        left_out: of each other one, by seed, what became of it: ``failed`` or ``diverged``.
    """

    chosen: dict[int, Chosen]
    left_out: dict[int, str]

    def __str__(self) -> str:
        said = f"seeds {', '.join(map(str, self.chosen))}"
        out = ", ".join(f"{seed} ({status})" for seed, status in self.left_out.items())
        return f"{said}; left out: {out}" if out else said


def seeds_of(chosen: Chosen) -> Seeds:
    """Return all runs of a record's setting, in the order of seeds; of each the same task.

    Raises:
        UserError: if one of the study's records can't be read, or just one run is finished.
    """
    study = chosen.file.resolve().parent.parent
    setting = setting_name(chosen.record.config)
    found = [(read_record(file), file) for file in study.glob(f"*/{RECORD_FILE}")]
    alike = sorted(
        ((record, file) for record, file in found if setting_name(record.config) == setting),
        key=lambda one: one[0].seed,
    )
    finished = {
        record.seed: of_record(file, chosen.task.name, chosen.trust)
        for record, file in alike
        if record.status == "done"
    }
    if len(finished) < 2:
        raise UserError(
            f"Leave out --ensemble: {study} has no finished run of another seed that is like "
            f"{chosen.file}."
        )
    others = {record.seed: record.status for record, _ in alike if record.status != "done"}
    return Seeds(finished, others)
