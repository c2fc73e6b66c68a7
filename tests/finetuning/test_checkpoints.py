"""A killed fit goes on where it was, and from nothing else."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from finetuning_examples import TinyNetwork, labelled_images, tiny

X, Y = labelled_images()
TESTS = Path(__file__).parents[1]
FOLLOWED = ("epoch", "loss", "learning_rate", "mean_weight", "mean_knn_proba")
SETTINGS = dict(alpha=0.5, tau=1.0, n_neighbors=8, epochs=6)


def history(model, more=()):
    names = [*FOLLOWED, *more]
    return np.array([[epoch[name] for name in names] for epoch in model.history_])


def checkpoints(folder):
    return sorted((Path(folder) / "finetuning").glob("*.pt"))


class DiesInEpoch(Exception):
    """Instead of a kill, where the process has to live on."""


def interrupted(folder, after, **settings):
    """Fit until so many epochs are written, then break off."""
    from skknn.finetuning._checkpoint import Checkpoint

    written = []
    write = Checkpoint.write

    def writing(self, state):
        write(self, state)
        written.append(state)
        if len(written) == after:
            raise DiesInEpoch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "write", writing)
        with pytest.raises(DiesInEpoch):
            tiny(memory=folder, **SETTINGS | settings).fit(X, Y)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"refresh": "test"},
        {"optimizer": "adamw", "learning_rate": 0.01},
        {"warmup_epochs": 4, "validation_fraction": 0.2},
        {"backbone": "test_resnet", "batch_norm": "update", "epochs": 3},
    ],
)
def test_the_history_is_that_of_an_uninterrupted_fit(settings, tmp_path):
    whole = tiny(**SETTINGS | settings).fit(X, Y)
    interrupted(tmp_path, 2, **settings)
    resumed = tiny(memory=tmp_path, **SETTINGS | settings).fit(X, Y)
    more = ("validation_loss",) if "validation_fraction" in settings else ()
    np.testing.assert_array_equal(history(resumed, more), history(whole, more))
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    assert resumed.n_epochs_ == whole.n_epochs_


def test_a_process_that_is_killed_loses_at_most_an_epoch(tmp_path):
    code = (
        "from finetuning_examples import *\n"
        "X, Y = labelled_images()\n"
        f"tiny(memory={str(tmp_path)!r}, epochs=4000).fit(X, Y)\n"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    deadline = time.monotonic() + 120
    while not checkpoints(tmp_path) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (file,) = checkpoints(tmp_path)
    done = len(torch.load(file, weights_only=True)["history"])
    # Goes on for a few epochs; a fit from the start would need 4,000.
    longer = tiny(memory=tmp_path, epochs=4000)
    with pytest.MonkeyPatch.context() as patch:
        from skknn.finetuning._checkpoint import Checkpoint

        seen = []

        def writing(self, state):
            seen.append([epoch["epoch"] for epoch in state["history"]])
            raise DiesInEpoch

        patch.setattr(Checkpoint, "write", writing)
        with pytest.raises(DiesInEpoch):
            longer.fit(X, Y)
    assert seen == [list(range(1, done + 2))]


def test_a_finished_fit_trains_nothing_when_called_again(tmp_path, monkeypatch):
    first = tiny(memory=tmp_path).fit(X, Y)
    monkeypatch.setattr("skknn.finetuning._training.Training._epoch", None)
    again = tiny(memory=tmp_path).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), first.predict_proba(X))
    assert again.history_ == first.history_


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 2},
        {"random_state": 1},
        {"learning_rate": 0.5},
        {"trainable": 0},
        {"backbone": lambda: TinyNetwork(width=9)},
        {"tau": 0.3},
        {"image_size": 18},
    ],
)
def test_other_settings_never_go_on_from_it(change, tmp_path):
    tiny(memory=tmp_path).fit(X, Y)
    other = tiny(memory=tmp_path, **change).fit(X, Y)
    assert len(checkpoints(tmp_path)) == 2
    alone = tiny(**change).fit(X, Y)
    np.testing.assert_array_equal(history(other), history(alone))


def test_other_images_or_labels_never_go_on_from_it(tmp_path):
    tiny(memory=tmp_path).fit(X, Y)
    changed = X.copy()
    changed[7, 3, 3, 0] += 1
    tiny(memory=tmp_path).fit(changed, Y)
    tiny(memory=tmp_path).fit(X, np.roll(Y, 1))
    assert len(checkpoints(tmp_path)) == 3


def test_other_initial_weights_never_go_on_from_it(tmp_path):
    module = TinyNetwork()
    tiny(memory=tmp_path, backbone=module).fit(X, Y)
    with torch.no_grad():
        module.first.weight[0, 0, 0, 0] += 1
    tiny(memory=tmp_path, backbone=module).fit(X, Y)
    assert len(checkpoints(tmp_path)) == 2


def test_threads_and_the_cache_of_images_do_not_matter(tmp_path):
    tiny(memory=tmp_path).fit(X, Y)
    tiny(memory=tmp_path, n_jobs=2, image_cache_bytes=0, verbose=1).fit(X, Y)
    assert len(checkpoints(tmp_path)) == 1


@pytest.mark.parametrize("other", [{"weights": 1}, [1]])
def test_a_file_of_something_else_is_reported_and_replaced(tmp_path, other):
    first = tiny(memory=tmp_path).fit(X, Y)
    (file,) = checkpoints(tmp_path)
    torch.save(other, file)
    with pytest.warns(UserWarning, match="cannot be read .*something else.*anew"):
        again = tiny(memory=tmp_path).fit(X, Y)
    np.testing.assert_array_equal(history(again), history(first))


def test_a_damaged_checkpoint_is_reported_and_replaced(tmp_path):
    first = tiny(memory=tmp_path).fit(X, Y)
    (file,) = checkpoints(tmp_path)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="cannot be read .*Training begins anew"):
        again = tiny(memory=tmp_path).fit(X, Y)
    np.testing.assert_array_equal(history(again), history(first))
    assert torch.load(file, weights_only=True)["history"]
    assert [p.suffix for p in file.parent.iterdir()] == [".pt"]


def test_a_full_disk_ends_no_training(tmp_path, monkeypatch):
    # Written after the first epoch and after no other.
    want, replace, written = tiny(**SETTINGS).fit(X, Y), os.replace, []

    def full(source, target):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="cannot be written .*goes on") as caught:
        got = tiny(memory=tmp_path, **SETTINGS).fit(X, Y)
    assert sum("cannot be written" in str(w.message) for w in caught) == 1
    np.testing.assert_array_equal(history(got), history(want))
    (file,) = (tmp_path / "finetuning").iterdir()
    assert len(torch.load(file, weights_only=True)["history"]) == 1


def test_a_folder_that_is_none_is_an_error_before_training(tmp_path, monkeypatch):
    from skknn.finetuning._training import Training

    (tmp_path / "file").write_text("")
    monkeypatch.setattr(Training, "_epoch", None)
    with pytest.raises(OSError, match="memory=.*cannot be used as a folder"):
        tiny(memory=tmp_path / "file").fit(X, Y)


def test_the_folder_may_be_in_the_home_of_the_user(tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(elsewhere)
    tiny(memory="~/checkpoints").fit(X, Y)
    assert checkpoints(home / "checkpoints") and not list(elsewhere.iterdir())


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_a_fit_that_could_not_be_resumed_leaves_no_file(tmp_path, random_state):
    with pytest.warns(UserWarning, match="Set random_state to an int"):
        tiny(memory=tmp_path, epochs=1, random_state=random_state).fit(X, Y)
    assert not checkpoints(tmp_path)
