"""Bad input stops before the first job, and says what is wrong, where, and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ganlore.errors import GanloreError
from ganlore.study import documents, registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Run
from tiny import REPOSITORY, STUDIES, TINY, tiny


def refused(**changes: Any) -> str:
    with pytest.raises(GanloreError) as caught:
        expand(tiny(**changes))
    return str(caught.value)


AXES = {"datasets": ["ring"], "networks": ["mlp"]}


@pytest.mark.parametrize(
    "changes, reported",
    [
        ({"grids": [{**AXES, "losses": ["wgn"]}]}, ["loss 'wgn'", "'wgan'", "hinge", "grids.0.losses"]),
        ({"grids": [{**AXES, "tricks": ["spectral_norm"]}]}, ["trick", "'spectral-norm'"]),
        ({"grids": [{**AXES, "tricks": [["ema", "packin"]]}]}, ["trick 'packin'", "'packing'"]),
        ({"grids": [{**AXES, "datasets": ["rings"]}]}, ["dataset 'rings'", "'ring'", "digits"]),
        ({"grids": [{**AXES, "networks": ["dcgam"]}]}, ["network 'dcgam'", "'dcgan'"]),
        ({"grids": [{**AXES, "variants": ["slow"]}]}, ["variant 'slow'", "base"]),
        ({"grids": [{**AXES, "losses": []}]}, ["grids.0.losses", "empty"]),
        ({"grids": []}, ["grids"]),
        ({"seeds": []}, ["seeds", "[]"]),
        ({"seeds": [0, -1]}, ["seeds.1", "-1", "greater than or equal to 0"]),
        ({"seeds": [1, 1]}, ["seeds", "twice"]),
        ({"seed": [1]}, ["unknown key 'seed'", "'seeds'"]),
        ({"training": {"bach": 3}}, ["unknown key 'training.bach'", "'batch'", "budget"]),
        ({"training": {"optimizer": {"learning_rate": 1}}}, ["training.optimizer.learning_rate", "lr"]),
        ({"training": {"batch": 0}}, ["training.batch", "0", "greater than 0"]),
        ({"training": {"batch": "many"}}, ["training.batch", "'many'", "integer"]),
        ({"training": {"policy": "fair"}}, ["training.policy", "'fair'", "'shared', 'published' or 'searched'"]),
        ({"training": {"optimizer": {"lr": float("nan")}}}, ["training.optimizer.lr", "finite"]),
        ({"training": {"batch": 500, "budget": 50_000}}, ["batch = 500", "400 training samples", "ring"]),
        ({"training": {"budget": 16}}, ["budget of 16", "1 steps", "2 snapshots"]),
        ({"settings": {"losses": {"wgan": {"clap": 1}}}}, ["loss 'wgan'", "'clap'", "'clip'"]),
        ({"settings": {"losses": {"wgan": {"clip": -1}}}}, ["loss 'wgan'", "clip", "-1", "greater than 0"]),
        ({"settings": {"losses": {"vgan": {}}}}, ["loss 'vgan'", "settings.losses"]),
        ({"settings": {"tricks": {"packing": {"m": 3}}}}, ["batch = 16", "multiple", "m = 3", "packing"]),
        ({"exclude": [{"loss": "wgan"}]}, ["exclude.0.reason", "missing"]),
        ({"exclude": [{"loss": "vgan", "reason": "x"}]}, ["loss 'vgan'", "exclude.0.loss"]),
        ({"exclude": [{"dataset": "ring", "reason": "not now"}]}, ["no runs are left", "not now"]),
        ({"variants": {"fast": {"trainin": {}}}}, ["variants.fast.trainin", "'training'"]),
        ({"variants": {"fast": {"training": {"steps": 3}}}}, ["variants.fast.training", "'steps'"]),
        ({"variants": {"../../x": {}}}, ["variants", "../../x"]),
        ({"settings": {"training": {"batch": 32}}}, ["unknown key 'settings.training'"]),
        ({"grids": [{**AXES, "tricks": [["packing", "packing"]]}]}, ["names a trick twice"]),
        ({"seeds": [True]}, ["seeds.0", "True"]),
        ({"name": "My Study"}, ["name", "My Study"]),
    ],
)  # fmt: skip
def test_a_wrong_study_is_refused_with_the_reason(changes, reported) -> None:
    text = refused(**changes)
    for part in reported:
        assert part in text, text


@pytest.mark.parametrize(
    "dataset, extractors, reported",
    [
        ("digits", ["clasifier"], ["protocol.extractors", "extractor 'clasifier'", "'classifier'"]),
        ("digits", [], ["protocol.extractors", "at least 1 item"]),
        ("digits", ["classifier", "classifier"], ["protocol.extractors", "named twice"]),
        ("ring", ["classifier"], ["protocol.extractors: classifier", "ring", "needs images"]),
        ("digits", ["coordinates"], ["coordinates", "digits", "points only"]),
        ("mnist", ["channel-classifier"], ["channel-classifier", "mnist", "its own class"]),
    ],
)
def test_an_extractor_that_cannot_be_used_is_refused(dataset, extractors, reported) -> None:
    grids = [{"datasets": [dataset], "networks": ["mlp"]}]
    text = refused(grids=grids, protocol={"extractors": extractors})
    assert all(part in text for part in reported), text


def test_the_protocol_chooses_the_extractors_and_training_may_have_the_others() -> None:
    grids = [
        {
            "datasets": ["digits"],
            "networks": ["mlp"],
            "losses": ["hinge"],
            "tricks": ["perceptual", "ema"],
        }
    ]
    own = expand(tiny(grids=grids))
    assert {tuple(run.extractors) for run in own.runs} == {("classifier",)}
    inputs = expand(tiny(grids=grids, protocol={"extractors": ["residual-classifier"]}))
    assert {tuple(run.extractors) for run in inputs.runs} == {("residual-classifier",)}
    assert [run.trick for run in inputs.runs] == ["ema"] and "other features" in inputs.missing[
        0
    ].reason
    assert (
        own.runs[0].training_hash()
        == expand(tiny(grids=grids, protocol={"n_fake": 9})).runs[0].training_hash()
    )


def test_what_settings_of_the_data_decide_is_asked_of_the_settings_of_a_cell() -> None:
    """MNIST's 28 pixels are no power of two; with an edge they are 32."""
    grids = [
        {
            "datasets": ["mnist"],
            "networks": ["dcgan"],
            "losses": ["hinge"],
            "tricks": ["none"],
            "variants": ["base", "wide"],
        }
    ]
    needs = registry.declaration("network", "dcgan").fact("requires")
    if "power-of-two size" not in needs:
        pytest.skip("the network takes any size")
    plan = expand(tiny(grids=grids, variants={"wide": {"datasets": {"mnist": {"padded": True}}}}))
    assert [run.variant for run in plan.runs] == ["wide"]
    assert needs["power-of-two size"] in plan.missing[0].reason


def test_a_study_without_runs_says_why() -> None:
    text = refused(grids=[{**AXES, "networks": ["dcgan"]}])
    assert "no runs are left" in text and "a convolutional network needs images" in text


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GanloreError, match="no such study file"):
        schema.load(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("seeds: [1, 2", encoding="utf-8")
    with pytest.raises(GanloreError, match=r"broken\.yaml: not valid YAML"):
        schema.load(broken)
    broken.write_text("- 1", encoding="utf-8")
    with pytest.raises(GanloreError, match="expected a mapping"):
        schema.load(broken)


def test_a_study_may_extend_another(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    (tmp_path / "more.yaml").write_text(
        "extends: base.yaml\nname: more\ntraining: {batch: 32}\n", encoding="utf-8"
    )
    study = schema.load(tmp_path / "more.yaml")
    assert (study.name, study.training.batch, study.training.budget) == ("more", 32, 96)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_the_schema_accepts_the_studies_that_ship(path: Path) -> None:
    jsonschema.validate(schema.read(path), schema.schema())


def test_the_schema_refuses_what_the_models_refuse() -> None:
    for wrong in ({"seed": [1]}, {"training": {"batch": 0}}, {"training": {"policy": "fair"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(schema.merge(TINY, wrong), schema.schema())


def test_the_schema_file_is_up_to_date() -> None:
    import json

    written = json.loads((REPOSITORY / "configs/study.schema.json").read_text(encoding="utf-8"))
    assert written == schema.schema(), "run `ganlore schema > configs/study.schema.json`"


def test_policies() -> None:
    """Shared: the study's optimiser, but each loss's own n_critic. Published: the loss's own."""
    for policy, kind, lr in (("shared", "adam", 2e-4), ("published", "rmsprop", 5e-5)):
        plan = expand(tiny(grids=[{**AXES, "losses": ["wgan"]}], training={"policy": policy}))
        run = plan.runs[0]
        assert (run.optimizer.kind, run.optimizer.lr) == (kind, lr)
        assert run.loss.settings["n_critic"] == 5


def test_a_study_may_change_a_loss_s_own_settings() -> None:
    change = {"losses": {"wgan": {"clip": 0.02, "optimizer": {"lr": 0.1}}}}
    plan = expand(tiny(grids=[{**AXES, "losses": ["wgan", "hinge"]}], settings=change))
    rates = {run.loss.name: run.optimizer.lr for run in plan.runs}
    assert rates == {"wgan": 0.1, "hinge": 2e-4}
    assert plan.runs[0].loss.settings["clip"] == 0.02


def test_variants_and_exclusions() -> None:
    plan = expand(
        tiny(
            grids=[{**AXES, "losses": ["wgan", "hinge"], "variants": ["base", "1:1"]}],
            variants={"1:1": {"losses": {"wgan": {"n_critic": 1}}}},
            exclude=[{"loss": "hinge", "variant": "1:1", "reason": "the claim is about wgan"}],
        )
    )
    n_critic = {
        (run.loss.name, run.variant): run.loss.settings["n_critic"]
        for run in plan.runs
        if run.trick == "none"
    }
    assert n_critic == {("wgan", "base"): 5, ("wgan", "1:1"): 1, ("hinge", "base"): 5}
    assert any("the claim is about wgan" in gap.reason for gap in plan.missing)


def test_two_grids_may_share_a_run_but_not_contradict_each_other() -> None:
    assert len(expand(tiny(grids=[{**AXES}, {**AXES}])).runs) == len(expand(tiny()).runs)
    text = refused(grids=[{**AXES}, {**AXES, "training": {"budget": 192}}])
    assert "also in an earlier grid" in text and "variant" in text


def test_two_protocols_for_one_data_set_are_refused() -> None:
    one = {**AXES, "tricks": ["none"]}
    other = {**AXES, "tricks": ["ema"], "protocol": {"n_fake": 60}}
    assert "two protocols" in refused(grids=[one, other])


def test_hashes_follow_what_they_cover() -> None:
    def run(**changes: Any) -> Run:
        return expand(tiny(**changes)).runs[0]

    base = run()
    assert run(protocol={"n_fake": 60}).training_hash() == base.training_hash()
    assert run(protocol={"n_fake": 60}).evaluation_hash() != base.evaluation_hash()
    assert run(training={"budget": 112}).training_hash() != base.training_hash()
    assert run(training={"budget": 112}).evaluation_hash() == base.evaluation_hash()
    assert run(title="another").training_hash() == base.training_hash()
    # a run is what its settings say: the study's other cells and seeds do not matter
    other = run(seeds=[0, 1], grids=[{**AXES, "losses": [base.loss.name]}])
    assert other.training_hash() == base.training_hash()


@pytest.mark.parametrize("written", ["1e4", "1E+4", "1.0e4", 1e4, 10_000])
def test_a_budget_may_have_an_exponent(written: object) -> None:
    """Also as text: to Snakemake's `--config`, which reads YAML 1.1, 1e4 is text."""
    one, other = (expand(tiny(training={"budget": b})).runs[0] for b in (written, 10_000))
    assert one.training.budget == 10_000 and isinstance(one.training.budget, int)
    assert one.training_hash() == other.training_hash()


@pytest.mark.parametrize("written", ["1.55e1", "1e-4", 1e4 + 0.5, "1e99", "ten", True])
def test_no_other_text_is_a_budget(written: object) -> None:
    assert "training.budget" in refused(training={"budget": written})


def test_planning_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from ganlore.cli import main; from ganlore.study import schema\n"
        "from ganlore.study.expand import expand\n"
        "plan = expand(schema.load('configs/default.yaml'))\n"
        "[run.training_code() for run in plan.runs]\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_studies_that_extend_each_other_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("extends: a.yaml", encoding="utf-8")
    with pytest.raises(GanloreError, match="in a circle"):
        schema.load(tmp_path / "a.yaml")


# -- the text of a study ---------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    """A study file of these lines, over the tiny study."""
    (folder / "base.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(f"extends: base.yaml\n{text}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text, reported",
    [
        ("title: one\ntitle: two", ["title", "line"]),
        ("training: {batch: 32, batch: 16}", ["batch", "line"]),
        ("training:\n  batch: 32\n  latent: 4\n  batch: 16", ["batch", "line"]),
        ("training: {batch: yes}", ["training.batch", "'yes'", "integer"]),
        ("training: {batch: on}", ["training.batch", "'on'", "integer"]),
        ("training: {batch: true}", ["training.batch", "True", "no number"]),
        ("training: {divergence: true}", ["training.divergence", "True", "no number"]),
        ("training: {latent: 1:30}", ["training.latent", "'1:30'", "integer"]),
        ("settings: {losses: {wgan: {clip: true}}}", ["loss 'wgan'", "clip", "True", "no number"]),
        ("seeds: [yes]", ["seeds.0", "'yes'"]),
        ("%YAML 1.1\n---\ntitle: yes", ["YAML 1.2"]),
        ("title: &a [*a]", ["alias refers to what contains it"]),
        ("exclude: [{variant: nope, reason: x}]", ["variant 'nope'", "base", "exclude.0.variant"]),
        ("exclude: [{loss: '', reason: x}]", ["loss ''", "exclude.0.loss"]),
        ("exclude: [{trick: '', reason: x}]", ["trick ''", "exclude.0.trick"]),
        ("exclude: [{network: '', reason: x}]", ["network ''", "exclude.0.network"]),
        ("exclude: [{network: dcgan, reason: x}]", ["exclude.0", "no cell", "dcgan"]),
        ("exclude: [{trick: ema+r1, reason: x}]", ["exclude.0", "no cell", "ema+r1"]),
    ],
)  # fmt: skip
def test_a_study_is_read_as_yaml_1_2_and_to_the_letter(tmp_path, text, reported) -> None:
    path = written(tmp_path, text)
    if text.startswith("%"):
        path.write_text(text, encoding="utf-8")
    with pytest.raises(GanloreError) as caught:
        expand(schema.load(path))
    for part in reported:
        assert part in str(caught.value)


def test_numbers_are_what_yaml_1_2_says(tmp_path: Path) -> None:
    text = "training: {budget: 0o1400, batch: 020, latent: 1_0, divergence: 1e5}\ntitle: 2026-11-28"
    study = schema.load(written(tmp_path, text))
    training = study.training
    assert (training.budget, training.batch, training.latent) == (768, 20, 10)
    assert training.divergence == 1e5 and study.title == "2026-11-28"


def test_a_document_that_grows_is_refused_at_once(tmp_path: Path) -> None:
    import time

    bomb = tmp_path / "bomb.yaml"
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    bomb.write_text("\n".join(["a0: &a0 [x]", *levels, "title: *a9"]), encoding="utf-8")
    huge = tmp_path / "huge.yaml"
    huge.write_text(f"seeds: [{'1, ' * 600_000}]", encoding="utf-8")
    deep = tmp_path / "deep.yaml"
    deep.write_text(f"seeds: {'[' * 20_000}", encoding="utf-8")
    for path, reported in (
        (bomb, "values once its aliases are written out"),
        (huge, "bytes"),
        (deep, "deep"),
    ):
        began = time.process_time()
        with pytest.raises(GanloreError, match=reported):
            schema.load(path)
        assert time.process_time() - began < 2


def test_json_with_a_key_twice_is_refused() -> None:
    with pytest.raises(GanloreError, match="the key 'title' is written twice"):
        schema.load('{"title": "a", "title": "b"}')


def test_a_file_of_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("title: Größe".encode("latin-1"))
    with pytest.raises(GanloreError, match=r"latin\.yaml: not UTF-8 text: byte 9 is 0xf6"):
        schema.load(path)
    with pytest.raises(GanloreError, match="this is a folder"):
        schema.load(tmp_path)


def test_a_document_that_is_parsed_twice_is_two_values() -> None:
    """Whoever changes one, as `merge` may, changes no other."""
    documents.parse("a: [1]", "here")["a"].append(2)
    assert documents.parse("a: [1]", "here") == {"a": [1]}
