# Data sets, brought into one store, and the extractors fitted to them.


rule prepare:
    output:
        PREPARED / "manifest.json",
        PREPARED / "train.npy",
        PREPARED / "test.npy",
    log:
        RESULTS / "logs/prepare/{dataset}.log",
    benchmark:
        RESULTS / "benchmarks/prepare/{dataset}.tsv"
    params:
        settings=lambda w: json.dumps(PLAN.datasets[w.dataset]),
        code=lambda w: fingerprint.preparation(w.dataset),
        data=lambda w: str(DATA),
        raw=lambda w: raw_key(w.dataset),
    shell:
        "ganlore prepare {wildcards.dataset} --settings {params.settings:q}"
        " --data {params.data:q} --key={params.raw:q} > {log:q} 2>&1"


# A file that is put there by hand is used like a fetched one; its hash is checked by all who read it.
rule fetch:
    output:
        DATA / "weights" / "{file}",
    log:
        RESULTS / "logs/fetch/{file}.log",
    localrule: True  # a cluster's nodes may have no network
    params:
        extractor=lambda w: next(
            name for name, file in WEIGHTS.items() if file.name == w.file
        ),
        data=lambda w: str(DATA),
    shell:
        "ganlore fetch {params.extractor} --data {params.data:q} > {log:q} 2>&1"


rule extract:
    input:
        rules.prepare.output,
        weights=lambda w: WEIGHTS.get(w.extractor, []),
    output:
        FITTED / "record.json",
        FITTED / "weights.pt",
        FITTED / "train.npy",
        FITTED / "test.npy",
    log:
        RESULTS / "logs/extract/{dataset}/{extractor}.log",
    benchmark:
        RESULTS / "benchmarks/extract/{dataset}/{extractor}.tsv"
    priority: 10  # evaluations wait for it, and training that uses it
    threads: workers
    resources:
        gpu=lambda w: int(gpu_slots.wanted(PLAN.protocols[w.dataset][0].device)),
    params:
        code=lambda w: fingerprint.extraction(w.extractor),
        data=lambda w: str(DATA),
        device=lambda w: PLAN.protocols[w.dataset][0].device,
    shell:
        "ganlore extract {wildcards.dataset} {wildcards.extractor}"
        " --data {params.data:q} --device {params.device} --workers {threads}"
        " > {log:q} 2>&1"


rule reference:
    input:
        rules.prepare.output,
        rules.extract.output,
    output:
        REFERENCE / "record.json",
        REFERENCE / "statistics.npz",
        REFERENCE / "floor.json",
    log:
        RESULTS / "logs/reference/{dataset}/{extractor}/{protocol}.log",
    benchmark:
        RESULTS / "benchmarks/reference/{dataset}/{extractor}/{protocol}.tsv"
    priority: 8  # evaluations wait for it
    resources:
        gpu=lambda w: int(gpu_slots.wanted(PLAN.protocols[w.dataset][0].device)),
    params:
        code=lambda w: fingerprint.reference(w.extractor),
        protocol=lambda w: PROTOCOLS[w.dataset, w.protocol].model_dump_json(),
        data=lambda w: str(DATA),
    shell:
        "ganlore reference {wildcards.dataset} {wildcards.extractor}"
        " --protocol {params.protocol:q} --data {params.data:q} > {log:q} 2>&1"


# Real data in disguise, where the study's claims ask for them.
rule controls:
    input:
        rules.prepare.output,
        rules.reference.output,
    output:
        REFERENCE / "controls/record.json",
        REFERENCE / "controls/rows.json",
    log:
        RESULTS / "logs/controls/{dataset}/{extractor}/{protocol}.log",
    benchmark:
        RESULTS / "benchmarks/controls/{dataset}/{extractor}/{protocol}.tsv"
    resources:
        gpu=lambda w: int(gpu_slots.wanted(PLAN.protocols[w.dataset][0].device)),
    params:
        code=lambda w: fingerprint.controls(w.extractor),
        protocol=lambda w: PLAN.protocols[w.dataset][0].model_dump_json(),
        data=lambda w: str(DATA),
    shell:
        "ganlore controls {wildcards.dataset} {wildcards.extractor}"
        " --protocol {params.protocol:q} --data {params.data:q} > {log:q} 2>&1"
