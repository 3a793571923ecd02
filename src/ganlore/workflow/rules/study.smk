# The study, its plan of runs, and the places of all files.

import functools
import json
import os
import sys


def read_study():
    """The study of --configfile, or the Snakefile's own, with the keys of --config put over it."""
    files = [Path(name) for name in workflow.overwrite_configfiles]
    files = files or [Path(workflow.basedir) / STUDY_FILE]
    document = {}
    for file in files:
        document = schema.merge(document, schema.read(file))
    # not `config`: that has the files as Snakemake reads them, where `yes` is true and 010 is eight
    changes = dict(workflow.config_settings.config)
    document = schema.merge(document, schema.with_claims(changes, file.parent))
    document.pop("extends", None)
    where = ", ".join(str(file) for file in files)
    return schema.parse(document, where)


try:
    STUDY = read_study()
    PLAN = expand_study(STUDY)
except GanloreError as error:
    sys.tracebacklimit = 0
    raise WorkflowError(str(error)) from None

STUDY_JSON = STUDY.model_dump_json(exclude_defaults=True)
RUNS = PLAN.by_id
KEEP = STUDY.keep.model_dump_json()
# For the jobs, on a cluster's nodes too, where this is read again; why not in their commands: `Beside`
os.environ[keep.BESIDE] = STUDY.beside.model_dump_json()

DATA = Path(STUDY.data)
RESULTS = Path(STUDY.results)
REPORTS = Path(STUDY.reports)
PREPARED = DATA / "prepared" / "{dataset}"
FITTED = DATA / "extractors" / "{dataset}" / "{extractor}"
REFERENCE = FITTED / "reference" / "{protocol}"
RUN = "{dataset}/{network}/{loss}/{trick}/{variant}/seed{seed}"
# "" for the study's own runs, "search/rung1/" for a search's trials
RUN_FOLDER = RESULTS / "{part}runs" / RUN
RUNGS = len(STUDY.search.rungs) if STUDY.search else 0


def kept(name):
    """A file of a training; one that the study does not keep goes once it is evaluated."""
    path = RUN_FOLDER / name
    return temp(path) if name in STUDY.keep.discarded else path


def fitted_to(dataset, extractors):
    """The records of extractors that are fitted to a data set."""
    record = str(FITTED / "record.json")
    return [record.format(dataset=dataset, extractor=name) for name in extractors]


def workers(w):
    """Cores that share the features of an extractor that makes them in parts, without a GPU."""
    parts = registry.declaration("extractor", w.extractor).fact("part", None)
    gpu = gpu_slots.wanted(PLAN.protocols[w.dataset][0].device)
    return 16 if parts and not gpu else 1


FITTED_ALL = [
    record
    for dataset, extractors in PLAN.extractors.items()
    for record in fitted_to(dataset, extractors)
]


def references_of(dataset, extractors, protocol):
    """The records of what is measured of a data set alone."""
    record = str(REFERENCE / "record.json")
    return [
        record.format(dataset=dataset, extractor=name, protocol=protocol.place)
        for name in extractors
    ]


CONTROLS_ALL = [
    str(REFERENCE / "controls/record.json").format(
        dataset=dataset, extractor=name, protocol=protocol.place
    )
    for (dataset, name), protocol in PLAN.controls.items()
]

ALL_MEASURED = RESULTS / "logs/measured"
COSTS = PLAN.costs_folder
# with what costs wait for: of a job behind that alone Snakemake looks no further for reasons to run
COSTS_ALL = [COSTS / "record.json", ALL_MEASURED] if PLAN.costs else []

REFERENCES_ALL = [
    record
    for (dataset, extractor), protocol in PLAN.references.items()
    for record in references_of(dataset, [extractor], protocol)
]

# What a search chooses by is another protocol than what the study is judged by.
PROTOCOLS = {
    (dataset, protocol.place): protocol
    for plan in (PLAN, *(trials.forecast(STUDY)[:1] if RUNGS else ()))
    for dataset, (protocol, _) in plan.protocols.items()
}


@functools.cache
def raw_key(dataset):
    """What changes when the user's own files change that a data set is prepared from."""
    reads = registry.declaration("dataset", dataset).fact("reads", {})
    if not reads:
        return ""
    # it imports numpy, which other studies are planned without
    from ganlore.data import _raw

    settings = PLAN.datasets[dataset]
    return _raw.key(reads, settings, DATA / "prepared" / dataset)


WEIGHTS = {
    name: needed.path(DATA)
    for name in sorted(
        {
            name
            for plan in (PLAN, *(trials.forecast(STUDY)[:1] if RUNGS else ()))
            for many in plan.extractors.values()
            for name in many
        }
    )
    if (needed := weights.of(name))
}


# What collection reads of each run, and what stays of it whatever the study keeps.
MEASURED = [
    PLAN.folder(run) / name
    for run in PLAN.runs
    for name in ("run.json", "history.csv", "evaluation.json", "metrics.csv")
]


@functools.cache
def plan_of(rung, _written):
    """The trials of a rung of the search; for 0 the study's own runs, once it is done."""
    return trials.of_rung(STUDY, rung) if rung else expand_study(STUDY)


def run_of(wildcards):
    """The run that a job's wildcards name."""
    if not RUNGS:
        return RUNS[RUN.format(**wildcards)]
    rung = int("".join(filter(str.isdigit, wildcards.part)) or 0)
    before = search.record(STUDY, rung - 1 if rung else RUNGS)
    written = before.stat().st_mtime_ns if before.exists() else None
    return plan_of(rung, written).by_id[RUN.format(**wildcards)]


def settings_known(wildcards):
    """What a run's settings wait for: the whole search, or the rung before a trial's own."""
    rung = int("".join(filter(str.isdigit, wildcards.part)) or RUNGS + 1)
    return checkpoints.select.get(rung=rung - 1).output if RUNGS and rung > 1 else []


def trials_of(wildcards):
    """What a rung's selection reads of its trials; they are known once the rung before is done."""
    rung = int(wildcards.rung)
    if rung > 1:
        checkpoints.select.get(rung=rung - 1)
    plan = trials.of_rung(STUDY, rung)
    return [
        plan.folder(run) / name
        for run in plan.runs
        for name in ("run.json", "history.csv", "evaluation.json", "metrics.csv")
    ]


wildcard_constraints:
    dataset="[^/]+",
    network="[^/]+",
    loss="[^/]+",
    trick="[^/]+",
    variant="[^/]+",
    extractor="[^/]+",
    protocol="[^/]+",
    file="[^/]+",
    seed=r"\d+",
    rung=r"\d+",
    part=r"(search/rung\d+/)?",
