"""Images side by side are computed on one thread each, and torch is left as it was."""

import threading

import numpy as np
import pytest
import torch

from skknn import BackboneEmbedder, FungiTransformer
from skknn.backbones._network import Network
from skknn.utils._threads import in_threads, single_threaded_torch

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def found_in_new_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_work_within_work_stays_on_one_thread(three_threads):
    def work(_):
        inside = []
        for _ in range(2):
            with single_threaded_torch():
                inside.append(torch.get_num_threads())
            inside.append(torch.get_num_threads())
        return inside

    with single_threaded_torch():
        assert in_threads(work, range(2), 2, torch=torch) == [[1] * 4] * 2
        with single_threaded_torch():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == found_in_new_thread() == 3


def test_threads_of_the_user_get_their_number_back(three_threads):
    inside, leave, after = threading.Barrier(3), threading.Barrier(3), []

    def run():
        with single_threaded_torch():
            inside.wait()
            leave.wait()
        after.append(torch.get_num_threads())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait()
    leave.wait()
    for thread in threads:
        thread.join()
    assert after == [3, 3]
    assert found_in_new_thread() == 3


def test_a_new_thread_keeps_to_one_though_another_one_leaves(three_threads):
    """torch hands the number that was set last to threads that first compute."""
    alone, left, found = threading.Event(), threading.Event(), []

    def run(start_thread):
        start_thread()
        alone.set()
        left.wait()
        torch.ones(300, 300).sum()
        found.append(torch.get_num_threads())

    with single_threaded_torch() as start_thread:
        thread = threading.Thread(target=run, args=(start_thread,))
        thread.start()
        alone.wait()
        torch.set_num_threads(3)
        left.set()
        thread.join()
    assert found == [1]


def test_an_error_inside_restores(three_threads):
    with pytest.raises(KeyError), single_threaded_torch():
        raise KeyError
    with single_threaded_torch():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("n_images", [1, 6])
@pytest.mark.parametrize(
    "transformer",
    [
        BackboneEmbedder("test_resnet", weights=None, random_state=0, device="cpu"),
        FungiTransformer(
            "test_vit",
            objectives="kl",
            n_components=None,
            weights=None,
            random_state=0,
            device="cpu",
        ),
    ],
    ids=["embedder", "gradients"],
)
def test_every_image_is_computed_on_one_thread(
    three_threads, monkeypatch, transformer, n_images
):
    transformer.set_params(n_jobs=2).fit(IMAGES)
    found = []
    usual = Network.normalize

    def watched(self, *args):
        found.append(torch.get_num_threads())
        return usual(self, *args)

    monkeypatch.setattr(Network, "normalize", watched)
    transformer.transform(IMAGES[:n_images])
    assert len(found) >= n_images and set(found) == {1}
    assert torch.get_num_threads() == 3
