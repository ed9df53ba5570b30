"""The loop: bit-exact resume after Ctrl-C and after a kill, metrics, divergence."""

import signal

import numpy as np
import pytest

import tinygen as tg
from tinygen import data, train
from tinygen.errors import FileError
from tinygen.models import gan
from tinygen.train.checkpoint import load_checkpoint
from tinygen.train.run import free_folder, newest_run

IMAGES = data.load("strokes", "test").images[:300]
EPOCHS, BATCH = 4, 32  # 9 steps an epoch


def training(folder, *, resume=False, at=None, do=None, epochs=EPOCHS, arch="mlp"):
    """Trains a GAN in `folder`; calls do() in step number `at`. Returns the model's arrays."""
    config = {"arch": arch, "shape": (28, 28, 1), "loss": "non-saturating", "lr": 2e-4}
    config |= {"device": "cpu", "beta1": 0.5, "generator_steps": 1}
    rng = np.random.default_rng(7)
    model = gan.build(config, rng)
    run = train.Run.open(folder) if resume else train.Run.create(folder, config)
    count = [0]

    def step(chosen, rng):
        out = model.step(data.scale(IMAGES[chosen], *gan.RANGE), rng)
        count[0] += 1
        if count[0] == at:
            do()
        return out

    train.fit(run, model.parts(), step, len(IMAGES), rng, epochs=epochs, batch=BATCH)
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


def test_divergence_stops_with_a_reason(tmp_path):
    run = train.Run.create(tmp_path / "run", {})
    nan = tg.tensor(np.nan)
    with pytest.raises(train.TrainingError, match="loss is nan at step 20: training has diverged"):
        train.fit(
            *(run, {}, lambda chosen, rng: {"loss": nan}, 300, np.random.default_rng()),
            epochs=3,
            batch=10,
        )


def test_a_batch_larger_than_the_set_is_refused(tmp_path):
    run = train.Run.create(tmp_path / "run", {})
    with pytest.raises(train.TrainingError, match="a batch of at most 300 images, got 301"):
        train.fit(
            *(run, {}, lambda chosen, rng: {}, 300, np.random.default_rng()), epochs=1, batch=301
        )


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
