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
    shell:
        "ganlore prepare {wildcards.dataset} --settings {params.settings:q}"
        " --data {params.data:q} > {log:q} 2>&1"


rule extract:
    input:
        rules.prepare.output,
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
    params:
        code=lambda w: fingerprint.extraction(w.extractor),
        data=lambda w: str(DATA),
    shell:
        "ganlore extract {wildcards.dataset} {wildcards.extractor}"
        " --data {params.data:q} > {log:q} 2>&1"
