"""The command line."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from photo_folders import fill, save_photo

import skknn
from skknn.cli import main

TINY = ["--backbone", "test_resnet", "--weights", "random"]


def skknn_process(*args, **more):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "skknn", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys, skknn.cli\n"
        "try:\n"
        "    skknn.cli.main(['classify', '--help'])\n"
        "except SystemExit as leave:\n"
        "    assert leave.code == 0\n"
        "heavy = {'torch', 'numpy', 'sklearn', 'pandas', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert "skknn classify photos --out results" in out.stdout


@pytest.mark.parametrize("command", ["classify", "predict", "embed", "audit"])
def test_every_command_tells_its_options(command, capsys):
    with pytest.raises(SystemExit) as leave:
        main([command, "--help"])
    assert leave.value.code == 0
    text = capsys.readouterr().out
    assert "--out" in text and "--debug" in text


def test_the_cost_of_gradient_features_is_told(capsys):
    with pytest.raises(SystemExit):
        main(["classify", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "62 passes" in text and "not always" in text and "better" not in text


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["classify"],
        ["classify", "photos"],
        ["sort", "photos"],
        ["classify", "", "--out", "results"],
        ["audit", "photos", "--out", ""],
    ],
)
def test_wrong_usage_is_status_2(args, capsys):
    with pytest.raises(SystemExit) as leave:
        main(args)
    assert leave.value.code == 2
    assert "usage: skknn" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"skknn {skknn.__version__}\n"


def test_errors_are_one_line_and_status_1(tmp_path, capsys):
    args = ["classify", str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    assert main(args) == 1
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    assert err.startswith("skknn: error: folder=") and "no such folder" in err
    assert main([*args, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_classify_then_predict(tmp_path, capsys):
    folder = fill(tmp_path / "photos", 4)
    save_photo(folder / "todo" / "x.png", "red", 50)
    (folder / "red" / "broken.png").touch()
    out = tmp_path / "results"
    args = ["classify", str(folder), "--out", str(out), "--unlabelled", "todo", *TINY]
    assert main(args) == 0
    said, progress = capsys.readouterr()
    assert "12 labelled photos of 3 classes" in said and "[skknn]" in progress
    assert pd.read_csv(out / "predictions.csv")["file"].tolist() == ["todo/x.png"]
    assert pd.read_csv(out / "skipped.csv")["file"].tolist() == ["red/broken.png"]
    assert main([*args, "--quiet"]) == 0  # reads what is there
    again, progress = capsys.readouterr()
    assert again == said and progress == ""

    for model in (out, out / "model.joblib"):
        table = tmp_path / "deep" / "more.csv"
        photos = str(folder / "blue")
        assert main(["predict", str(model), photos, "--out", str(table)]) == 0
        assert pd.read_csv(table)["label"].tolist() == ["blue"] * 4
    assert "4 photos predicted" in capsys.readouterr().out


def test_embed(tmp_path, capsys):
    folder = fill(tmp_path / "photos", 2)
    save_photo(folder / "loose.png", "red", 50)
    (folder / "broken.png").touch()
    out = tmp_path / "features.npz"
    assert main(["embed", str(folder), "--out", str(out), *TINY]) == 0
    said, warned = capsys.readouterr()
    assert said == "7 photos, 96 features a photo.\n"
    assert "skipped broken.png: the file is empty" in warned
    found = np.load(out)
    embedder = skknn.BackboneEmbedder("test_resnet", weights=None, random_state=0)
    paths = [str(folder / file) for file in found["files"]]
    np.testing.assert_array_equal(found["features"], embedder.fit_transform(paths))
    assert found["labels"].tolist() == ["blue"] * 2 + ["green"] * 2 + [""] + ["red"] * 2
    assert len(found["names"]) == 96
    assert main(["embed", str(folder), "--out", str(tmp_path / "x.csv"), *TINY]) == 1
    assert "must end in .npz or .parquet" in capsys.readouterr().err


def test_audit_finds_copies_under_two_names(tmp_path, capsys):
    folder = fill(tmp_path / "photos", 6)
    (folder / "red" / "copy.png").write_bytes((folder / "red" / "3.png").read_bytes())
    (folder / "red" / "blue.png").write_bytes((folder / "blue" / "2.png").read_bytes())
    out = tmp_path / "audit"
    assert main(["audit", str(folder), "--out", str(out), *TINY]) == 0
    assert "in duplicates.csv" in capsys.readouterr().out
    pairs = pd.read_csv(out / "duplicates.csv")
    found = {frozenset(pair) for pair in zip(pairs["file_a"], pairs["file_b"])}
    assert frozenset(["red/3.png", "red/copy.png"]) in found
    assert frozenset(["blue/2.png", "red/blue.png"]) in found
    assert "red/blue.png" in pd.read_csv(out / "suspect_labels.csv")["file"].tolist()


def test_the_home_folder_is_found_behind_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "photos", 2)
    assert main(["embed", "~/photos", "--out=~/x.npz", *TINY, "--quiet"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "x.npz"]


@pytest.mark.parametrize("missing", [("stdout",), ("stderr",), ("stdout", "stderr")])
@pytest.mark.parametrize("quiet", [["--quiet"], []])
def test_without_streams_the_work_is_done(
    tmp_path, monkeypatch, capsys, missing, quiet
):
    folder = fill(tmp_path / "photos", 2)
    for name in missing:
        monkeypatch.setattr(sys, name, None)
    args = ["embed", str(folder), "--out", str(tmp_path / "x.npz"), *TINY, *quiet]
    assert main(args) == 0
    assert (tmp_path / "x.npz").exists()
    assert bool(capsys.readouterr().err) == (not quiet and "stderr" not in missing)


@pytest.mark.skipif(os.name == "nt", reason="streams of other systems")
def test_what_a_shell_closed_is_no_place_for_files():
    """A library that writes to the number of stderr must not write into a file."""
    code = (
        "import os, sys; [os.close(n) for n in (0, 1, 2)]; from skknn.cli import main\n"
        "try: main(['--version'])\nexcept SystemExit: pass\n"
        "os._exit(open(os.devnull).fileno())"
    )
    done = subprocess.run([sys.executable, "-c", code])
    assert done.returncode >= 3


@pytest.mark.skipif(os.name == "nt", reason="pipes of other systems")
def test_an_output_that_nobody_reads_is_no_error(tmp_path):
    folder = fill(tmp_path / "photos", 2)
    args = ["embed", folder, "--out", tmp_path / "x.npz", *TINY, "--quiet"]
    process = skknn_process(*args)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0
    assert (tmp_path / "x.npz").exists()


def rows_kept(out):
    """Rows in the cache of features, as another process sees them."""
    found = set()
    for file in out.glob("cache/*.sqlite"):
        with contextlib.suppress(sqlite3.OperationalError):  # not yet there
            with contextlib.closing(
                sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
            ) as rows:
                found |= set(rows.execute("SELECT rowid, key FROM rows"))
    return found


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_a_killed_run_goes_on(tmp_path):
    """Killed while it embeds: the next run embeds the rest, and all files appear."""
    folder, out = fill(tmp_path / "photos", 40), tmp_path / "results"
    args = ["classify", folder, "--out", out, *TINY, "--jobs", 1]
    first = skknn_process(*args)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and first.poll() is None:
        if rows_kept(out):
            break
        time.sleep(0.01)
    assert first.poll() is None, first.communicate()
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    kept = rows_kept(out)
    assert kept
    assert [path.name for path in out.iterdir()] == ["cache"]
    second = skknn_process(*args)
    said, progress = second.communicate()
    assert second.returncode == 0, progress
    assert "120 labelled photos" in said
    assert len(pd.read_csv(out / "training.csv")) == 120
    assert kept <= rows_kept(out)  # none was computed again
    assert len(rows_kept(out)) == 120


def test_errors_name_the_options_of_the_command(tmp_path, capsys):
    folder = fill(tmp_path / "photos", 3)
    out = tmp_path / "out"
    assert main(["classify", str(folder), "--out", str(out), "--device", "foo"]) == 1
    said = capsys.readouterr().err
    assert "device='foo'" in said and "device= is --device NAME here" in said
    assert "None is to leave it away" in said
    assert main(["classify", str(folder), "--out", str(out), *TINY]) == 0
    capsys.readouterr()
    more = ["predict", str(out), str(folder), "--out", str(tmp_path / "more.xlsx")]
    assert main(more) == 1
    said = capsys.readouterr().err
    assert "must end in .csv" in said and "output= is --out PATH here" in said
    assert not (tmp_path / "more.xlsx").exists()
