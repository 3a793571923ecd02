"""From snapshots to numbers to one table; stale or damaged runs stop the collection."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ganlore import arrays, features, metrics, storage
from ganlore import data as datasets
from ganlore.cli import jobs
from ganlore.errors import GanloreError
from ganlore.evaluation import collect, evaluate, sampling
from ganlore.execution import freshness, status
from ganlore.publishing import publish, verify
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan, Run
from ganlore.training import checkpoint, session
from tiny import tiny

COMMON = {name for name, metric in metrics.metrics().items() if not metric.only} - {
    "inception_score"
}
"""The metrics of every loss, in features other than Inception's."""

AXES = {"datasets": ["ring"], "networks": ["mlp"], "tricks": ["none", "ema"]}


@pytest.fixture(scope="module")
def finished(stores, tmp_path_factory) -> Plan:
    """A study of four runs, trained and evaluated."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(stores["ring"].folder, folder / "data/prepared/ring")
    plan = expand(
        tiny(
            grids=[{**AXES, "losses": ["hinge", "wgan"]}],
            data=str(folder / "data"),
            results=str(folder / "results"),
            reports=str(folder / "reports"),
        )
    )
    features.fit("coordinates", stores["ring"], folder / "data/extractors/ring/coordinates")
    for run in plan.runs:
        state = checkpoint.Checkpoints(
            folder / "state" / run.id, checkpoint.identity(run, stores[run.dataset.name]), math.inf
        )
        status = session.train(run, stores["ring"], state, torch.device("cpu"))
        checkpoint.finish(run, stores["ring"], plan.folder(run), state, status, "cpu")
        measure(plan, run, stores)
    return plan


def measure(plan: Plan, run, stores) -> None:
    out = plan.folder(run)
    record = storage.read_json(out / "run.json", "")
    snapshots = arrays.read_torch(out / "snapshots.pt")
    rows, pictures = evaluate.evaluate(
        run, record, snapshots, stores["ring"], Path(plan.study.data)
    )
    evaluate.write(out, run, record, rows, pictures, Path(plan.study.data))


@pytest.fixture
def copy(finished: Plan, tmp_path: Path) -> Plan:
    """The same study in a place of its own, for damaging."""
    for name in ("data", "results"):
        shutil.copytree(getattr(finished.study, name), tmp_path / name)
    places = {name: str(tmp_path / name) for name in ("data", "results", "reports")}
    return expand(finished.study.model_copy(update=places))


def test_one_row_for_each_run_snapshot_and_metric(finished: Plan) -> None:
    table = collect.collect(finished)["metrics"]
    assert list(table.columns) == [
        "dataset", "network", "loss", "trick", "variant", "train_seed", "eval_seed", "step",
        "images", "extractor", "resize", "split", "n_real", "n_fake", "metric", "value", "seconds",
        "status",
    ]  # fmt: skip
    # movement is measured from one snapshot to the next
    assert len(table) == 4 * (2 * len(COMMON) - 1)
    assert set(table.loc[table.metric == "mode_movement", "step"]) == {6}
    assert set(table.step) == {3, 6} and set(table.images) == {48, 96}
    assert set(table.n_real) == {100} and set(table.n_fake) == {50}
    assert set(table.status) == {"done"} and not table.value.isna().any()
    assert not table.duplicated(
        ["loss", "trick", "train_seed", "step", "extractor", "metric"]
    ).any()


def test_numbers_survive_the_table_bit_for_bit(finished: Plan, stores) -> None:
    run = finished.runs[0]
    record = storage.read_json(finished.folder(run) / "run.json", "")
    snapshots = arrays.read_torch(finished.folder(run) / "snapshots.pt")
    rows, _ = evaluate.evaluate(run, record, snapshots, stores["ring"], Path(finished.study.data))
    table = collect.collect(finished)["metrics"]
    mine = table[(table.loss == run.loss.name) & (table.trick == run.trick)]
    assert mine.value.tolist() == [row["value"] for row in rows]


def test_the_floor_is_real_data_against_real_data(finished: Plan) -> None:
    floor = collect.collect(finished)["floor"].set_index("metric").value
    table = collect.collect(finished)["metrics"]
    assert floor["fid"] < table[table.metric == "fid"].value.min()
    assert floor["modes"] == 8 and floor["high_quality"] > 0.97


def test_every_run_has_its_cost_and_provenance(finished: Plan) -> None:
    runs = collect.collect(finished)["runs"]
    assert len(runs) == 4
    assert (runs.seconds > 0).all() and (runs.peak_memory_mb > 50).all()
    assert set(runs.n_critic) == {5} and set(runs.lr_generator) == {2e-4}
    for column in ("git_commit", "torch", "processor", "threads", "settings_hash", "code_hash"):
        assert runs[column].notna().all() or column == "git_commit", column


def test_samples_depend_on_the_evaluation_seed_and_are_shared_by_cells(finished, stores) -> None:
    from ganlore.training import build

    run = finished.runs[0]
    train_state = build.train_state(run, (2,), 8, torch.device("cpu"))

    def drawn(seed: int):
        protocol = run.protocol.model_copy(update={"eval_seed": seed})
        again = run.model_copy(update={"protocol": protocol})
        return sampling.sample(sampling.draw(train_state, again, stores["ring"]))

    one, same, other = drawn(0), drawn(0), drawn(1)
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_generated_images_are_rounded_as_a_file_would(stores) -> None:
    from ganlore.training import build
    from tiny import tiny_run

    run = tiny_run("digits")
    train_state = build.train_state(run, (1, 8, 8), 10, torch.device("cpu"))
    samples = sampling.sample(sampling.draw(train_state, run, stores["digits"]))
    assert samples.dtype == np.uint8 and samples.shape == (50, 1, 8, 8)


def test_a_diverged_run_is_a_row_and_not_a_failure(copy: Plan, stores) -> None:
    run = copy.runs[0]
    out = copy.folder(run)
    record = storage.read_json(out / "run.json", "")
    snapshots = arrays.read_torch(out / "snapshots.pt")
    for weights in snapshots[1]["weights"].values():  # gone astray between the two snapshots
        if weights.is_floating_point():
            weights.fill_(float("nan"))
    record["files"]["snapshots.pt"] = arrays.write_torch(out / "snapshots.pt", snapshots)
    storage.write_record(out / "run.json", record)
    measure(copy, run, stores)
    tables = collect.collect(copy)
    mine = tables["metrics"][
        (tables["metrics"].loss == run.loss.name) & (tables["metrics"].trick == run.trick)
    ]
    assert set(mine[mine.step == 3].status) == {"done"}
    last = mine[mine.step == 6]
    assert set(last.status) == {"diverged"} and last.value.isna().all()
    assert set(last.metric) == COMMON
    assert len(tables["runs"]) == 4


@pytest.mark.parametrize("file", ["snapshots.pt", "checkpoint.pt", "history.csv", "metrics.csv"])
def test_a_damaged_file_stops_the_collection_by_name(copy: Plan, file: str) -> None:
    path = copy.folder(copy.runs[1]) / file
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(GanloreError) as caught:
        collect.collect(copy)
    text = str(caught.value)
    assert "1 of 4 runs" in text and str(path) in text
    assert "expected sha256" in text and "found    sha256" in text and "delete" in text


def test_a_run_of_other_settings_or_other_code_is_never_collected(copy: Plan, monkeypatch) -> None:
    training = copy.study.training.model_copy(update={"batch": 32, "budget": 192})
    other = expand(copy.study.model_copy(update={"training": training}))
    with pytest.raises(GanloreError, match=r"4 of 4 runs.*\n.*trained with other settings"):
        collect.collect(other)
    monkeypatch.setattr(Run, "training_code", lambda self: "0123")
    with pytest.raises(GanloreError, match="trained with other code"):
        collect.collect(copy)


def test_other_data_other_extractors_and_other_snapshots_are_never_collected(copy: Plan) -> None:
    data = Path(copy.study.data)
    record = data / "extractors/ring/coordinates/record.json"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace("coordinates", "koordinates"), encoding="utf-8")
    with pytest.raises(GanloreError, match=r"4 of 4 runs.*\n.*evaluated with other extractors"):
        collect.collect(copy)
    record.write_text(text, encoding="utf-8")
    out = copy.folder(copy.runs[0])  # trained again, on a device that gives other bits
    trained = storage.read_json(out / "run.json", "")
    snapshots = arrays.read_torch(out / "snapshots.pt")
    snapshots[0]["weights"]["body.0.0.weight"].add_(1)
    trained["files"]["snapshots.pt"] = arrays.write_torch(out / "snapshots.pt", snapshots)
    storage.write_record(out / "run.json", trained)
    with pytest.raises(GanloreError, match=r"1 of 4 runs.*\n.*evaluated with other snapshots"):
        collect.collect(copy)
    settings = copy.runs[0].dataset.settings | {"radius": 2.0}
    plugin = registry.create("dataset", "ring", settings)
    datasets.prepare("ring", plugin, settings, data / "prepared/ring")
    with pytest.raises(GanloreError, match="prepared with"):
        collect.collect(copy)
    other = copy.study.model_copy(
        update={"settings": schema.Overrides(datasets={"ring": settings})}
    )
    with pytest.raises(
        GanloreError, match=r"4 of 4 runs.*\n.*trained with other settings and data"
    ):
        collect.collect(expand(other))


def test_an_evaluation_by_other_code_is_never_collected(copy: Plan, monkeypatch) -> None:
    monkeypatch.setattr(Run, "evaluation_code", lambda self: "0123")
    with pytest.raises(GanloreError, match="evaluated with other code"):
        collect.collect(copy)


def test_a_stale_run_is_not_evaluated(copy: Plan) -> None:
    run = copy.runs[0]
    record = storage.read_json(copy.folder(run) / "run.json", "")
    freshness.changes(run, record, data=Path(copy.study.data)).check(copy.folder(run))
    record["code_hash"] = "0123"
    with pytest.raises(GanloreError, match="trained with other code"):
        freshness.changes(run, record, data=Path(copy.study.data)).check(copy.folder(run))


def test_runs_of_different_devices_are_not_mixed(copy: Plan) -> None:
    path = copy.folder(copy.runs[0]) / "run.json"
    record = storage.read_json(path, "")
    storage.write_record(path, {**record, "device": "cuda"})
    with pytest.raises(GanloreError, match="cpu and cuda"):
        collect.collect(copy)


def rows_of(plan: Plan, run, stores) -> list[dict]:
    record = storage.read_json(plan.folder(run) / "run.json", "")
    snapshots = arrays.read_torch(plan.folder(run) / "snapshots.pt")
    return evaluate.evaluate(run, record, snapshots, stores["ring"], Path(plan.study.data))[0]


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_metrics_compute_where_the_protocol_says(kind: str, stores, monkeypatch) -> None:
    """On the CPU in numpy, whose numbers are the published ones; on a GPU in torch."""
    seen = []
    monkeypatch.setattr(metrics, "measure_all", lambda comparison: seen.append(comparison) or {})
    points = stores["ring"].samples("test")[:20]
    device, described = torch.device(kind), features.Description(points.astype(float))
    evaluate.compare(described, metrics.Reference(points), stores["ring"], device=device)
    assert seen[0].device == {"cpu": None, "cuda": device}[kind]


def test_a_whole_evaluation_in_torch_gives_numpys_rows(finished: Plan, stores, monkeypatch) -> None:
    """What a GPU computes by, on the processor."""
    run, cpu, plain = finished.runs[0], torch.device("cpu"), metrics.Comparison
    expected = rows_of(finished, run, stores)
    made = []

    def on_a_device(*args, **fields):
        made.append(plain(*args, **{**fields, "device": cpu}))
        return made[-1]

    monkeypatch.setattr(metrics, "Comparison", on_a_device)
    actual = rows_of(finished, run, stores)
    assert made and all(isinstance(each.placed.fake, torch.Tensor) for each in made)
    assert [row["metric"] for row in actual] == [row["metric"] for row in expected]
    assert [row["value"] for row in actual] == pytest.approx(
        [row["value"] for row in expected], rel=1e-9
    )


def test_records_name_the_device_of_features_and_metrics(copy: Plan, stores) -> None:
    run, data = copy.runs[0], Path(copy.study.data)
    assert storage.read_json(copy.folder(run) / "evaluation.json", "")["device"] == "cpu"
    folder = evaluate.refer("coordinates", stores["ring"], data, run.protocol)
    assert storage.read_json(folder / "record.json", "")["device"] == "cpu"


def test_samples_are_drawn_in_evaluation_mode(finished: Plan, stores, monkeypatch) -> None:
    """Batch norm would make samples depend on their neighbours: chunks of any size must agree."""
    run = finished.runs[0]
    whole = [row["value"] for row in rows_of(finished, run, stores)]
    monkeypatch.setattr(sampling, "CHUNK", 7)
    assert [row["value"] for row in rows_of(finished, run, stores)] == pytest.approx(
        whole, rel=1e-3
    )


def test_the_reference_split_is_the_protocol_s(finished: Plan, stores) -> None:
    run = finished.runs[0]
    train = rows_of(finished, run, stores)
    protocol = run.protocol.model_copy(update={"reference": "test"})
    test = rows_of(finished, run.model_copy(update={"protocol": protocol}), stores)
    assert {row["split"] for row in train} == {"train"} and {row["split"] for row in test} == {
        "test"
    }
    assert train[0]["metric"] == test[0]["metric"] and train[0]["value"] != test[0]["value"]


def test_a_record_holds_the_settings_that_made_it(finished: Plan) -> None:
    run = finished.runs[0]
    trained = storage.read_json(finished.folder(run) / "run.json", "")
    evaluated = storage.read_json(finished.folder(run) / "evaluation.json", "")
    assert trained["settings"]["training"] == run.training.model_dump(mode="json")
    assert "protocol" not in trained["settings"]
    assert evaluated["protocol"] == run.protocol.model_dump(mode="json")


def test_a_missing_run_is_named(copy: Plan) -> None:
    shutil.rmtree(copy.folder(copy.runs[2]))
    with pytest.raises(GanloreError, match=r"1 of 4 runs cannot be used\n.*run\.json: missing"):
        collect.collect(copy)


def test_tables_are_written_and_read_back(copy: Plan) -> None:
    tables = collect.collect(copy)
    collect.write(copy, tables)
    back = pd.read_parquet(Path(copy.study.results) / "metrics.parquet")
    pd.testing.assert_frame_equal(back, tables["metrics"], check_dtype=False)


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (4, 6)])
def test_the_classifier_halves_images_as_max_pooling_does(size) -> None:
    from ganlore.features.classifier import Halve

    images = torch.randn(5, 3, *size).relu()  # with ties
    assert torch.equal(Halve().eval()(images), torch.nn.functional.max_pool2d(images, 2))


@pytest.mark.parametrize(
    "part, key",
    [("run", key) for key in freshness.TRAINING]
    + [("evaluation", key) for key in freshness.EVALUATION],
)
def test_everyone_agrees_on_what_is_stale(copy: Plan, part: str, key: str) -> None:
    """A run that was made with other settings, code, data or extractors is stale for all."""
    run = copy.runs[0]
    assert status.progress(copy, run).state == "done" and not verify.verify(copy).wrong
    path = copy.folder(run) / f"{part}.json"
    record = storage.read_json(path, "")
    record[key] = {"coordinates": "another"} if key == "extractors" else "another"
    if key == "settings_hash":  # else the record would contradict itself, which is another finding
        record["settings"]["training"]["batch"] = 32
        record[key] = Run.model_validate(record["settings"]).training_hash()
    storage.write_record(path, record)

    word = {"run": freshness.TRAINING, "evaluation": freshness.EVALUATION}[part][key]
    message = f"{'trained' if part == 'run' else 'evaluated'} with other {word}"
    stage = status.progress(copy, run)
    assert stage.state == "stale" and message in stage.note
    (finding,) = verify.verify(copy).wrong
    assert message in finding and str(copy.folder(run)) in finding
    with pytest.raises(GanloreError, match=message):
        collect.collect(copy)
    with pytest.raises(GanloreError, match=message):
        publish.publish(copy, "", Path("published/results"), Path("published/reports"))
    if part == "run":
        with pytest.raises(GanloreError, match=message):
            jobs.evaluate(
                settings=run.model_dump_json(),
                data=Path(copy.study.data),
                results=Path(copy.study.results),
            )


def test_a_run_that_waits_for_its_evaluation_is_trained_and_not_running(copy: Plan) -> None:
    run = copy.runs[0]
    (copy.folder(run) / "evaluation.json").unlink()
    stage = status.progress(copy, run)
    assert (stage.state, stage.note) == ("trained", "not yet evaluated")
    assert status.tally({run.id: stage})["running"] == 0


def test_data_and_extractors_that_are_gone_make_a_run_stale(copy: Plan) -> None:
    run, data = copy.runs[0], Path(copy.study.data)
    shutil.rmtree(data / "extractors/ring/coordinates")
    assert "evaluated with other extractors" in status.progress(copy, run).note
    (data / "prepared/ring/manifest.json").unlink()
    assert "trained with other data" in status.progress(copy, run).note
