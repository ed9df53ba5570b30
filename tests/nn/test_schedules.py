"""Learning rates against torch's schedulers and by their formulas; optimisers that follow them."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import optim

OURS = {
    "constant": optim.constant(0.3),
    "step decay": optim.step_decay(0.3, every=3, factor=0.5),
    "exponential": optim.exponential(0.3, factor=0.9),
    "cosine": optim.cosine(0.3, steps=12, end=0.1),
    "warm-up": optim.warm_up(0.3, steps=4),
    "warm-up, then cosine": optim.warm_up(optim.cosine(0.3, steps=8), steps=4),
}
THEIRS = {
    "constant": lambda s, o: s.LambdaLR(o, lambda t: 1.0),
    "step decay": lambda s, o: s.StepLR(o, 3, 0.5),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 12, 0.1),
    "warm-up": lambda s, o: s.LinearLR(o, 1 / 5, total_iters=4),
    "warm-up, then cosine": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 1 / 5, total_iters=4), s.CosineAnnealingLR(o, 8)], [4]
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_rates_and_steps_equal_torch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p = tg.tensor(rng.standard_normal(5), dtype=float, requires_grad=True)
    q = torch.tensor(p.numpy().copy(), requires_grad=True)
    opt, theirs = optim.Adam([p], lr=OURS[name]), torch.optim.Adam([q], lr=0.3)
    scheduler = THEIRS[name](torch.optim.lr_scheduler, theirs)
    for t in range(12):
        wanted = scheduler.get_last_lr()[0]
        assert OURS[name](t) == pytest.approx(wanted, rel=1e-12, abs=1e-15)
        g = rng.standard_normal(5)
        opt.step([tg.tensor(g, dtype=float)])
        assert opt.lr == OURS[name](t), "the rate of the step that was taken"
        q.grad = torch.from_numpy(g)
        theirs.step()
        scheduler.step()
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-10)


@given(st.floats(0, 9), st.integers(1, 50), st.floats(0, 9), st.integers(0, 200))
def test_cosine_goes_from_lr_to_end_and_stays(lr, steps, end, t):
    rate = optim.cosine(lr, steps=steps, end=end)
    assert rate(0) == pytest.approx(lr) and rate(steps + t) == end
    assert min(lr, end) - 1e-12 <= rate(t) <= max(lr, end) + 1e-12


@given(st.floats(0, 9), st.integers(1, 50), st.integers(0, 200))
def test_a_warm_up_rises_in_equal_parts_and_then_begins_what_follows(lr, steps, t):
    after = optim.exponential(lr, factor=0.5)
    rate = optim.warm_up(after, steps=steps)
    for i in range(steps):
        assert rate(i) == pytest.approx(lr * (i + 1) / (steps + 1))
    assert rate(steps + t) == after(t)


@given(st.integers(0, 100), st.integers(1, 20))
def test_step_decay_is_exponential_each_so_many_steps(t, every):
    rate = optim.step_decay(2.0, every=every, factor=0.5)
    assert rate(t) == 2.0 * 0.5 ** math.floor(t / every)
    assert rate(t * every) == optim.exponential(2.0, factor=0.5)(t)


@pytest.mark.parametrize("name", OURS)
def test_a_resumed_run_has_the_bits_of_one_that_never_stopped(name):
    rng = np.random.default_rng(0)
    gs = [tg.tensor(rng.standard_normal(5)) for _ in range(9)]

    def fresh():
        p = tg.tensor(np.ones(5), requires_grad=True)
        return p, optim.AdamW([p], lr=OURS[name])

    (p, whole), (q, first), (r, second) = fresh(), fresh(), fresh()
    for i, g in enumerate(gs):
        whole.step([g])
        if i == 4:
            second.load_state_dict(first.state_dict())
            r.data[...] = q.data
        (first if i < 4 else second).step([g])
    np.testing.assert_array_equal(r.numpy(), p.numpy())
    assert second.lr == whole.lr == OURS[name](8)


def test_one_number_is_a_constant_schedule():
    p = tg.tensor([1.0], requires_grad=True)
    opt = optim.SGD([p], lr=np.float64(0.5))
    assert opt.lr == 0.5 and type(opt.lr) is float
    opt.step([tg.tensor([1.0])])
    opt.lr = 0.25
    opt.step([tg.tensor([1.0])])
    opt.lr = lambda t: 1.0 if t == 2 else math.nan
    opt.step([tg.tensor([1.0])])
    assert p.item() == 1 - 0.5 - 0.25 - 1


def test_the_state_of_an_optimiser_with_a_schedule_is_pickled():
    p = tg.tensor([1.0], requires_grad=True)
    opt = pickle.loads(pickle.dumps(optim.SGD([p], lr=OURS["warm-up, then cosine"])))
    assert [opt.schedule(t) for t in range(12)] == [
        OURS["warm-up, then cosine"](t) for t in range(12)
    ]


def test_what_is_refused():
    p = tg.tensor([1.0], requires_grad=True)
    opt = optim.SGD([p], lr=lambda t: 1.0 - t)
    for _ in range(2):
        opt.step([tg.tensor([1.0])])
    with pytest.raises(ValueError, match=r"SGD: wanted lr >= 0, got -1\.0 for step 3"):
        opt.step([tg.tensor([1.0])])
    assert opt.t == 2 and p.item() == 0, "a refused step moved something"
    for lr in (-1, math.nan):
        with pytest.raises(ValueError, match="SGD: wanted lr >= 0, got"):
            optim.SGD([p], lr=lr)
        with pytest.raises(ValueError, match="SGD: wanted lr >= 0, got"):
            opt.lr = lr
        assert opt.lr == 0, "a refused rate was taken"
    with pytest.raises(ValueError, match=r"cosine: wanted a rate >= 0, got -1"):
        optim.cosine(-1, steps=3)
    with pytest.raises(ValueError, match=r"cosine: wanted a rate >= 0, got -2"):
        optim.cosine(1, steps=3, end=-2)
    for steps in (0, 2.5):
        with pytest.raises(
            ValueError, match=f"warm_up: wanted a whole number steps >= 1, got {steps}"
        ):
            optim.warm_up(1.0, steps=steps)
    with pytest.raises(ValueError, match="step_decay: wanted a whole number every >= 1, got 0"):
        optim.step_decay(1.0, every=0)
    for factor in (0, 1.5):
        with pytest.raises(ValueError, match=f"exponential: wanted 0 < factor <= 1, got {factor}"):
            optim.exponential(1.0, factor=factor)
