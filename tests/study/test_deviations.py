"""Where a plug-in differs from its paper is declared, shown, and mended under the policy `published`."""

from __future__ import annotations

import ast
import math

import pytest
import torch

from ganlore.docgen import catalogue, pages, studies
from ganlore.errors import GanloreError
from ganlore.networks import Spec
from ganlore.settings import Optimizer
from ganlore.steps import penalties
from ganlore.steps.schedule import learning_rate_factor
from ganlore.study import registry
from ganlore.study.expand import expand
from tiny import REPOSITORY, tiny, tiny_run

PLUG_INS = [
    (kind, name) for kind in ("loss", "trick", "network") for name in catalogue.own(kind)
]  # fmt: skip
PAGES = {"loss": "losses", "trick": "tricks", "network": "networks"}


@pytest.fixture(scope="module")
def text() -> dict[str, str]:
    """The sections of each kind's page, by the plug-in's name."""
    shown = {}
    for kind, name in PAGES.items():
        page = pages.render(REPOSITORY, pages.TEMPLATES / f"{name}.md.j2")
        for section in page.split("\n## ")[1:]:
            shown[f"{kind} {section.splitlines()[0]}"] = section
    return shown


def own_class(kind: str, name: str) -> ast.ClassDef:
    """The class that a plug-in's file gives."""
    module = ast.parse(registry.path_of(kind, name).read_text(encoding="utf-8"))
    attribute = registry.KINDS[kind].attribute
    (chosen,) = [
        node.value.id
        for node in module.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == attribute
    ]
    return next(n for n in module.body if isinstance(n, ast.ClassDef) and n.name == chosen)


@pytest.mark.parametrize(("kind", "name"), PLUG_INS, ids=lambda word: word)
def test_every_plug_in_says_itself_where_it_differs(kind, name, text) -> None:
    """A class's own statement, since an inherited one would be that of another method."""
    names = {
        target.id
        for node in own_class(kind, name).body
        for target in (
            getattr(node, "targets", None) or ([node.target] if hasattr(node, "target") else [])
        )
        if isinstance(target, ast.Name)
    }
    assert "deviations" in names, f"{registry.path_of(kind, name)}: state `deviations`"
    declared = registry.declaration(kind, name).fact("deviations")
    assert isinstance(declared, tuple) and all(s.endswith(".") for s in declared)
    section = text[f"{kind} {name}"]
    for sentence in declared:
        assert f"- Differs: {catalogue.prose(sentence)}\n" in section
    assert ("- As published." in section) == (
        not catalogue.Plugin(registry.declaration(kind, name)).deviations
    )


@pytest.mark.parametrize(
    ("kind", "name"), [p for p in PLUG_INS if p[0] != "network"], ids=lambda word: word
)
def test_a_published_value_is_a_setting_s(kind, name) -> None:
    declared = registry.declaration(kind, name)
    published = declared.fact("published", {})
    assert published.keys() <= declared.model.model_fields.keys()
    settings = declared.settings(published)
    assert all(settings[key] == value for key, value in published.items())
    assert all(declared.settings({})[key] != value for key, value in published.items())


def test_a_study_s_deviations_are_on_the_page(tmp_path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/mine.yaml").write_text(
        "name: mine\ndeviations: [Fewer steps.]\n", encoding="utf-8"
    )
    (tmp_path / "configs/none.yaml").write_text("name: none\n", encoding="utf-8")
    assert studies.deviating_studies(tmp_path) == {"configs/mine.yaml": ["Fewer steps."]}


def settings_of(policy: str, loss: str, trick: str = "none", **changes) -> tuple[dict, dict]:
    run = tiny_run(loss=loss, trick=trick, training={"policy": policy}, **changes)
    return run.loss.settings, run.tricks[0].settings


def test_the_policy_published_has_the_published_settings_and_shared_has_none() -> None:
    assert settings_of("shared", "nonsaturating", "r1")[1]["gamma"] == 0.1
    assert settings_of("published", "nonsaturating", "r1")[1]["gamma"] == 10.0
    assert settings_of("published", "vaegan")[0]["weight"] == 1e-6
    assert settings_of("published", "began")[0]["batch_norm"] is False
    changed = {"tricks": {"r1": {"gamma": 2.0}}}
    assert settings_of("published", "nonsaturating", "r1", settings=changed)[1]["gamma"] == 2.0


def test_the_parts_of_a_combination_are_published_too(tmp_path, monkeypatch) -> None:
    (tmp_path / "tricks").mkdir()
    (tmp_path / "tricks/both.py").write_text(
        "from ganlore.tricks import Trick\n\nclass Both(Trick):\n    paper = '-'\n"
        "    combines = ('r1', 'r2')\n\nTRICK = Both\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path))
    run = tiny_run(trick="both", training={"policy": "published"})
    assert [part.settings["gamma"] for part in run.applied] == [10.0, 10.0]


def test_sngan_s_rate_falls_in_a_straight_line_to_0() -> None:
    published = Optimizer.model_validate(settings_of("published", "hinge")[0]["optimizer"])
    factors = [learning_rate_factor(published, progress) for progress in (0, 0.25, 0.5, 1)]
    assert factors == [1, 0.75, 0.5, 0]
    shared = Optimizer.model_validate(settings_of("shared", "hinge")[0]["optimizer"])
    assert learning_rate_factor(shared, 0.9) == 1
    half = Optimizer(lr=2e-4, lr_end=1e-4, decay="linear")
    assert math.isclose(learning_rate_factor(half, 0.5), 0.75)


class Around:
    """As much of a step as DRAGAN's penalty asks for; it keeps the points."""

    def __init__(self, real: torch.Tensor) -> None:
        self.real, self.rng = real, torch.Generator().manual_seed(1)

    def discriminate(self, points: torch.Tensor) -> torch.Tensor:
        self.points = points.detach()
        return points.square().flatten(1).sum(1)


def test_dragan_s_uniform_noise_is_that_of_the_authors_code() -> None:
    """x + a (.5 std u): never below x, at most .5 std above, one a for a sample."""
    real = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    step = Around(real)
    norms = penalties.norms_around(step, 0.5, uniform=True)
    moved = (step.points - real) / (0.5 * real.std())
    assert moved.min() >= 0 and moved.max() <= 1
    assert math.isclose(moved.mean(), 0.25, abs_tol=0.01)  # E a E u
    assert math.isclose(moved.square().mean(), 1 / 9, abs_tol=0.01)  # E a^2 E u^2
    product = (moved[:, 0] * moved[:, 1]).mean()  # E a^2 (E u)^2: with an a for each number 1/16
    assert math.isclose(product, 1 / 12, abs_tol=0.005)
    assert torch.allclose(norms, 2 * step.points.norm(dim=1))
    normal = Around(real)
    penalties.norms_around(normal, 0.5)
    assert ((normal.points - real) < 0).float().mean() > 0.45


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("size", [8, 28, 32])
def test_dcgan_s_kernels_keep_the_sizes(kernel: int, size: int) -> None:
    network = registry.create("network", "dcgan", {"kernel": kernel, "width": 4})
    spec = Spec((3, size, size), 5)
    generator, discriminator = network.generator(spec), network.discriminator(spec)
    images = generator(torch.randn(2, 5))
    assert images.shape == (2, 3, size, size)
    assert discriminator(images).shape == (2,)
    kernels = {m.kernel_size for net in (generator, discriminator) for m in net.modules()
               if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)}  # fmt: skip
    assert kernels == {(kernel, kernel)}


def test_began_s_generator_has_no_batch_norm_as_published() -> None:
    network = registry.create("network", "mlp", {})
    for batch_norm in (True, False):
        loss = registry.create("loss", "began", {"batch_norm": batch_norm})
        generator = loss.generator_network(network, Spec((2,), 4))
        norms = [m for m in generator.modules() if isinstance(m, torch.nn.BatchNorm1d)]
        assert bool(norms) is batch_norm


def published_network(**settings) -> tuple[torch.nn.Module, torch.nn.Module]:
    network = registry.create(
        "network", "infogan-published", {"width": 4, "hidden": 16, **settings}
    )
    spec = Spec((3, 8, 8), 6)
    return network.generator(spec), network.discriminator(spec)


def test_the_published_small_network_has_uniform_noise_and_leaky_relu() -> None:
    generator, discriminator = published_network()
    noise = torch.randn(20_000, 6, generator=torch.Generator().manual_seed(0))
    uniform = generator.body[0][0](torch.cat([noise, torch.full((20_000, 1), 7.0)], 1))
    assert (uniform[:, 6] == 7).all()  # codes and labels pass
    shares = torch.histc(uniform[:, :6], 10, -1, 1) / 120_000
    assert uniform[:, :6].abs().max() <= 1 and torch.allclose(shares, torch.tensor(0.1), atol=0.005)
    kinds = {type(module) for module in generator.modules()}
    assert torch.nn.ReLU not in kinds and torch.nn.LeakyReLU in kinds
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in discriminator.modules())


def test_a_discriminator_with_batch_norm_sees_real_and_generated_images_apart() -> None:
    from ganlore.training import build

    def joins(**settings) -> bool:
        study = tiny(
            grids=[{"datasets": ["digits"], "networks": ["infogan-published"], "losses": ["nonsaturating"], "tricks": ["none"]}],
            settings={"networks": {"infogan-published": {"width": 4, "hidden": 16, **settings}}},
        )  # fmt: skip
        run = expand(study).runs[0]
        return build.train_state(run, (1, 8, 8), 10, torch.device("cpu")).joins

    assert joins()
    assert not joins(critic_norm=True)
    discriminator = published_network(critic_norm=True)[1]
    kinds = [type(m).__name__ for m in discriminator.trunk.modules() if not list(m.children())]
    assert kinds == ["Conv2d", "LeakyReLU", "Conv2d", "BatchNorm2d", "LeakyReLU",
                     "Flatten", "Linear", "BatchNorm1d", "LeakyReLU"]  # fmt: skip


def test_an_unknown_decay_is_refused() -> None:
    with pytest.raises(GanloreError, match="decay"):
        tiny(training={"optimizer": {"decay": "straight"}})
