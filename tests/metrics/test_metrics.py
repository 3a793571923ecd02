import subprocess
import sys

import numpy as np
import pytest

from ganlore import metrics as package
from ganlore.metrics import Comparison, Metric, Reference, applicable, measure_all, metrics

# In the order of the files' names, and within a file in its own.
NAMES = list(metrics())


def comparison(seed=0, n=12, d=3):
    rng = np.random.default_rng(seed)
    return Comparison(
        rng.standard_normal((n, d)).astype(np.float32),
        rng.standard_normal((n + 3, d)).astype(np.float32),
        modes=rng.integers(0, 4, n + 3),
        modes_before=rng.integers(0, 4, n + 3),
        high_quality=rng.random(n + 3) < 0.7,
        distances=rng.random(n + 3),
        mode_shares=np.full(4, 0.25),
        asked=rng.integers(0, 4, n + 3),
        codes=rng.integers(0, 5, n + 3),
        probabilities=rng.dirichlet(np.ones(6), n + 3),
        originals=rng.standard_normal((6, 1, 2, 2)),
        reconstructions=rng.standard_normal((6, 1, 2, 2)),
    )


# --- the contract of every metric -----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_report_can_show_it(name):
    metric = metrics()[name]
    assert isinstance(metric, Metric)
    assert metric.label
    assert metric.paper.startswith("arXiv:")
    low, high = metric.bounds
    assert low is None or high is None or low < high


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_a_number_within_bounds(name, seed):
    value = measure_all(comparison(seed))[name]
    assert type(value) is float
    low, high = metrics()[name].bounds
    assert low is None or value >= low
    assert high is None or value <= high


def test_the_direction_of_every_metric():
    # A generator that gives data against one that gives two far points: every metric must prefer
    # the first, in the direction that it declares.
    rng = np.random.default_rng(1)
    centres = 10 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    modes = np.arange(80) % 4
    real, good = (centres[modes] + rng.standard_normal((80, 2)) for _ in range(2))
    bad = np.tile([[40.0, 40], [41, 40]], (40, 1))
    images = rng.standard_normal((6, 4))
    reported = {"asked": modes, "codes": modes, "originals": images, "modes_before": modes}
    reported["mode_shares"] = np.full(4, 0.25)
    first = measure_all(
        Comparison(
            real,
            good,
            modes,
            high_quality=np.ones(80, dtype=bool),
            distances=np.full(80, 1.2),
            **reported,
            reconstructions=images,
            probabilities=np.eye(4)[modes],
        )
    )
    second = measure_all(
        Comparison(
            real, bad, np.full(80, 3), high_quality=np.zeros(80, dtype=bool),
            distances=np.full(80, 42.0), **reported,
            reconstructions=images + 1, probabilities=np.full((80, 4), 0.25),
        )
    )  # fmt: skip
    for name, metric in metrics().items():
        assert (first[name] > second[name]) == metric.higher_is_better, name
        assert first[name] != second[name], name


def test_the_order_is_the_packages():
    assert list(measure_all(comparison())) == NAMES


def test_neither_torch_nor_scipy_is_imported():
    code = (
        "import sys, numpy as np; from ganlore.metrics import Comparison, measure_all;"
        "x = np.random.default_rng(0).standard_normal((9, 3)); measure_all(Comparison(x, x));"
        "print({'torch', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- one file is one plug-in ----------------------------------------------------------------------

PLUGIN = """
from ganlore.metrics import Metric
METRICS = {{"{name}": Metric("Mean", True, (None, None), "arXiv:0000.00000")}}
def measure(comparison):
    return {{"{measured}": float(comparison.fake.mean())}}
"""


@pytest.fixture
def drop(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])

    def write(file, name, measured=None):
        (tmp_path / f"{file}.py").write_text(
            PLUGIN.format(name=name, measured=measured or name), encoding="utf-8"
        )
        monkeypatch.delitem(sys.modules, f"ganlore.metrics.{file}", raising=False)

    yield write
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"ganlore.metrics.{path.stem}", None)
        vars(package).pop(path.stem, None)


@pytest.mark.parametrize("field", ["asked", "codes"])
def test_labels_and_codes_are_one_for_each_sample(field):
    x = np.random.default_rng(0).standard_normal((9, 3))
    with pytest.raises(ValueError, match=rf"{field} must be integers of shape \(9,\)"):
        Comparison(x, x, **{field: np.zeros(8, dtype=int)})


def test_originals_come_with_their_reconstructions():
    x = np.random.default_rng(0).standard_normal((9, 3))
    with pytest.raises(ValueError, match="together and be of one shape"):
        Comparison(x, x, originals=x)
    with pytest.raises(ValueError, match="together and be of one shape"):
        Comparison(x, x, originals=x, reconstructions=x[:4])


def test_a_new_file_is_a_new_metric(drop):
    drop("a_mean", "fake_mean")
    assert next(iter(metrics())) == "fake_mean"
    seen = comparison()
    assert measure_all(seen)["fake_mean"] == seen.fake.mean()


def test_files_with_an_underscore_are_not_plugins(drop):
    drop("_helper", "helper")
    assert list(metrics()) == NAMES


def test_a_name_that_exists_is_an_error(drop):
    drop("z_again", "recall")
    with pytest.raises(ValueError, match=r"z_again defines metrics that exist already: \['recall'"):
        metrics()


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_measured_where_all_that_it_needs_is_there(name: str) -> None:
    needs = metrics()[name].needs
    assert name in applicable(needs)
    seen = comparison()
    fields = {field: getattr(seen, field) for field in needs}
    assert name in measure_all(Comparison(seen.real, seen.fake, **fields))
    for field in needs:
        fewer = {other: fields[other] for other in needs if other != field}
        assert name not in applicable(fewer)
        if "originals" not in needs:  # which come together with their reconstructions
            assert name not in measure_all(Comparison(seen.real, seen.fake, **fewer))


def test_a_value_that_is_not_declared_is_an_error(drop):
    drop("z_stray", "declared", measured="other")
    with pytest.raises(
        RuntimeError, match=r"z_stray measured \['other'\].* expected \['declared'\]"
    ):
        measure_all(comparison())


# --- what a comparison accepts --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_features_of_single_and_double_precision_are_not_copied(kind):
    features = np.eye(4, dtype=kind)
    assert Comparison(features, features).real is features
    assert Comparison(features.astype(int), features).real.dtype == np.float64


def test_float32_and_float64_give_the_same_numbers():
    single = comparison()
    double = Comparison(
        single.real.astype(np.float64),
        single.fake.astype(np.float64),
        single.modes,
        single.modes_before,
        single.high_quality,
        single.mode_shares,
        single.asked,
        single.codes,
        single.originals,
        single.reconstructions,
        single.probabilities,
        single.distances,
    )
    assert measure_all(single) == measure_all(double)


def test_float32_extremes_overflow_nowhere():
    rng = np.random.default_rng(2)
    huge = (rng.uniform(-1, 1, (2, 9, 4)) * np.finfo(np.float32).max).astype(np.float32)
    assert np.isfinite(list(measure_all(Comparison(*huge)).values())).all()


def test_rows_that_are_not_finite_are_counted_by_side():
    real, fake = np.zeros((5, 2)), np.zeros((6, 2))
    real[1] = np.nan
    fake[[0, 3]] = np.inf
    fake[4, 1] = -np.inf
    with pytest.raises(ValueError, match="1 of 5 rows of real and 3 of 6 rows of fake"):
        Comparison(real, fake)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        ((5, 2), (5, 3), r"one d: got real \(5, 2\) and fake \(5, 3\)"),
        ((5,), (5,), r"\(n_real, d\).*got real \(5,\)"),
        ((5, 2, 2), (5, 2, 2), r"got real \(5, 2, 2\)"),
        ((5, 0), (5, 0), "at least one column"),
        ((5, 2), (1, 2), r"at least 2 rows each: got real \(5, 2\) and fake \(1, 2\)"),
        ((0, 2), (5, 2), r"at least 2 rows each: got real \(0, 2\)"),
    ],
)
def test_shapes_that_do_not_fit(real, fake, message):
    with pytest.raises(ValueError, match=message):
        Comparison(np.zeros(real), np.zeros(fake))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"modes": np.zeros(3, dtype=int)}, r"modes must be integers of shape \(4,\).*\(3,\)"),
        ({"modes": np.zeros(4)}, "got float64"),
        ({"modes": np.array([0, 1, -1, 0])}, "modes must be in .*: got -1 to 1"),
        (
            {"modes": np.array([0, 1, 2, 0]), "mode_shares": np.array([0.5, 0.5])},
            r"modes must be in 0 \.\.\. 1: got 0 to 2",
        ),
        ({"high_quality": np.zeros(4, dtype=int)}, "high_quality must be booleans"),
        ({"distances": np.zeros(3)}, r"distances must be floats of shape \(4,\)"),
        ({"mode_shares": np.array([0.5, 0.6])}, "sum to 1: got a least of 0.5 and a sum of 1.1"),
        ({"mode_shares": np.array([1.5, -0.5])}, "got a least of -0.5"),
        ({"mode_shares": np.array([np.nan, 1])}, "sum to 1"),
        ({"mode_shares": np.eye(2)}, r"\(n_modes,\): got \(2, 2\)"),
    ],
)
def test_modes_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        Comparison(np.eye(4), np.eye(4), **arguments)


def test_what_is_known_of_the_data_is_computed_once_for_all_samples():
    rng = np.random.default_rng(4)
    real, samples = rng.standard_normal((60, 3)), rng.standard_normal((3, 50, 3))
    reference, calls = Reference(real), []

    def mean(features):
        calls.append(features)
        return features.mean()

    for fake in samples:
        available = Comparison(real, fake, reference=reference)
        assert available.of_real(mean) == real.mean()
        assert measure_all(available) == measure_all(Comparison(real, fake))
    assert len(calls) == 1


def test_a_reference_is_that_of_the_same_data():
    real, other = np.eye(4), np.eye(4)
    with pytest.raises(ValueError, match="its features are another array"):
        Comparison(real, other, reference=Reference(other))


# --- fewer samples for metrics over all pairs -----------------------------------------------------


def clouds():
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((80, 6)), 0.97 * rng.standard_normal((90, 6)) + 0.01
    return real.astype(np.float32), fake.astype(np.float32)


def test_metrics_over_all_pairs_take_the_first_samples():
    real, fake = clouds()
    whole = measure_all(Comparison(real, fake))
    part = measure_all(Comparison(real[:30], fake[:30]))
    both = measure_all(Comparison(real, fake, n_pairs=30))
    assert both["fid"] == whole["fid"] != part["fid"]
    for name in ("kid", "precision", "recall", "density", "coverage"):
        assert both[name] == part[name], name
    assert measure_all(Comparison(real, fake, n_pairs=85))["kid"] == pytest.approx(
        measure_all(Comparison(real, fake[:85]))["kid"]
    )


def test_what_is_known_can_be_given_to_another_reference():
    real, fake = clouds()
    first = Reference(real)
    expected = measure_all(Comparison(real, fake, reference=first, n_pairs=30))
    available = {name: tuple(map(np.copy, parts)) for name, parts in first.computed.items()}
    assert any(name.startswith("first 30: ") for name in available)
    again = Comparison(real, fake, reference=Reference(real, available), n_pairs=30)
    assert measure_all(again) == expected
    # it is taken, and not computed again
    available["first 30: kernel._within_real"] = (np.array(7.0),)
    available["frechet._gaussian"] = (np.zeros(6), np.zeros((6, 1)))
    other = measure_all(Comparison(real, fake, reference=Reference(real, available), n_pairs=30))
    assert {name for name in expected if other[name] != expected[name]} == {"fid", "kid"}
