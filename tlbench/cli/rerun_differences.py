"""What differs between two records of one experiment, beside their scores."""

from typing import Any

from tlbench.records.record import CONDITIONS, ResultRecord


def differences(old: ResultRecord, new: ResultRecord) -> dict[str, tuple[Any, Any]]:
    """Return what differs of files, rows, versions and conditions: by name (then, now).

    Stages differ by their rows and by overrides, for their keys hash what they were made of. The
    conditions under which each was trained are compared if the older record holds them.
    """
    then, now = _provenance(old), _provenance(new)
    # A record of an earlier version may hold no digests, or no stages: what it does not know is no
    # difference.
    if old.digests:
        then |= _digests(old)
        now |= _digests(new)
    if old.stages and len(old.stages) == len(new.stages):
        for old_stage, new_stage in zip(old.stages, new.stages, strict=True):
            then |= _stage_conditions(old_stage)
            now |= _stage_conditions(new_stage)
    names = sorted({*then, *now})
    return {n: (then.get(n), now.get(n)) for n in names if then.get(n) != now.get(n)}


def _provenance(record: ResultRecord) -> dict[str, Any]:
    values = {
        "git revision": record.git_revision,
        "device": record.device,
        "stages": " ".join(record.stage_keys),
    }
    if record.encoder_identity:
        values["encoder files"] = record.encoder_identity
    return {**record.versions, **values}


def _digests(record: ResultRecord) -> dict[str, str]:
    return {
        f"rows of {task}, {split}": digest[:8]
        for task, splits in record.digests.items()
        for split, digest in splits.items()
    }


def _stage_conditions(stage: dict[str, Any]) -> dict[str, Any]:
    values = {name: stage.get(name) for name in CONDITIONS} | (stage.get("versions") or {})
    return {f"{stage['title']}: {name}": value for name, value in values.items()}
