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


def test_what_is_no_image_never_comes_back():
    """Handed out as it is, so that this iteration is skipped; kept is what was there before."""
    pool = ImagePool(3, seed=1)
    broken = batch(1).detach()
    broken[0, 0, 0, 0] = torch.nan
    assert pool.exchange(broken, 0).isnan().any()
    kept = []
    for iteration in range(1, 60):
        given = pool.exchange(broken if iteration % 5 == 0 else batch(iteration), iteration)
        if iteration % 5:
            kept.append(given)
    assert all(image.isfinite().all() for image in [*kept, *pool.images])
    assert not any(image.eq(0).all() for image in kept[3:])


def test_a_smaller_pool_keeps_as_many_as_it_may():
    pool = ImagePool(5)
    for iteration in range(5):
        pool.exchange(batch(iteration), iteration)
    for size in (2, 0):
        smaller = ImagePool(size)
        smaller.load_state_dict(pool.state_dict(), torch.device('cpu'))
        assert len(smaller.state_dict()['images']) == size
