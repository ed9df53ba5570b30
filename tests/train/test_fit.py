"""The loop: bit-exact resume after Ctrl-C and after a kill, metrics, divergence."""

import signal
import time
from itertools import combinations

import numpy as np
import pytest

import tinygen as tg
from tinygen import data, train
from tinygen.errors import FileError
from tinygen.models import Setup, gan
from tinygen.train.checkpoint import load_checkpoint
from tinygen.train.run import free_folder, newest_run

IMAGES = data.load("strokes", "test").images[:300]
EPOCHS, BATCH = 4, 32  # 9 steps an epoch


def training(folder, *, resume=False, at=None, do=None, epochs=EPOCHS, arch="mlp", **how):
    """Trains a GAN in `folder`; calls do() in step number `at`. Returns the model's arrays."""
    rng = np.random.default_rng(7)
    model = gan.build(gan.Config(arch=arch), Setup((28, 28, 1)), rng)
    run = train.Run.open(folder) if resume else train.Run.create(folder, {})
    count = [0]

    def step(chosen, rng):
        out = model.step(data.scale(IMAGES[chosen], *model.RANGE), rng)
        count[0] += 1
        if count[0] == at:
            do()
        return out

    train.fit(run, model.parts(), step, len(IMAGES), rng, epochs=epochs, batch=BATCH, **how)
    return {f"{n}/{k}": v for n, p in model.parts().items() for k, v in p.state_dict().items()}


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def metrics(folder):
    columns = train.Run.open(folder).read_metrics()
    columns.pop("seconds")
    return columns


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, training(folder)


def test_ctrl_c_saves_and_resume_is_bit_exact(tmp_path, uninterrupted):
    folder = tmp_path / "run"
    with pytest.raises(train.Interrupted, match="stopped in epoch 2, after step 13"):
        training(folder, at=13, do=lambda: signal.raise_signal(signal.SIGINT))
    same(training(folder, resume=True), uninterrupted[1])
    assert metrics(folder) == metrics(uninterrupted[0])


def test_ctrl_c_at_the_last_step_of_an_epoch_resumes_too(tmp_path, uninterrupted):
    folder = tmp_path / "run"
    with pytest.raises(train.Interrupted, match="stopped in epoch 2, after step 18"):
        training(folder, at=18, do=lambda: signal.raise_signal(signal.SIGINT))
    same(training(folder, resume=True), uninterrupted[1])
    assert metrics(folder) == metrics(uninterrupted[0])


def test_a_kill_loses_only_the_epoch_under_way(tmp_path, uninterrupted):
    class Killed(BaseException): ...

    def die():
        raise Killed

    folder = tmp_path / "run"
    with pytest.raises(Killed):
        training(folder, at=25, do=die)
    at = load_checkpoint(folder / "checkpoint.safetensors", {}, np.random.default_rng())
    assert (at.epoch, at.batch, at.step) == (2, 0, 18)
    assert metrics(folder)["step"] == [9, 18]
    same(training(folder, resume=True), uninterrupted[1])
    assert metrics(folder) == metrics(uninterrupted[0])


def test_a_kill_before_the_first_checkpoint_starts_anew(tmp_path, uninterrupted):
    folder = tmp_path / "run"
    with pytest.raises(ZeroDivisionError):
        training(folder, at=3, do=lambda: 1 / 0)
    same(training(folder, resume=True), uninterrupted[1])


def test_more_epochs_continue(tmp_path, uninterrupted):
    folder = tmp_path / "run"
    training(folder, epochs=1)
    same(training(folder, resume=True), uninterrupted[1])


def test_batch_norm_resumes_too(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    whole = training(one, epochs=1, arch="dcgan")
    with pytest.raises(train.Interrupted):
        training(two, epochs=1, arch="dcgan", at=2, do=lambda: signal.raise_signal(signal.SIGINT))
    same(training(two, epochs=1, arch="dcgan", resume=True), whole)


def test_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    training(tmp_path / "run", epochs=1)
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def fit(run, step, *, count=300, epochs=1, batch=10, parts=None, **how):
    """Without networks."""
    rng = np.random.default_rng(0)
    train.fit(run, parts or {}, step, count, rng, epochs=epochs, batch=batch, **how)


def test_an_epoch_sees_every_example_once_in_an_order_of_its_own(tmp_path):
    seen = []
    run = train.Run.create(tmp_path / "run", {})
    fit(run, lambda chosen, rng: seen.append(chosen.copy()) or {}, epochs=3, batch=20)
    assert [len(chosen) for chosen in seen] == [20] * 45
    epochs = np.concatenate(seen).reshape(3, 300)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(300))
        assert (epoch != np.arange(300)).mean() > 0.9
    assert all((a != b).mean() > 0.9 for a, b in combinations(epochs, 2))


def test_what_does_not_fill_a_batch_is_left_out_and_never_the_same(tmp_path):
    seen = []
    run = train.Run.create(tmp_path / "run", {})
    fit(run, lambda chosen, rng: seen.append(chosen.copy()) or {}, count=29, epochs=20)
    epochs = np.concatenate(seen).reshape(20, 20)
    assert all(len(set(epoch)) == 20 for epoch in epochs)
    assert set(epochs.ravel()) == set(range(29))


def test_rows_say_where_they_are_also_across_a_kill(tmp_path):
    """Steps and epochs as they were, none twice; seconds of training add up."""
    run, steps, loss = train.Run.create(tmp_path / "run", {}), [0], tg.tensor(1.0)

    def step(chosen, rng):
        steps[0] += 1
        if steps[0] == 55:
            raise KeyboardInterrupt  # in the second epoch of 30 steps: the row of step 40 is lost
        time.sleep(0.002)
        return {"loss": loss}

    with pytest.raises(KeyboardInterrupt):
        fit(run, step, epochs=3)
    assert run.read_metrics()["step"] == [20, 40]
    before = run.read_metrics()["seconds"][0]
    fit(run, step, epochs=3)
    columns = run.read_metrics()
    assert columns["step"] == [20, 40, 60, 80] and columns["epoch"] == [1, 2, 2, 3]
    seconds = columns["seconds"]
    assert seconds == sorted(seconds) and seconds[0] == before and seconds[1] > 1.5 * before


def test_a_kill_between_checkpoint_and_pictures_loses_no_picture(tmp_path, uninterrupted):
    """Whatever an epoch leaves after its checkpoint is made on going on, from the same state."""
    arrays = {"w": np.zeros(1)}

    class Part:
        def state_dict(self):
            return {"w": arrays["w"].copy()}

        def load_state_dict(self, state):
            arrays["w"] = state["w"].copy()

    def step(chosen, rng):
        arrays["w"] += chosen[0]
        return {}

    def drawing(pictures, die_at=None):
        def each_epoch(epoch):
            if epoch == die_at:
                raise KeyboardInterrupt  # any way to leave at once
            pictures[epoch] = arrays["w"].item()

        return each_epoch

    whole, killed = {}, {}
    one, two = (train.Run.create(tmp_path / name, {}) for name in ("one", "two"))
    fit(one, step, epochs=4, parts={"part": Part()}, each_epoch=drawing(whole))
    arrays["w"] = np.zeros(1)
    with pytest.raises(KeyboardInterrupt):
        fit(two, step, epochs=4, parts={"part": Part()}, each_epoch=drawing(killed, 2))
    fit(two, step, epochs=4, parts={"part": Part()}, each_epoch=drawing(killed))
    assert killed == whole and list(whole) == [1, 2, 3, 4]


def test_divergence_stops_with_a_reason(tmp_path):
    run = train.Run.create(tmp_path / "run", {})
    nan = tg.tensor(np.nan)
    with pytest.raises(train.TrainingError, match="loss is nan at step 20: training has diverged"):
        fit(run, lambda chosen, rng: {"loss": nan}, epochs=3, batch=10)


def test_a_batch_larger_than_the_set_is_refused(tmp_path):
    run = train.Run.create(tmp_path / "run", {})
    with pytest.raises(train.TrainingError, match="a batch of at most 300 examples, got 301"):
        fit(run, lambda chosen, rng: {}, batch=301)


def test_a_broken_checkpoint_is_named(tmp_path):
    folder = tmp_path / "run"
    training(folder, epochs=1)
    path = folder / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FileError, match=r"checkpoint\.safetensors: wanted a safetensors file"):
        training(folder, resume=True)
    tg.save(path, {"a": np.ones(2)})
    with pytest.raises(FileError, match="wanted a checkpoint of a training run"):
        training(folder, resume=True)


def test_run_folder_names(tmp_path):
    base = tmp_path / "gan"
    assert free_folder(base) == base
    with pytest.raises(FileNotFoundError, match="no run at"):
        newest_run(base)
    for name in ("gan", "gan-2", "gan-3"):
        train.Run.create(free_folder(base), {"name": name})
        assert newest_run(base).name == name
    with pytest.raises(FileExistsError, match="holds a run already: add --resume"):
        train.Run.create(base, {})


def test_a_cut_off_row_is_dropped(tmp_path):
    run = train.Run.create(tmp_path / "run", {})
    for step in (20, 40):
        run.log({"step": step, "epoch": 1, "loss": 1 / 3})
    with run.metrics.open("a") as file:
        file.write("60,")
    assert run.read_metrics() == {"step": [20, 40], "epoch": [1, 1], "loss": [1 / 3, 1 / 3]}
    before = run.metrics.read_text().splitlines()[:2]
    run.cut_metrics(20)
    assert run.metrics.read_text().splitlines() == before


def test_seconds_end_the_training_and_more_go_on(tmp_path, monkeypatch, uninterrupted):
    """On a clock of one second a step: after 13, in the second epoch, then to the end."""
    ticks = iter(range(10**6))
    folder, saved = tmp_path / "run", tmp_path / "run" / "checkpoint.safetensors"
    monkeypatch.setattr("tinygen.train.loop.time.perf_counter", lambda: float(next(ticks)))
    training(folder, seconds=13)
    at = load_checkpoint(saved, {}, np.random.default_rng())
    assert (at.epoch, at.batch, at.step, at.seconds) == (1, 4, 13, 13)
    training(folder, resume=True, seconds=13)  # nothing is left to do
    assert (
        load_checkpoint(folder / "checkpoint.safetensors", {}, np.random.default_rng()).step == 13
    )
    same(training(folder, resume=True), uninterrupted[1])
    assert metrics(folder) == metrics(uninterrupted[0])
