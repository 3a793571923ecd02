# The workflow of a study: data -> runs -> one table -> the report. Nothing here imports torch.
#
# A Snakefile includes this file; it may set STUDY_FILE, the study without --configfile, before.

import subprocess
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from ganlore.cli import remote_jobs, worker_server
from ganlore.errors import GanloreError
from ganlore.execution import gpu_slots
from ganlore.forecast.summary import TOO_LITTLE_DISK_SPACE, UNMET_NEEDS
from ganlore.study import fingerprint, keep, registry, schema, search, trials, weights
from ganlore.study.expand import expand as expand_study

min_version("9.0")


# Used only by who asks for it (--software-deployment-method apptainer); the ordinary way is the
# environment that `make report` sets up.
container: "docker://python:3.11"


include: "rules/study.smk"
include: "rules/data.smk"
include: "rules/runs.smk"
include: "rules/report.smk"


# Jobs that may use a GPU at a time: `--resources gpu=N`, or all places that there are. Each job takes
# one of them by itself (ganlore.execution.gpu_slots); Snakemake only counts, and assigns none.
if "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", gpu_slots.total())


# A job that is sent to another machine (profiles/slurm) is a Snakemake of its own there, without hooks,
# for one job or for a group of them. It runs them itself, as many at a time as it has cores: Slurm's
# plug-in would start one after the other, each with one more Snakemake.
if workflow.remote_exec:
    remote_jobs.begin()
    workflow.localrules(*(rule.name for rule in workflow.rules))
    workflow.global_resources["_nodes"] = None


# Training and evaluation run in workers that have imported torch already. Not for a dry run.
onstart:
    if subprocess.run(["ganlore", "needs", STUDY_JSON]).returncode == UNMET_NEEDS:
        raise WorkflowError(
            "the study was not begun: something that it needs is missing"
        )
    if workflow.local_exec:
        worker_server.start()
    if STUDY.keep.check_room:
        asked = [
            "ganlore",
            "disk-space",
            STUDY_JSON,
            "--jobs",
            str(workflow.cores or 1),
        ]
        if subprocess.run(asked).returncode == TOO_LITTLE_DISK_SPACE:
            raise WorkflowError(
                "the study was not begun: too little space on the disk"
            )
    # A limit of jobs a second (100 by default) makes Snakemake look at all waiting jobs again a second
    # after each look, and so ever more often: with 1,000 jobs that took a third of a core.
    workflow.scheduler.job_rate_limiter = None


# What the rule `all` of a Snakefile has as input: an included file can set no default target.
TARGETS = [
    RESULTS / "metrics.parquet",
    REPORTS / "index.html",
    RESULTS / "summary/overview.json",
    *MEASURED,
]


rule data:
    input:
        expand(PREPARED / "manifest.json", dataset=PLAN.datasets),
        FITTED_ALL,
        REFERENCES_ALL,


rule runs:
    input:
        RESULTS / "metrics.parquet",
