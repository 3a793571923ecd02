"""The container image has what a wheel needs, and is built where Docker runs."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tiny import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8")
    copied = [
        name for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.M) for name in line.split()[:-1]
    ]
    assert "pyproject.toml" in copied and "src" in copied
    for name in copied:
        assert (REPOSITORY / name).exists() and f"!{name}\n" in ignored


def test_its_base_is_the_workflow_s() -> None:
    workflow = (REPOSITORY / "src/ganlore/workflow/main.smk").read_text(encoding="utf-8")
    (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, re.M)
    assert f'container: "docker://{base}"' in workflow


def test_it_is_built() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no Docker daemon")
    (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, re.M)
    if subprocess.run([docker, "pull", "-q", base], capture_output=True, check=False).returncode:
        pytest.skip(f"the image {base} cannot be fetched")
    subprocess.run([docker, "build", "-q", "-t", "ganlore-test", str(REPOSITORY)], check=True)
    command = [docker, "run", "--rm", "ganlore-test", "ganlore", "--version"]
    assert "ganlore" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
