# The DAG of a study: data -> runs -> one table -> the report.
#
#   snakemake --cores 8                                       configs/default.yaml
#   snakemake --cores 8 --configfile configs/smoke.yaml       another study
#   snakemake --cores 8 --config 'seeds=[0,1,2,3]'            the default study, with a key changed

STUDY_FILE = "configs/default.yaml"


# The rules are part of the package, so that they work outside of this repository too.
include: "src/ganlore/workflow/main.smk"


rule all:
    default_target: True
    input:
        TARGETS,
