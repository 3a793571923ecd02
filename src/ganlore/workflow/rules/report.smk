# Figures, tables, the page and the paper; and the numbers that DVC compares.


rule report:
    input:
        rules.collect.output,
        [PLAN.folder(run) / "samples.npz" for run in PLAN.runs],
        expand(PREPARED / "manifest.json", dataset=PLAN.datasets),
    output:
        report(
            REPORTS / "index.html", caption="../captions/page.rst", category="Report"
        ),
        report(
            REPORTS / "leaderboard.csv",
            caption="../captions/leaderboard.rst",
            category="Tables",
        ),
        REPORTS / "numbers.json",
        REPORTS / "numbers.tex",
        report(
            REPORTS / "paper.pdf", caption="../captions/paper.rst", category="Report"
        ),
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


rule summary:
    input:
        rules.collect.output,
    output:
        report(
            RESULTS / "summary/overview.json",
            caption="../captions/overview.rst",
            category="Tables",
        ),
        report(
            RESULTS / "summary/cells.json",
            caption="../captions/cells.rst",
            category="Tables",
        ),
        directory(RESULTS / "summary/fid"),
        directory(RESULTS / "summary/losses"),
    log:
        RESULTS / "logs/summary.log",
    params:
        study=STUDY_JSON,
        code=fingerprint.of([fingerprint.module("api.summary")]),
    shell:
        "ganlore summary {params.study:q} > {log:q} 2>&1"
