# Figures, tables, the page and the paper.


rule report:
    input:
        rules.collect.output,
        [PLAN.folder(run) / "samples.npz" for run in PLAN.runs],
        expand(PREPARED / "manifest.json", dataset=PLAN.datasets),
    output:
        REPORTS / "index.html",
        REPORTS / "leaderboard.csv",
        REPORTS / "numbers.json",
        REPORTS / "numbers.tex",
        REPORTS / "paper.pdf",
        REPORTS / "report.json",
        directory(REPORTS / "figures"),
        directory(REPORTS / "pictures"),
        directory(REPORTS / "tables"),
    log:
        RESULTS / "logs/report.log",
    params:
        study=STUDY_JSON,
        code=fingerprint.report(),
        facts=PLAN.facts_hash(),
    shell:
        "ganlore report {params.study:q} > {log:q} 2>&1"
