"""The bar, and the estimate of the time left."""

from skknn.extraction import Estimate, _progress, show_progress


def test_the_estimate_is_that_of_computed_items(capsys, monkeypatch):
    now = iter([10.0, 12.0])
    monkeypatch.setattr(_progress.time, "perf_counter", lambda: next(now))
    estimate = Estimate("FungiTransformer", 100, "image", after=4)
    estimate.delivered(50)
    for _ in range(4):
        estimate.began()
    for _ in range(2):
        estimate.computed(2)
        estimate.delivered(2)
    estimate.computed(2)
    want = "[FungiTransformer] 0.5 s an image, at most 23 s for the 46 left\n"
    assert capsys.readouterr().out == want


def test_nothing_is_shown_unless_wanted(capsys):
    estimate = Estimate("X", 9, "image", after=1)
    with show_progress(0, 9, "rows", "image", estimate) as progress:
        progress.began()
        progress.computed(1)
        progress.delivered(1)
    assert capsys.readouterr() == ("", "")
    with show_progress(1, 9, "rows", "image", estimate) as progress:
        progress.began()
        progress.computed(1)
        progress.delivered(1)
    out, err = capsys.readouterr()
    assert out.startswith("[X] ") and "rows" in err and "1/9" in err
