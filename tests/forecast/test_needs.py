"""What a study needs from outside is looked for before its first job, and an advice works."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
from typer.testing import CliRunner

import ganlore.data as datasets
from ganlore import features, storage
from ganlore.cli.main import app
from ganlore.data import Split
from ganlore.errors import GanloreError
from ganlore.execution import status
from ganlore.study import compatibility, needs, registry, schema, weights
from ganlore.study.expand import expand
from tiny import REPOSITORY, TINY, tiny

PICTURES = {"settings": {"datasets": {"folder": {"path": "my/too", "labels": False, "size": 32}}}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, no network, and no extra that brings weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GANLORE_INCEPTION", raising=False)
    monkeypatch.setattr(weights.Package, "path", None)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def planned(dataset: str, command: str = "plan", **changes: Any) -> tuple[int, str]:
    """Status and output of a command for a small study of a data set."""
    grid = {"datasets": [dataset], "networks": ["dcgan"], "losses": ["hinge"], "tricks": ["none"]}
    study = schema.merge(TINY, {"grids": [grid], **changes})
    Path("study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    words = [command, "study.yaml", *(["--no-measure"] if command == "plan" else [])]
    result = CliRunner().invoke(app, words)
    return result.exit_code, f"{result.output}{result.exception or ''}"


@pytest.mark.parametrize("content", ["[]", "{}", "null", "{", '{"settings": {}}'])
def test_a_damaged_manifest_is_no_obstacle_to_preparing_again(content: str) -> None:
    manifest = Path("data/prepared/digits/manifest.json")
    manifest.parent.mkdir(parents=True)
    manifest.write_text(content, encoding="utf-8")
    for command in ("plan", "needs"):
        code, text = planned("digits", command)
        assert code == 0, text


def test_a_folder_of_pictures_that_is_not_there_is_no_plan() -> None:
    code, text = planned("folder", **PICTURES)
    assert code == 1 and "data set folder: my/too: no such folder" in text
    Path("my/too/train").mkdir(parents=True)
    code, text = planned("folder", **PICTURES)
    assert code == 1 and "my/too/test: no such folder" in text and "my/too/train:" not in text
    Path("my/too/test").mkdir()
    assert planned("folder", **PICTURES)[0] == 0
    mnist = {"settings": {"datasets": {"mnist": {"source": "folder", "path": "digits"}}}}
    code, text = planned("mnist", **mnist)
    assert code == 1 and "digits/train: no such folder" in text


def test_prepared_data_need_no_source_any_more(stores) -> None:
    settings = stores["digits"].manifest["settings"]
    manifest = {**stores["digits"].manifest, "name": "folder"}
    manifest["settings"] = registry.declaration("dataset", "folder").settings(
        PICTURES["settings"]["datasets"]["folder"]
    )
    assert settings != manifest["settings"]
    storage.write_json(Path("data/prepared/folder/manifest.json"), storage.sealed(manifest))
    assert planned("folder", **PICTURES)[0] == 0


def test_what_will_be_fetched_is_said_and_refused_without_a_network() -> None:
    inception = {"protocol": {"extractors": ["inception"]}}
    code, text = planned("digits", **inception)
    assert code == 0
    assert "to be fetched: extractor inception: 96 MB of weights" in text and "no network" in text
    code, text = planned("digits", "needs", **inception)
    assert code == 4 and "inception-2015-12-05.pt" in text and "by hand" in text
    Path("data/weights").mkdir(parents=True)
    Path("data/weights/inception-2015-12-05.pt").write_bytes(b"")  # damage is another check's
    assert planned("digits", "needs", **inception) == (0, "")


def test_archives_and_the_package_that_fetches_them_are_looked_for(monkeypatch) -> None:
    code, text = planned("mnist", "needs")
    assert code == 4 and text.count("-ubyte.gz (md5") == 4 and "no network" in text
    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda name: None)
    code, text = planned("celeba")
    assert code == 1 and "data set celeba: the package gdown: not installed" in text


def test_a_named_file_of_weights_that_is_not_there_is_no_plan(monkeypatch) -> None:
    monkeypatch.setenv("GANLORE_INCEPTION", "/nowhere/file.pt")
    code, text = planned("digits", protocol={"extractors": ["inception"]})
    assert code == 1 and "GANLORE_INCEPTION names /nowhere/file.pt: no such file" in text


def test_what_a_search_chooses_by_is_looked_for_too(monkeypatch) -> None:
    monkeypatch.setenv("GANLORE_INCEPTION", "/nowhere/file.pt")
    space = {"lr": {"low": 1e-4, "high": 1e-2, "log": True}}
    search = {"draws": 4, "rungs": [0.5, 1.0], "keep": 2, "space": space,
              "protocol": {"reference": "test", "extractors": ["inception"]}}  # fmt: skip
    judged = {"reference": "train", "extractors": ["classifier"]}
    code, text = planned(
        "digits", search=search, protocol=judged, training={"policy": "searched", "budget": 6400}
    )
    assert code == 1 and text.count("GANLORE_INCEPTION names /nowhere/file.pt: no such file") == 2


def test_samples_that_no_memory_holds_are_refused_by_hand_count(monkeypatch) -> None:
    """64 pixels and 4 numbers of noise of 4 bytes: 80 bytes a sample."""
    there = 80 * 1_000_000
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=there))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=0))
    fits, too_many = there // 80 - 1, there // 80 + 1
    assert planned("digits", protocol={"n_fake": fits})[0] == 0
    code, text = planned("digits", protocol={"n_fake": too_many})
    assert code == 1 and f"protocol.n_fake = {too_many:,}" in text


def test_a_server_that_answers_anything_is_reachable(monkeypatch) -> None:
    monkeypatch.undo()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert "refused" in needs.unreachable([f"http://127.0.0.1:{port}/x"])
    serve = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        urls = [f"http://127.0.0.1:{port}/no-such-file"]
        for _ in range(100):
            if not (reason := needs.unreachable(urls)):
                break
            time.sleep(0.1)
        server.terminate()
    assert reason == ""


@pytest.mark.workflow
def test_the_workflow_does_not_begin_a_study_that_would_fail(tmp_path: Path) -> None:
    planned("folder", **PICTURES)
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"),
               "--cores", "1", "--configfile", "study.yaml"]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode and "my/too: no such folder" in result.stderr
    assert "the study was not begun" in result.stderr
    assert not Path("results/logs").exists()


# Advice


@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("name", sorted(registry.find("extractor")))
@pytest.mark.parametrize("dataset", sorted(registry.find("dataset")))
def test_an_advised_extractor_is_accepted(dataset: str, name: str, labels: bool) -> None:
    changes = {"labels": labels, "size": 32} if dataset == "folder" else {}
    settings = registry.declaration("dataset", dataset).settings(changes)
    advice = compatibility.instead_of(name, dataset, settings, offline=True)
    advised = [
        yaml.safe_load(part)["protocol"]["extractors"]
        for part in advice.split("`")
        if part.startswith("protocol")
    ]
    assert advised or "no other extractor" in advice
    assert [name] not in advised
    for extractors in advised:
        points = "points" in registry.declaration("dataset", dataset).provided(settings)
        network = "mlp" if points else "dcgan"
        grid = {
            "datasets": [dataset],
            "networks": [network],
            "losses": ["hinge"],
            "tricks": ["none"],
        }
        inputs = {"protocol": {"extractors": extractors}, "grids": [grid]}
        plan = expand(tiny(settings={"datasets": {dataset: changes}}, **inputs))
        assert plan.extractors[dataset] == tuple(extractors)
        assert not any(weights.of(extractor) for extractor in extractors)


def test_unlabelled_pictures_are_not_sent_to_a_classifier() -> None:
    code, text = planned("folder", "needs", **PICTURES)
    assert code == 4 and "no other extractor can take the place of inception" in text
    assert "extractors: [classifier]" not in text
    labelled = schema.merge(PICTURES, {"settings": {"datasets": {"folder": {"labels": True}}}})
    assert "`protocol: {extractors: [classifier]}`" in planned("folder", "needs", **labelled)[1]
    code, text = planned("folder", **PICTURES, protocol={"extractors": ["classifier"]})
    assert code == 1 and "`protocol: {extractors: [inception]}`" in text


def test_a_classifier_without_labels_advises_what_takes_them(tmp_path: Path) -> None:
    class Plain:
        origin = licence = citation = ""
        extractor_settings: dict[str, Any] = {}
        mirrored = False
        reads: dict[str, Any] = {}

        def load(self) -> dict[str, Split]:
            return dict.fromkeys(datasets.SPLITS, Split(np.zeros((4, 3, 8, 8), np.uint8)))

        def classes(self) -> None:
            return None

        def extras(self) -> dict[str, Any]:
            return {}

    changes = PICTURES["settings"]["datasets"]["folder"]
    settings = registry.declaration("dataset", "folder").settings(changes)
    store = datasets.prepare("folder", Plain(), settings, tmp_path / "data/prepared/folder")  # type: ignore[arg-type]
    with pytest.raises(GanloreError, match=r"no labels to fit it to\n.*extractors: \[inception\]"):
        features.create("classifier", store).fit(store)


# Status


def reported(**changes: Any) -> status.Progress:
    """The progress of a run whose training has reported."""
    plan = expand(tiny())
    run = plan.runs[0]
    ours = psutil.Process()
    saved = {"step": 3, "seconds": 1.0, "pid": ours.pid, "time": time.time(), **changes}
    folder = Path("results/state") / run.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "progress.json").write_text(json.dumps(saved), encoding="utf-8")
    return status.progress(plan, run)


def test_only_a_living_process_is_running() -> None:
    assert reported().state == "running"
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert reported(pid=process.pid).state == "interrupted"


def test_another_process_with_the_same_number_is_not_the_run() -> None:
    """It began after the run had reported for the last time."""
    began = psutil.Process().create_time()
    assert reported(time=began - 60).state == "interrupted"
    assert reported(time=began + 60).state == "running"


def test_a_process_that_has_ended_and_is_not_yet_buried_is_not_running() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert reported(pid=process.pid).state == "interrupted"
    process.wait()
