"""What a race has begun, so that the same command goes on where it was, whatever ended it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tlbench.errors import UserError
from tlbench.store.disk import writing
from tlbench.store.integrity import unseal, write_sealed

STATE_FILE = "race.json"


@dataclass
class RaceState:
    """A race's rounds, kept in its folder.

    Attributes:
        looks: after how many seeds it is judged; None for the looks of every study.
        rounds: of each, the folders' names of its experiments; written before any of them runs.
        stages: the keys of all stages that it has launched.
        skipped: by target the supports that it does not try, as a predictor said at its start.
        protocol: what its candidates have in common, by dotted key, as its first command had it;
            empty in a file of before it was kept.
    """

    looks: list[int] | None = None
    rounds: list[list[str]] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    protocol: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls, folder: Path, looks: list[int] | None, protocol: Mapping[str, str]
    ) -> "RaceState":
        """Return the state of a folder, or that of a race which has not begun.

        Raises:
            UserError: if the file can't be read, or ``looks`` or the protocol are others than
                those it began with.
        """
        file = folder / STATE_FILE
        try:
            content = unseal(json.loads(file.read_text("utf-8"))) if file.exists() else {}
            state = cls(**(content or {"looks": looks}))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"Remove {file}: it can't be read ({error}); the race then begins anew, and what "
                "is finished is not trained again."
            ) from error
        if state.looks != looks:
            raise UserError(
                f"Change hydra.sweeper.looks to {_shown(state.looks)}: this race began with that, "
                "and looks that are chosen once results are seen would make its level untrue."
            )
        state._check(protocol)
        state.protocol = {**protocol, **state.protocol}
        return state

    def _check(self, protocol: Mapping[str, str]) -> None:
        """Refuse candidates of another protocol, whose runs it would count and not compare."""
        common = [key for key in protocol if key in self.protocol]
        if changed := [key for key in common if self.protocol[key] != protocol[key]]:
            began = " ".join(f"{key}={self.protocol[key]}" for key in changed)
            raise UserError(
                f"Change study, as this race began with {began}: candidates are compared under one "
                "protocol; study=NAME begins another race, and what both share is trained once."
            )

    def begin(self, folder: Path, experiments: Iterable[str], stages: Iterable[str]) -> None:
        """Note a round before it runs."""
        self.rounds.append(list(experiments))
        self.launch(folder, stages)

    def launch(self, folder: Path, stages: Iterable[str]) -> None:
        """Note stages before they are launched; each counts once."""
        self.stages = list(dict.fromkeys([*self.stages, *stages]))
        with writing("hydra.sweep.dir", folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_sealed(folder / STATE_FILE, asdict(self))

    @property
    def experiments(self) -> list[str]:
        """The experiments of all rounds, in their order."""
        return [name for one in self.rounds for name in one]


def _shown(looks: list[int] | None) -> str:
    return "null" if looks is None else f"[{','.join(map(str, looks))}]"
