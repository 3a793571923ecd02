"""FID as the field computes it: clean-fid's resize and features, and the whole chain on a stand-in."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from cleanfid import fid as cleanfid
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from PIL import Image

from ganlore import arrays, features, frames, metrics, storage
from ganlore import data as datasets
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.evaluation import collect, evaluate, sampling
from ganlore.evaluation.reference import Kept
from ganlore.features import inception
from ganlore.metrics.inception_score import inception_score
from ganlore.report.page import build as build_page
from ganlore.study import protocol, registry, schema
from ganlore.study import weights as study_weights
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from ganlore.training import build, checkpoint, precision, session
from inception import COLOURS, installed, stand_in
from tiny import REPOSITORY, TINY, tiny

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
CPU = torch.device("cpu")
RNG = np.random.default_rng(0)


# --- the resize -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 28, 32, 64, 299, 320])
def test_the_resize_is_clean_fids_own(size: int) -> None:
    images = RNG.integers(0, 256, (2, 3, size, size), dtype=np.uint8)
    ours = inception.resized(torch.from_numpy(images)).numpy()
    clean = build_resizer("clean")
    for image, actual in zip(images, ours, strict=True):
        expected = clean(image.transpose(1, 2, 0)).transpose(2, 0, 1)
        assert np.abs(actual - expected).max() <= 2**-16  # half of the last bit at 255
    assert ours.dtype == np.float32 and ours.shape == (2, 3, 299, 299)


def test_a_hard_edge_stays_within_the_levels() -> None:
    # bicubic overshoots beside an edge: clean-fid clips
    edge = np.zeros((1, 1, 8, 8), dtype=np.uint8)
    edge[..., 4:] = 255
    actual = inception.resized(torch.from_numpy(edge))
    assert actual.min() == 0 and actual.max() == 255


def test_a_grey_picture_is_that_picture_in_rgb() -> None:
    grey = torch.from_numpy(RNG.integers(0, 256, (2, 1, 28, 28), dtype=np.uint8))
    assert torch.equal(inception.resized(grey), inception.resized(grey.repeat(1, 3, 1, 1)))
    with pytest.raises(GanloreError, match="found 4 channels"):
        inception.resized(torch.zeros(1, 4, 8, 8, dtype=torch.uint8))


# --- the features ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stand_in(tmp_path_factory.mktemp("weights") / "inception-2015-12-05.pt")


@pytest.fixture(autouse=True)
def used(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANLORE_INCEPTION", str(weights))
    plugin = tmp_path / "plugins/data/discs.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(COLOURS, encoding="utf-8")
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path / "plugins"))


def prepared(data: Path) -> Store:
    return datasets.prepare(
        "discs", registry.create("dataset", "discs", {}), {}, data / "prepared/discs"
    )


def opened(store: Store, **settings: Any) -> features.Extractor:
    extractor = registry.create("extractor", "inception", settings)
    extractor.load(extractor.fit(store)[0], store)
    return extractor


def test_features_are_those_of_clean_fids_wrapper(tmp_path: Path, monkeypatch) -> None:
    """The wrapper wants 2,048 of them."""
    folder = tmp_path / "weights"
    folder.mkdir()
    path = stand_in(folder / "inception-2015-12-05.pt", channels=32, side=8)
    monkeypatch.setenv("GANLORE_INCEPTION", str(path))
    store = prepared(tmp_path)
    samples = store.samples("test")[:5]
    wrapper = InceptionV3W(str(folder), download=False)
    clean = build_resizer("clean")
    seen = np.stack([clean(image.transpose(1, 2, 0)).transpose(2, 0, 1) for image in samples])
    with torch.no_grad():
        expected = wrapper(torch.from_numpy(seen)).numpy()
    described = opened(store).describe(samples)
    assert described.features.shape == (5, 2048)
    assert np.abs(described.features - expected).max() < 1e-5 * np.abs(expected).max()
    # and probabilities are those that StyleGAN2-ADA asks the same file for
    with torch.no_grad():
        reported = torch.jit.load(path)(torch.from_numpy(seen), no_output_bias=True).numpy()
    assert np.abs(described.probabilities - reported).max() < 1e-5


def test_chunks_do_not_matter(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    whole, parts = (opened(store, chunk=n).describe(store.samples("test")[:9]) for n in (64, 4))
    assert np.allclose(whole.features, parts.features, rtol=1e-5)
    assert np.allclose(whole.probabilities, parts.probabilities, atol=1e-6)


@pytest.fixture
def package(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package is installed, its file is what was published, and no other weights are there."""
    path = installed(tmp_path / "site", weights)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delenv("GANLORE_INCEPTION")
    wanted = study_weights.required("inception")
    carried = dataclasses.replace(wanted.package, sha256=storage.sha256(path))
    stood_in = dataclasses.replace(wanted, package=carried)
    monkeypatch.setattr(study_weights, "of", lambda name: stood_in)
    return path


def test_features_from_the_package_without_a_class_layer(package, weights, tmp_path, capfd) -> None:
    """Those of the whole file; no probabilities, so no Inception Score, and it says so."""
    store = prepared(tmp_path / "data")
    described = opened(store).describe(store.samples("test"))
    assert "lacks a class layer, and so an Inception Score" in capfd.readouterr().err
    assert described.probabilities is None
    network = torch.jit.load(weights)
    with torch.no_grad():
        images = (inception.resized(torch.from_numpy(np.array(store.samples("test")))) - 128) / 128
        expected = torch.cat([network.layers(part) for part in images.split(64)]).flatten(1)
    # convolutions in another order of memory add up in another order
    assert np.allclose(described.features, expected.numpy(), rtol=1e-5, atol=1e-6)
    real = opened(store).describe(store.samples("train")).features
    comparison = metrics.Comparison(real=real, fake=described.features)
    assert "inception_score" not in metrics.measure_all(comparison)
    assert "fid" in metrics.measure_all(comparison)


def test_a_changed_byte_in_the_package_is_refused(package, tmp_path) -> None:
    store = prepared(tmp_path / "data")
    whole = bytearray(package.read_bytes())
    whole[len(whole) // 2] ^= 1
    package.write_bytes(whole)
    with pytest.raises(GanloreError, match=r"default_1.pt: (.|\n)*--force-reinstall fid-helper"):
        opened(store)


def test_the_published_file_and_ones_own_go_before_the_package(
    package, weights, tmp_path, monkeypatch
) -> None:
    wanted = study_weights.required("inception")
    assert wanted.check(tmp_path) == (package, storage.sha256(package))
    own = shutil.copy(weights, tmp_path / "own.pt")
    monkeypatch.setenv("GANLORE_INCEPTION", str(own))
    assert wanted.check(tmp_path)[0] == own
    monkeypatch.delenv("GANLORE_INCEPTION")
    published = tmp_path / "weights" / wanted.name
    published.parent.mkdir()
    shutil.copy(weights, published)
    assert wanted.path(tmp_path) == published
    with pytest.raises(GanloreError, match=r"fetch inception(.|\n)*ganlore\[inception\]"):
        wanted.check(tmp_path)  # a stand-in, and so not what was published


def test_the_real_package_has_the_file_that_is_declared() -> None:
    """Where the extra is installed: its hash, and features of the right shape."""
    wanted = study_weights.required("inception").package
    assert wanted is not None
    if wanted.path is None:
        pytest.skip("the extra `inception` is not installed")
    assert storage.sha256(wanted.path) == wanted.sha256
    network = inception._read(wanted.path)
    images = torch.from_numpy(RNG.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8))
    with torch.no_grad():
        pooled = network.layers((inception.resized(images) - 128) / 128).flatten(1)
    assert pooled.shape == (2, 2048) and bool((pooled >= 0).all()) and float(pooled.mean()) > 0.1


@pytest.mark.gpu
def test_a_gpu_gives_the_same_features(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    one = opened(store).describe(store.samples("test")).features
    other = opened(store).to(torch.device("cuda")).describe(store.samples("test")).features
    assert np.abs(one - other).max() < 1e-4 * np.abs(one).max()


@pytest.mark.gpu
def test_the_chunks_of_a_gpu_do_not_matter_and_all_arrive(tmp_path: Path) -> None:
    """Copies go on while the next chunks are computed; the same call gives the same bits."""
    store = prepared(tmp_path)
    extractors = [opened(store, chunk_on_gpu=n).to(torch.device("cuda")) for n in (256, 3)]
    whole, parts = (one.describe(store.samples("test")) for one in extractors)
    assert np.allclose(whole.features, parts.features, rtol=1e-5)
    assert np.allclose(whole.probabilities, parts.probabilities, atol=1e-6)
    again = extractors[1].describe(store.samples("test"))
    assert np.array_equal(again.features, parts.features)


def test_a_run_s_kernels_do_not_reach_the_features(tmp_path: Path, monkeypatch) -> None:
    """Features may be wanted while a run trains: its precision is not theirs, and stays its own."""

    def settings() -> list[Any]:
        cudnn = torch.backends.cudnn
        return [cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision,
                cudnn.deterministic, cudnn.benchmark]  # fmt: skip

    store = prepared(tmp_path)
    extractor = opened(store)
    seen, resized = [], inception.resized

    def watched(images: torch.Tensor) -> torch.Tensor:
        seen.append(settings())
        return resized(images)

    monkeypatch.setattr(inception, "resized", watched)
    expected, before = extractor.describe(store.samples("test")), settings()
    with precision.kernels(schema.Training(precision="tf32")):
        inside = settings()
        actual = extractor.describe(store.samples("test"))
        assert settings() == inside
    assert settings() == before
    assert np.array_equal(actual.features, expected.features)
    assert seen and all(each == ["ieee", "ieee", True, False] for each in seen)


# --- the whole chain ------------------------------------------------------------------------------


def run_all(folder: Path, **protocol: Any) -> Plan:
    """prepare -> extract -> reference -> train -> evaluate -> collect, of one small run."""
    plan = expand(
        tiny(
            grids=[
                {"datasets": ["discs"], "networks": ["dcgan"], "losses": ["nonsaturating"],
                 "tricks": ["none"]}
            ],
            protocol={"n_real": 150, "n_fake": 100, **protocol},
            **{name: str(folder / name) for name in ("data", "results", "reports")},
        )
    )  # fmt: skip
    data, (run,) = Path(plan.study.data), plan.runs
    store = prepared(data)
    for name in run.extractors:
        features.fit(name, store, data / "extractors" / store.name / name)
        evaluate.refer(name, store, data, run.protocol)
    state = checkpoint.Checkpoints(folder / "state", checkpoint.identity(run, store), float("inf"))
    status = session.train(run, store, state, CPU)
    out = plan.folder(run)
    checkpoint.finish(run, store, out, state, status, "cpu")
    record = storage.read_json(out / "run.json", "")
    rows, pictures = evaluate.evaluate(
        run, record, arrays.read_torch(out / "snapshots.pt"), store, data
    )
    evaluate.write(out, run, record, rows, pictures, data)
    collect.write(plan, collect.collect(plan))
    return plan


@pytest.fixture(scope="module")
def made(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("chain")
    (folder / "plugins/data").mkdir(parents=True)
    (folder / "plugins/data/discs.py").write_text(COLOURS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANLORE_INCEPTION", str(weights))
        patch.setenv("GANLORE_PLUGINS", str(folder / "plugins"))
        return run_all(folder, n_neighbours=60)


@pytest.fixture
def copy(made: Plan, tmp_path: Path) -> Plan:
    """The same study in a place of its own, for damaging."""
    places = {}
    for name in ("data", "results"):
        shutil.copytree(getattr(made.study, name), tmp_path / name)
        places[name] = str(tmp_path / name)
    return expand(made.study.model_copy(update=places))


def last(plan: Plan) -> pd.DataFrame:
    table = pd.read_parquet(Path(plan.study.results) / "metrics.parquet")
    return table[table.step == table.step.max()].set_index("metric")


def generated(plan: Plan) -> np.ndarray:
    """The samples of the last snapshot, as the evaluation drew them."""
    (run,) = plan.runs
    store = Store.open(Path(plan.study.data) / "prepared/discs")
    train_state = build.train_state(run, store.shape, store.classes, CPU)
    train_state.evaluated.eval()
    sampling.load(train_state, arrays.read_torch(plan.folder(run) / "snapshots.pt")[-1])
    return sampling.sample(sampling.draw(train_state, run, store))


@pytest.mark.filterwarnings("ignore")  # scipy deprecates an argument that clean-fid uses
def test_the_whole_chain_gives_clean_fids_own_number(made: Plan, weights: Path, tmp_path) -> None:
    store = Store.open(Path(made.study.data) / "prepared/discs")
    for name, images in (("real", store.samples("train")[:150]), ("fake", generated(made))):
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / name / f"{index:04}.png")
    network = torch.jit.load(weights).eval()
    expected = cleanfid.compute_fid(
        str(tmp_path / "real"), str(tmp_path / "fake"), mode="clean", num_workers=0, device=CPU,
        custom_feat_extractor=lambda x: network(x, return_features=True), verbose=False,
    )  # fmt: skip
    ours = last(made).value
    assert expected > 0.1
    assert ours["fid"] == pytest.approx(expected, abs=1e-3)
    # the Inception Score of the same pictures, by the file's own softmax
    with torch.no_grad():
        seen = inception.resized(torch.from_numpy(generated(made)))
        reported = network(seen, no_output_bias=True).numpy()
    assert ours["inception_score"] == pytest.approx(inception_score(reported), rel=1e-5)
    assert 1 < ours["inception_score"] < 10


def test_every_row_tells_its_protocol(made: Plan) -> None:
    table = last(made)
    for column, value in {
        "extractor": "inception", "resize": "clean-fid bicubic 299", "split": "train",
        "eval_seed": 0,
    }.items():  # fmt: skip
        assert set(table[column]) == {value}
    pairs = ["kid", "precision", "recall", "density", "coverage", "far_distance"]
    sizes = table[["n_real", "n_fake"]]
    assert (sizes.loc[pairs] == 60).all(axis=None)
    assert (sizes.drop(index=pairs) == [150, 100]).all(axis=None)


def test_the_floor_is_that_of_the_other_split(made: Plan) -> None:
    floor = frames.read_csv(Path(made.study.results) / "floor.csv").set_index("metric")
    assert floor.value["fid"] < last(made).value["fid"]
    assert set(floor.resize) == {"clean-fid bicubic 299"} and floor.n_fake["fid"] == 80
    assert floor.n_fake["recall"] == 60


def test_the_report_prints_the_protocol(made: Plan) -> None:
    page = build_page(made).read_text(encoding="utf-8")
    assert "inception features (resize: clean-fid bicubic 299), 150 real (train split)" in page
    assert "Inception Score" in page


def test_what_is_kept_of_the_data_changes_no_number(copy: Plan) -> None:
    """Evaluated anew, without what `reference` has kept: the same to the last bit."""
    (run,) = copy.runs
    data, folder = Path(copy.study.data), copy.folder(run)
    shutil.rmtree(data / "extractors/discs/inception/reference")
    rows, _ = evaluate.evaluate(
        run, storage.read_json(folder / "run.json", ""),
        arrays.read_torch(folder / "snapshots.pt"), Store.open(data / "prepared/discs"), data,
    )  # fmt: skip
    text = storage.csv_text(rows)
    kept = frames.read_csv(folder / "metrics.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(
        frames.read_csv(io.StringIO(text)).drop(columns="seconds"), kept,
        check_exact=True,
    )  # fmt: skip


def test_what_is_kept_is_used(made: Plan) -> None:
    (run,) = made.runs
    data = Path(made.study.data)
    store = Store.open(data / "prepared/discs")
    kept = Kept(store, "inception", data, run.protocol)
    assert set(kept.reference().computed) == {
        "frechet._gaussian", "first 60: kernel._within_real", "first 60: neighbours._surroundings"
    }  # fmt: skip
    fields = {"features", "probabilities"}
    assert {row["metric"] for row in kept.floor()} == set(metrics.applicable(fields))
    other = run.protocol.model_copy(update={"n_real": 149})
    assert Kept(store, "inception", data, other).reference().computed == {}


def test_the_device_changes_no_noise(made: Plan) -> None:
    """The protocol's device is for the networks; `cuda` without one is refused by its key."""
    protocol = made.runs[0].protocol.model_copy(update={"device": "cuda"})
    run = made.runs[0].model_copy(update={"protocol": protocol})
    store = Store.open(Path(made.study.data) / "prepared/discs")
    with pytest.raises(GanloreError, match=r"protocol\.device = 'cuda'"):
        evaluate.evaluate(run, {}, [], store, Path(made.study.data))


# --- bad input ------------------------------------------------------------------------------------


def test_results_of_two_weight_files_are_never_mixed(copy: Plan, tmp_path, monkeypatch) -> None:
    other = stand_in(tmp_path / "other.pt", seed=1)
    monkeypatch.setenv("GANLORE_INCEPTION", str(other))
    data = Path(copy.study.data)
    store = Store.open(data / "prepared/discs")
    folder = data / "extractors/discs/inception"
    with pytest.raises(GanloreError, match=r"other\.pt: other weights than those") as caught:
        features.open_fitted("inception", store, folder)
    reported = storage.read_json(folder / "record.json", "")["weights_sha256"]
    assert reported in str(caught.value) and storage.sha256(other) in str(caught.value)
    features.fit("inception", store, folder)
    with pytest.raises(GanloreError, match="evaluated with other extractors"):
        collect.collect(copy)


@pytest.mark.parametrize("content", [b"", b"not a network", None])
def test_a_file_that_is_no_network_is_named(tmp_path: Path, monkeypatch, content) -> None:
    path = tmp_path / "wrong.pt"
    if content is None:
        torch.jit.save(torch.jit.script(torch.nn.ReLU()), str(path))
    else:
        path.write_bytes(content)
    monkeypatch.setenv("GANLORE_INCEPTION", str(path))
    with pytest.raises(GanloreError, match=r"wrong\.pt: not a TorchScript network with `layers`"):
        opened(prepared(tmp_path))


def test_missing_weights_say_where_they_go(tmp_path: Path, monkeypatch) -> None:
    store = prepared(tmp_path)
    monkeypatch.setenv("GANLORE_INCEPTION", str(tmp_path / "nowhere.pt"))
    with pytest.raises(GanloreError, match=r"nowhere\.pt: missing; GANLORE_INCEPTION names it"):
        opened(store)
    monkeypatch.delenv("GANLORE_INCEPTION")
    with pytest.raises(GanloreError) as caught:
        opened(store)
    place = tmp_path / "weights/inception-2015-12-05.pt"
    for part in (f"{place}: missing", "f58cb9b6ec323ed6", "ganlore fetch inception"):
        assert part in str(caught.value)
    place.parent.mkdir()
    stand_in(place)  # in the place of the published file there can be no other
    with pytest.raises(GanloreError, match="truncated or altered"):
        opened(store)


@pytest.mark.parametrize(
    "file, remedy",
    [
        ("train.npy", "ganlore extract discs inception"),
        ("weights.pt", "ganlore extract discs inception"),
        ("reference/train-150-100-60/statistics.npz", "run snakemake, or go on without it"),
        ("reference/train-150-100-60/floor.json", "run snakemake, or go on without it"),
    ],
)
def test_an_altered_file_is_named_with_its_remedy(copy: Plan, file: str, remedy: str) -> None:
    path = Path(copy.study.data) / "extractors/discs/inception" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (run,) = copy.runs
    folder = copy.folder(run)
    store = Store.open(Path(copy.study.data) / "prepared/discs")
    with pytest.raises(GanloreError) as caught:
        evaluate.evaluate(
            run, storage.read_json(folder / "run.json", ""),
            arrays.read_torch(folder / "snapshots.pt"), store, Path(copy.study.data),
        )  # fmt: skip
    reported = str(caught.value)
    assert (
        f"{path}: truncated or altered" in reported and remedy in reported and "delete" in reported
    )


# --- the workflow ---------------------------------------------------------------------------------


@pytest.mark.workflow
def test_the_weights_are_fetched_before_what_needs_them(tmp_path: Path, weights: Path) -> None:
    study = {**TINY, "protocol": {**TINY["protocol"], "n_neighbours": 40}}
    grids = [
        {"datasets": ["discs"], "networks": ["dcgan"], "losses": ["hinge"], "tricks": ["none"]}
    ]
    (tmp_path / "study.yaml").write_text(
        yaml.safe_dump({**study, "grids": grids}), encoding="utf-8"
    )

    def planned(**environment: str) -> list[str]:
        clean = {k: v for k, v in os.environ.items() if k != "GANLORE_INCEPTION"}
        done = subprocess.run(
            ["snakemake", "-n", "-s", REPOSITORY / "Snakefile", "--configfile", "study.yaml"],
            cwd=tmp_path, env={**clean, **environment}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return re.findall(r"^rule (\w+):", done.stdout, flags=re.M)

    assert "fetch" in planned() and "reference" in planned()
    assert "fetch" not in planned(GANLORE_INCEPTION=str(weights))


# --- planning -------------------------------------------------------------------------------------


def test_a_study_may_choose_its_extractors() -> None:
    changed: dict[str, Any] = {"protocol": {"extractors": ["inception", "classifier"]}}
    digits = [{"datasets": ["digits"], "networks": ["dcgan"], "losses": ["hinge"]}]
    runs = expand(tiny(grids=digits, **changed)).runs
    assert runs[0].extractors == ["inception", "classifier"]
    assert expand(tiny(grids=digits)).runs[0].extractors == ["classifier"]
    with pytest.raises(
        GanloreError, match=r"protocol\.extractors: inception cannot be used on the data set ring"
    ):
        expand(tiny(**changed))
    with pytest.raises(GanloreError, match="did you mean 'inception'"):
        expand(tiny(protocol={"extractors": ["inceptoin"]}))


def test_what_trains_may_not_measure() -> None:
    digits = [{"datasets": ["digits"], "networks": ["dcgan"], "losses": ["hinge"],
               "tricks": ["perceptual", "none"]}]  # fmt: skip
    plan = expand(tiny(grids=digits, protocol={"extractors": ["residual-classifier"]}))
    (gap,) = plan.missing
    assert "both would use residual-classifier" in gap.reason


def test_another_protocol_is_another_place() -> None:
    places = {
        protocol.Protocol(**change).place
        for change in ({}, {"reference": "test"}, {"n_real": 6}, {"n_fake": 6}, {"n_neighbours": 6})
    }
    assert len(places) == 5


# --- features that take hours ---------------------------------------------------------------------


def described(monkeypatch: pytest.MonkeyPatch, dies_at: int | None = None) -> list[int]:
    """Count the samples of each call of the extractor; one of the calls is killed."""
    calls: list[int] = []
    describe = inception.Inception.describe

    def counted(self: Any, samples: Any) -> features.Description:
        if len(calls) == dies_at:
            raise KeyboardInterrupt
        calls.append(len(samples))
        return describe(self, samples)

    monkeypatch.setattr(inception.Inception, "describe", counted)
    return calls


@pytest.fixture
def cut(copy: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Path]:
    """An extraction of 4 parts that was killed in the third."""
    store = Store.open(Path(copy.study.data) / "prepared/discs")
    train, test = (len(store.samples(split)) for split in ("train", "test"))
    monkeypatch.setattr(inception.Inception, "part", max(train, test) // 2)
    folder = tmp_path / "cut"
    with monkeypatch.context() as patch:
        described(patch, dies_at=2)
        with pytest.raises(KeyboardInterrupt):
            features.fit("inception", store, folder)
    assert not (folder / "record.json").exists()
    return store, folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_killed_features_go_on_where_they_were(cut, tmp_path, monkeypatch, capsys) -> None:
    store, folder = cut
    total = sum(len(store.samples(split)) for split in ("train", "test"))
    whole = described(monkeypatch)
    features.fit("inception", store, tmp_path / "whole")
    assert sum(whole) == total
    rest = described(monkeypatch)
    features.fit("inception", store, folder)
    assert sum(rest) == total - 2 * inception.Inception.part
    assert re.search(r"(\d+) of \1 train features are there already", capsys.readouterr().err)
    assert files_of(folder) == files_of(tmp_path / "whole")  # and no part is left


@pytest.mark.parametrize("damage", ["cut short", "of other weights"])
def test_parts_that_do_not_count_are_made_again(cut, tmp_path, monkeypatch, damage) -> None:
    store, folder = cut
    if damage == "cut short":
        path = next(iter(sorted((folder / "parts").iterdir())))
        path.write_bytes(path.read_bytes()[:-1])
        left = inception.Inception.part
    else:
        monkeypatch.setenv("GANLORE_INCEPTION", str(stand_in(tmp_path / "other.pt", seed=1)))
        left = 0
    total = sum(len(store.samples(split)) for split in ("train", "test"))
    calls = described(monkeypatch)
    features.fit("inception", store, folder)
    assert sum(calls) == total - left


def test_parts_made_at_a_time_have_the_same_bits(copy: Plan, tmp_path, monkeypatch) -> None:
    store = Store.open(Path(copy.study.data) / "prepared/discs")
    monkeypatch.setattr(inception.Inception, "part", 40)
    features.fit("inception", store, tmp_path / "one")
    together, calls = threading.Barrier(2, timeout=60), itertools.count()
    original = inception.Inception.describe

    def meeting(self: Any, samples: Any) -> features.Description:
        if next(calls) < 2:
            together.wait()  # a single thread would wait in vain
        return original(self, samples)

    monkeypatch.setattr(inception.Inception, "describe", meeting)
    before = torch.backends.cudnn.deterministic
    features.fit("inception", store, tmp_path / "two", workers=2)
    assert torch.backends.cudnn.deterministic == before
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")


def test_a_floor_does_not_make_features_that_are_kept(package, tmp_path, monkeypatch) -> None:
    """The file of the package has no classes: the floor needs nothing but the features."""
    store = prepared(tmp_path / "data")
    features.fit("inception", store, tmp_path / "data/extractors/discs/inception")
    calls = described(monkeypatch)
    asked = protocol.Protocol(extractors=["inception"], n_real=None, n_fake=50, reference="train")
    rows = evaluate.floor("inception", store, tmp_path / "data", asked)
    assert sum(calls) == 2  # to see what there is
    train, test = (
        opened(store).describe(store.samples(split)).features for split in datasets.SPLITS
    )
    expected = metrics.measure_all(metrics.Comparison(real=train, fake=test[:50]))
    actual = {row["metric"]: row["value"] for row in rows}
    assert actual["fid"] == pytest.approx(expected["fid"], rel=1e-4)
