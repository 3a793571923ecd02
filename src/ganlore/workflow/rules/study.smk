# The study, its plan of runs, and the places of all files.

import functools
import json
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

DATA = Path(STUDY.data)
RESULTS = Path(STUDY.results)
REPORTS = Path(STUDY.reports)
PREPARED = DATA / "prepared" / "{dataset}"
FITTED = DATA / "extractors" / "{dataset}" / "{extractor}"
REFERENCE = FITTED / "reference" / "{protocol}"
RUN = "{dataset}/{network}/{loss}/{trick}/{variant}/seed{seed}"
RUN_FOLDER = RESULTS / "runs" / RUN


def kept(name):
    """A file of a training; one that the study does not keep goes once it is evaluated."""
    path = RUN_FOLDER / name
    return temp(path) if name in STUDY.keep.discarded else path


def fitted_to(dataset, extractors):
    """The records of extractors that are fitted to a data set."""
    record = str(FITTED / "record.json")
    return [record.format(dataset=dataset, extractor=name) for name in extractors]


FITTED_ALL = [
    record
    for dataset, extractors in PLAN.extractors.items()
    for record in fitted_to(dataset, extractors)
]


def references_of(dataset, extractors):
    """The records of what is measured of a data set alone."""
    record = str(REFERENCE / "record.json")
    return [
        record.format(
            dataset=dataset,
            extractor=name,
            protocol=PLAN.references[dataset, name].place,
        )
        for name in extractors
    ]


REFERENCES_ALL = [
    record for key in PLAN.references for record in references_of(key[0], [key[1]])
]


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
    for name in sorted({name for many in PLAN.extractors.values() for name in many})
    if (needed := weights.of(name))
}


# What collection reads of each run, and what stays of it whatever the study keeps.
MEASURED = [
    PLAN.folder(run) / name
    for run in PLAN.runs
    for name in ("run.json", "history.csv", "evaluation.json", "metrics.csv")
]


def run_of(wildcards):
    """The run that a job's wildcards name."""
    return RUNS[RUN.format(**wildcards)]


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
