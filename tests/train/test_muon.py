import pytest

torch = pytest.importorskip("torch", reason="training needs torch, which make test installs")

from model_store.train.muon import Muon, orthogonal  # noqa: E402


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)])
def test_a_step_goes_about_equally_far_in_every_direction(shape: tuple[int, int]) -> None:
    drawn = torch.randn((3, *shape), generator=torch.Generator().manual_seed(1))
    lengths = torch.linalg.svdvals(orthogonal(drawn))
    assert lengths.min() > 0.3
    assert lengths.max() < 1.3


def test_matrices_of_one_shape_that_go_through_together_go_as_they_would_alone() -> None:
    drawn = torch.randn((2, 6, 4), generator=torch.Generator().manual_seed(2))
    together = orthogonal(drawn)
    for alone, one in zip(drawn, together, strict=True):
        torch.testing.assert_close(orthogonal(alone[None])[0], one)


def test_what_was_learned_in_matrices_of_several_shapes_comes_down_to_the_least_of_the_loss() -> None:
    drawn = torch.Generator().manual_seed(3)
    wanted = [torch.randn(shape, generator=drawn) for shape in ((6, 4), (4, 6), (6, 4))]
    weights = [torch.nn.Parameter(torch.zeros_like(w)) for w in wanted]
    optimizer = Muon(weights, lr=0.1, momentum=0.9, weight_decay=0.0)
    far = sum(float(w.square().sum()) for w in wanted)
    for _ in range(200):
        optimizer.zero_grad()
        loss = torch.stack([(w - t).square().sum() for w, t in zip(weights, wanted, strict=True)]).sum()
        loss.backward()  # pyright: ignore[reportUnknownMemberType]
        optimizer.step()
    assert sum(float((w - t).detach().square().sum()) for w, t in zip(weights, wanted, strict=True)) < 0.05 * far
