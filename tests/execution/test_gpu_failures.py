"""A GPU that vanishes, is too small or is another's: a clear message, and nothing half-written.

There is no GPU here. A plug-in's step raises what torch raises, inside a real `ganlore train`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from test_crashes import LOSS, ganlore
from test_workflow import Project, finished  # noqa: F401
from typer.testing import CliRunner

from ganlore import arrays, storage
from ganlore.cli.main import app
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.execution import gpu
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Run
from tiny import TINY

FAIL = """
import torch
from pathlib import Path

STEPS = []

def fail():
    STEPS.append(1)
    if len(STEPS) > {after} and Path({ill!r}).exists():
        {prepare}
        raise {kind}({text!r})
"""
HINT = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace "
    "below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1"
)
SHORT = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 7.79 GiB of which "
    "1.21 GiB is free. If reserved but unallocated memory is large try setting a variable."
)
VANISHED = ["it has vanished, or its driver failed", "`nvidia-smi`", "dmesg"]
SAVED = "a run goes on from its last saved state"
MEMORY = (
    "torch.cuda.is_initialized = lambda: True; "
    "torch.cuda.mem_get_info = lambda: ({free} << 20, 80_000 << 20); "
    "torch.cuda.memory_reserved = lambda: 1_000 << 20; "
    "torch.cuda.max_memory_reserved = lambda: 1_500 << 20"
)
FORMS = {
    # name: what torch raises, with which text, after what, and what is said
    "launch": ("torch.AcceleratorError", f"CUDA error: unspecified launch failure{HINT}", "pass",
               [*VANISHED, "unspecified launch failure", SAVED]),
    "no-device": ("torch.AcceleratorError", f"CUDA error: no CUDA-capable device is detected{HINT}", "pass",
                  [*VANISHED, "no CUDA-capable device", SAVED]),
    "driver": ("torch.AcceleratorError", "CUDA driver error: unknown error", "pass", [*VANISHED, SAVED]),
    "init": ("torch.AcceleratorError", "CUDA unknown error - this may be due to an incorrectly set up "
             "environment", "pass", [*VANISHED, SAVED]),
    "ecc": ("torch.AcceleratorError", f"CUDA error: uncorrectable ECC error encountered{HINT}", "pass",
            ["its memory is damaged", "-d ECC", "CUDA_VISIBLE_DEVICES", SAVED]),
    "exclusive": ("torch.AcceleratorError", "CUDA error: CUDA-capable device(s) is/are busy or unavailable"
                  f"{HINT}", "pass", ["another process has it to itself", "compute mode", SAVED]),
    "cudnn": ("RuntimeError", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "pass", VANISHED),
    "foreign": ("torch.OutOfMemoryError", SHORT, MEMORY.format(free=1_240),
                ["training.batch = 16", "this run held 1,500 MiB; of the GPU's 80,000 MiB, 1,240 MiB "
                 "are free and 77,760 MiB are held by others", "programs that are not ganlore's"]),
    "libraries": ("RuntimeError", "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
                  MEMORY.format(free=78_500), ["the GPU has too little memory for training.batch = 16"]),
    "own": ("torch.OutOfMemoryError", SHORT, MEMORY.format(free=78_500),
            ["training.batch = 16", "500 MiB are held by others", "mlp's width"]),
}  # fmt: skip


def break_gpu(folder: Path, form: str, after: int = 0) -> Path:
    """A loss `bad` among a folder's plug-ins that fails while a file is there; gives that file.

    Args:
        folder: where a study is started.
        form: of `FORMS`.
        after: steps that a process makes before.
    """
    kind, text, prepare, _ = FORMS[form]
    ill = (folder / "the GPU fails").resolve()
    ill.touch()
    start = FAIL.format(after=after, ill=str(ill), prepare=prepare, kind=kind, text=text)
    (folder / "plugins/losses").mkdir(parents=True)
    source = LOSS.format(start=start, step="fail()")
    (folder / "plugins/losses/bad.py").write_text(source, encoding="utf-8")
    return ill


def bad_run(stores: dict[str, Store]) -> Run:
    """The run of `bad` in a study of two, in the working directory."""
    axes = {"datasets": ["ring"], "networks": ["mlp"], "tricks": ["none"]}
    data = str(stores["ring"].folder.parents[1])
    study = schema.merge(TINY, {"grids": [{**axes, "losses": ["bad", "hinge"]}], "data": data})
    Path("study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    return expand(schema.load("study.yaml")).runs[0]


def half_written(results: Path) -> list[str]:
    """Files that a write left unfinished, and states that cannot be read."""
    states = [path for path in (results / "state").rglob("*.pt") if not arrays.read_sealed(path)]
    names = [path for path in results.rglob("*") if path.name != ".snakemake_timestamp"]
    temporary = [path for path in names if path.name.startswith((".", "tmp"))]
    return list(map(str, [*states, *temporary]))


@pytest.mark.parametrize("form", FORMS)
def test_a_gpu_that_fails_is_told(form: str, stores, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    break_gpu(tmp_path, form)
    run = bad_run(stores)
    done = ganlore("train", run.id, "--study", "study.yaml")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert run.id in done.stderr
    for part in FORMS[form][-1]:
        assert part in done.stderr, done.stderr
    assert ("programs that are not ganlore's" in done.stderr) == (form == "foreign")
    assert "CUDA_LAUNCH_BLOCKING" not in done.stderr and "try setting" not in done.stderr
    failed = storage.read_json(Path("results/state") / run.id / "failed.json", "")
    assert FORMS[form][-1][0] in failed["error"]
    assert "failed       1" in CliRunner().invoke(app, ["status", "study.yaml"]).output
    assert not (Path("results/runs") / run.id).exists() and half_written(Path("results")) == []


def test_once_the_gpu_works_the_run_goes_on_to_the_same_bits(
    stores, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ill = break_gpu(tmp_path, "launch", after=4)
    run = bad_run(stores)
    words = ("--study", "study.yaml", "--save-every", "0")
    assert ganlore("train", run.id, *words).returncode == 1
    assert arrays.read_sealed(Path("results/state") / run.id / "state.pt")["step"] == 4
    ill.unlink()
    again = ganlore("train", run.id, *words)
    assert again.returncode == 0 and "continuing after 4 steps" in again.stderr
    resumed = (Path("results/runs") / run.id / "checkpoint.pt").read_bytes()
    shutil.rmtree("results")
    assert ganlore("train", run.id, *words).returncode == 0
    assert (Path("results/runs") / run.id / "checkpoint.pt").read_bytes() == resumed


@pytest.mark.parametrize("text", ["a bug", "CUDA error: device-side assert triggered"])
def test_an_error_of_the_code_is_what_it_is(text: str) -> None:
    with pytest.raises(RuntimeError, match=text), gpu.failure_explained("run x"):
        raise RuntimeError(text)


@pytest.mark.parametrize("device", ["", "GPU-aaaa"])
def test_the_gpu_is_named_without_asking_it(monkeypatch, device: str) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("a GPU that has failed was asked")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", device)
    for name in ("mem_get_info", "get_device_name", "is_initialized"):
        monkeypatch.setattr(torch.cuda, name, asked)
    with pytest.raises(GanloreError) as caught, gpu.failure_explained("evaluation of run x"):
        raise torch.AcceleratorError(FORMS["launch"][1])
    named = f"the GPU {device} failed" if device else "the GPU failed"
    assert named in str(caught.value) and str(caught.value).startswith("evaluation of run x")


def test_memory_that_lacks_outside_training_names_no_batch() -> None:
    with pytest.raises(GanloreError) as caught, gpu.failure_explained("extractor inception on x"):
        raise torch.OutOfMemoryError(SHORT)
    assert "training.batch" not in str(caught.value) and "allocate 2.50 GiB" in str(caught.value)


@pytest.mark.workflow
def test_the_other_runs_of_a_workflow_go_on(finished: Project, tmp_path: Path) -> None:  # noqa: F811
    """Two of four runs lose their GPU; the other two are done, and later so are all."""
    project = finished.copy(tmp_path / "project")
    ill = break_gpu(project.folder, "launch")
    axes = {"datasets": ["ring"], "networks": ["mlp"], "tricks": ["none"]}
    project.study(seeds=[0, 1], grids=[{**axes, "losses": ["bad", "hinge"]}])
    said = project.run("snakemake", "-k", "--cores", "2", check=False)
    assert "Error in rule train" in said
    status = project.run("ganlore", "status")
    assert "failed       2" in status and "done         2" in status
    for seed in (0, 1):
        log = project.folder / f"results/logs/train/ring/mlp/bad/none/base/seed{seed}.log"
        assert "it has vanished, or its driver failed" in log.read_text(encoding="utf-8")
    assert half_written(project.folder / "results") == []
    assert not list((project.folder / "results/runs").rglob("bad/**/*.pt"))
    ill.unlink()
    project.snakemake()
    assert "done         4" in project.run("ganlore", "status")
    assert "0 findings" in project.run("ganlore", "verify")
