"""The image pool: what goes in comes out, now or later, and a resumed run exchanges the same."""

import torch

from cclgan_plugin.models.image_pool import ImagePool


def batch(value, count=1):
    return torch.full((count, 3, 2, 2), float(value), requires_grad=True)


def test_size_0_hands_the_images_through_without_gradient():
    pool = ImagePool(0)
    out = pool.exchange(batch(3), 1)
    assert out.eq(3).all()
    assert not out.requires_grad
    assert pool.images == []


def test_a_full_pool_hands_out_older_images_half_of_the_time():
    pool = ImagePool(4, seed=1)
    old = 0
    for iteration in range(200):
        old += int(pool.exchange(batch(iteration), iteration)[0, 0, 0, 0].item() != iteration)
    assert len(pool.images) == 4
    assert 60 < old < 140


def test_a_resumed_pool_goes_on_alike():
    pool, resumed = ImagePool(3, seed=1), ImagePool(3, seed=1)
    for iteration in range(10):
        pool.exchange(batch(iteration), iteration)
    resumed.load_state_dict(pool.state_dict(), torch.device('cpu'))
    for iteration in range(10, 20):
        assert torch.equal(
            pool.exchange(batch(iteration), iteration), resumed.exchange(batch(iteration), iteration)
        )


def test_images_of_another_size_make_room():
    """A run may be resumed with larger crops."""
    pool = ImagePool(3)
    for iteration in range(5):
        pool.exchange(batch(iteration), iteration)
    larger = torch.ones(1, 3, 4, 4)
    for iteration in range(5, 15):
        assert torch.equal(pool.exchange(larger, iteration), larger)
    assert {image.shape for image in pool.images} == {(3, 4, 4)}
