"""What is not installed is named before anything is done."""

import sys

import pytest
from photo_folders import TINY

from skknn import classify_folder
from skknn.folders import audit_folder, embed_folder


@pytest.mark.parametrize("find", [classify_folder, audit_folder])
def test_without_pandas_no_folder_is_looked_into(tmp_path, monkeypatch, find):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas.*'skknn\[frames\]'"):
        find(tmp_path / "none", **TINY)


@pytest.mark.parametrize("missing", ["pandas", "pyarrow"])
def test_parquet_names_what_is_missing(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    remedy = {"pandas": r"'skknn\[frames\]'", "pyarrow": r"pip install pyarrow\."}
    with pytest.raises(ImportError, match=f"needs {missing}.*{remedy[missing]}"):
        embed_folder(tmp_path, tmp_path / "x.parquet", **TINY)
