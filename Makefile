# make report   set up .venv if it is missing or stale, then run the default study
# make test     set up, then run all tests
# make site     set up, then make the documentation's site in site/
# make lint     set up, then check style, types, the workflow and the generated parts of the docs

PYTHON ?= python3.11
CORES ?= all
STUDY ?= configs/default.yaml
# after the default study DVC records what there is, a copy in its cache; `make report DVC=no`: not
DVC ?= yes
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: report test lint format site clean

report: .venv/ready
	snakemake --cores $(CORES) --configfile $(STUDY)
ifeq ($(STUDY)$(DVC),configs/default.yamlyes)
	@if [ -e .git ]; then dvc commit --force --quiet; fi
endif

test: .venv/ready
	pytest -n auto --dist worksteal $(ARGS)

lint: .venv/ready
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile src/ganlore/workflow src/ganlore/scaffold/Snakefile
	mypy
	lint-imports
	snakemake --lint
	ganlore docs --check

format: .venv/ready
	ruff check --fix .
	ruff format .
	snakefmt Snakefile src/ganlore/workflow src/ganlore/scaffold/Snakefile
	ganlore docs

# The documentation as a site; nothing is fetched
site: .venv/ready
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --site-dir site

# Made again whenever the dependencies change; `ready` is written last, so a set-up that was
# interrupted is done again.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,slurm]'
	touch $@

clean:
	rm -rf .venv
