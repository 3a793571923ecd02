# One training job, and its evaluation, for each run; then one table of all.


rule train:
    input:
        rules.prepare.output,
        settings_known,
        fitted=lambda w: fitted_to(w.dataset, run_of(w).training_extractors),
    output:
        RUN_FOLDER / "run.json",
        kept("snapshots.pt"),
        kept("checkpoint.pt"),
        RUN_FOLDER / "history.csv",
    log:
        RESULTS / "{part}logs/train" / f"{RUN}.log",
    threads: lambda w: run_of(w).training.threads
    resources:
        gpu=lambda w: int(gpu_slots.wanted(run_of(w).training.device)),
    params:
        settings=lambda w: run_of(w).training_settings(),
        code=lambda w: run_of(w).training_code(),
        data=lambda w: str(DATA),
        results=lambda w: str(RESULTS / w.part),
        # measured in the worker; Snakemake's own directive would measure its thin client
        benchmark=lambda w: str(
            RESULTS / w.part / "benchmarks/train" / f"{RUN}.tsv"
        ).format(**w),
    shell:
        "ganlore train --settings {params.settings:q} --data {params.data:q}"
        " --results {params.results:q} --benchmark {params.benchmark:q} > {log:q} 2>&1"


rule evaluate:
    input:
        RUN_FOLDER / "run.json",
        RUN_FOLDER / "snapshots.pt",
        settings_known,
        fitted=lambda w: fitted_to(w.dataset, run_of(w).extractors),
        references=lambda w: references_of(
            w.dataset, run_of(w).extractors, run_of(w).protocol
        ),
    output:
        # and generator.pt, where the study keeps the last snapshot alone: were it named here, a study
        # that begins to keep it would have no provenance of it, and nothing would be evaluated again
        RUN_FOLDER / "evaluation.json",
        RUN_FOLDER / "metrics.csv",
        RUN_FOLDER / "samples.npz",
    log:
        RESULTS / "{part}logs/evaluate" / f"{RUN}.log",
    priority: 5  # finished runs are measured before new ones begin
    resources:
        gpu=lambda w: int(gpu_slots.wanted(run_of(w).protocol.device)),
        keep=KEEP,  # no parameter: a study that keeps more or less runs nothing again
    params:
        settings=lambda w: run_of(w).model_dump_json(),
        code=lambda w: run_of(w).evaluation_code(),
        data=lambda w: str(DATA),
        results=lambda w: str(RESULTS / w.part),
        # measured in the worker; Snakemake's own directive would measure its thin client
        benchmark=lambda w: str(
            RESULTS / w.part / "benchmarks/evaluate" / f"{RUN}.tsv"
        ).format(**w),
    shell:
        "ganlore evaluate --settings {params.settings:q} --data {params.data:q}"
        " --results {params.results:q} --benchmark {params.benchmark:q} --keep {resources.keep:q}"
        " > {log:q} 2>&1"


# All runs are done: what a job waits for that needs none of their files.
rule measured:
    input:
        MEASURED,
    output:
        touch(ALL_MEASURED),
    localrule: True


# What a step costs of the cells that claims about cost compare. It comes after all runs and has all
# cores, so that nothing runs beside it. A time cannot be reproduced, and is measured again only for
# other cells or other code, which have another folder: what it waits for may be as new as it likes.
rule costs:
    input:
        ancient(ALL_MEASURED),
    output:
        COSTS / "record.json",
        COSTS / "rows.json",
    log:
        RESULTS / "logs/costs.log",
    localrule: True
    threads: workflow.cores or 1
    resources:
        study=STUDY_JSON,  # no parameter: a study with other seeds times nothing again
    shell:
        "ganlore costs {resources.study:q} > {log:q} 2>&1"


# A checkpoint: which trials the next rung has, and which settings the study's own runs have, is known
# once it is done. A search that was killed goes on with the trials that are missing.
checkpoint select:
    input:
        trials_of,
    output:
        RESULTS / "search" / "rung{rung}.json",
        RESULTS / "search" / "rung{rung}.csv",
    log:
        RESULTS / "logs/select/rung{rung}.log",
    params:
        study=STUDY_JSON,
        code=fingerprint.of([fingerprint.module("evaluation.searching")]),
    shell:
        "ganlore select {params.study:q} {wildcards.rung} > {log:q} 2>&1"


rule collect:
    input:
        FITTED_ALL,
        REFERENCES_ALL,
        CONTROLS_ALL,
        COSTS_ALL,
        MEASURED,
        expand(RESULTS / "search" / "rung{rung}.json", rung=range(1, RUNGS + 1)),
    output:
        RESULTS / "metrics.parquet",
        RESULTS / "history.parquet",
        RESULTS / "runs.parquet",
        RESULTS / "floor.csv",
        RESULTS / "controls.csv",
        RESULTS / "costs.csv",
        RESULTS / "tables.json",
    log:
        RESULTS / "logs/collect.log",
    params:
        study=STUDY_JSON,
        code=fingerprint.of([fingerprint.module("evaluation.collect")]),
    shell:
        "ganlore collect {params.study:q} > {log:q} 2>&1"
