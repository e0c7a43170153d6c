"""Logs a report as a Weights & Biases run of the job type ``report``, in the study's group."""

from typing import Any

from tlbench.analysis.collect import Records
from tlbench.jobs.loggers import RunInfo
from tlbench.jobs.wandb_log import WandbLog
from tlbench.records.provenance import git_revision
from tlbench.report.report import Report


def log_report(study: Records, report: Report) -> None:
    """Log tables, figures and page; offline where there is no login, as jobs are.

    The run goes to the project and entity that the study's own runs went to.
    """
    import wandb

    name = ", ".join(sorted(study.table.study.astype(str).unique()))
    config = {"git_revision": git_revision(), "records": len(study.table)}
    title, tags = f"report {name}", ("report",)
    # As of a sweep, for the id that a variable gives is a job's.
    job = RunInfo(title, name, "report", tags, config, report.folder, in_sweep=True)
    opened = WandbLog(job, group=name, job_type=job.kind, **_options(study))
    media: dict[str, Any] = {"page": wandb.Html(report.page.read_text("utf-8"), inject=False)}
    for key, table in report.tables.items():
        media[f"tables/{key}"] = wandb.Table(dataframe=table.words())
    for key, file in report.figures.items():
        media[f"figures/{key}"] = wandb.Image(str(file))
    opened.run.log(media)
    opened.finish({"records": len(study.table)}, failed=False)


def _options(study: Records) -> dict[str, Any]:
    """Return project and entity of the study's runs; the usual ones where it was not logged."""
    logged = study.table[study.table.wandb_project.ne("")]
    if logged.empty:
        return {}
    first = logged.iloc[0]
    return {"project": str(first.wandb_project), "entity": first.wandb_entity or None}
