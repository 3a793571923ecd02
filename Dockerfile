# ganlore in a container: docker build -t ganlore . && docker run --rm -it -v "$PWD:/study" ganlore
#
#   ... ganlore new my-study                  a new study in the folder that is mounted
#   ... snakemake --cores 2                   in /study, with --workdir /study/my-study
#
# With a GPU: --gpus all. The base is the one of the Snakefile's `container:`.
FROM python:3.11

COPY pyproject.toml constraints.txt README.md LICENSE /src/
COPY src /src/src
RUN pip install --no-cache-dir --constraint /src/constraints.txt /src

WORKDIR /study
CMD ["ganlore", "--help"]
