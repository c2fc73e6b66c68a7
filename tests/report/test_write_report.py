"""The page: what stands in it, and that nothing else does."""

import base64
import io
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_examples import answer_about, save_photos, small_answer

from skknn.inspection import write_report

VOID = {"meta", "link", "img", "br", "rect", "path"}


class Page(HTMLParser):
    """Elements, text and mistakes of a page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts, self.wrong = [], [], [], []
        self.feed(text)
        self.close()
        self.wrong += self.open
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if len(dict(attributes)) != len(attributes):
            self.wrong.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def pictures(self):
        return [
            Image.open(io.BytesIO(base64.b64decode(a["src"].partition(",")[2])))
            for a in self.all("img")
        ]


def page_of(answer, folder, **settings):
    path = write_report(answer, folder / "report.html", **settings)
    return Page(path.read_text("utf8"))


def test_the_page_is_whole_and_loads_nothing(tmp_path):
    page = page_of(small_answer(tmp_path), tmp_path)
    assert page.wrong == []
    names = Counter(tag for tag, _ in page.elements)
    assert names["script"] == names["iframe"] == names["object"] == 0
    for tag, attributes in page.elements:
        assert not any(a.startswith("on") for a in attributes)
        for key in ("src", "href", "action"):
            assert attributes.get(key, "#").startswith(("#", "data:")), (tag, key)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for link in page.all("a"):
        assert link["href"][1:] in ids
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby", ids[0]) in ids


def test_pictures_have_texts_and_tables_have_heads(tmp_path):
    page = page_of(small_answer(tmp_path), tmp_path)
    # Of 1 suspect and its 2 voters, 2 pairs, 1 outlier, 4 predictions with 3 voters.
    assert len(page.all("img")) == 3 + 4 + 1 + 4 * 4
    assert all(picture.format == "JPEG" for picture in page.pictures())
    for image, picture in zip(page.all("img"), page.pictures()):
        assert image["alt"].startswith("Photo")
        assert (int(image["width"]), int(image["height"])) == picture.size
    assert page.all("th") and all(
        head.get("scope") in ("row", "col") for head in page.all("th")
    )


def test_numbers_are_those_of_the_answer(tmp_path):
    answer = small_answer(tmp_path)
    text = page_of(answer, tmp_path).text.replace("\xa0", " ")
    for said in ("87.3 %", "81.2 % to 91.4 %", "25.3 %", "2026-01-02"):
        assert said in text
    assert "Each photo was predicted without itself." in text
    assert "75.0 % 62.5 % 41\N{EN DASH}83 %" in text  # a row of the classes
    assert "25 % of the first and 75 % of the second" in text  # lam
    for row in answer.predictions.to_dict("records"):
        parts = [row["votes_probability"], row["base_probability"], row["probability"]]
        votes, base, mixture = (f"{100 * p:.0f} %" for p in parts)
        said = f"Votes × 0.25 {votes} Base × 0.75 {base} Mixture {mixture}"
        assert said in text
    assert "a.txt no photo" in text


def test_votes_without_a_share_are_not_said_to_decide(tmp_path):
    """With lam = 0 the similar photos are only shown, and their votes are no part."""
    zero = {"date": "2026-01-02", "parameters": {"lam": 0.0, "tau": 0.1}}
    answer = small_answer(tmp_path, settings=zero)
    page = page_of(answer, tmp_path)
    text = page.text[page.text.index("Predicted photos") :]
    text = text[: text.index("Labels to look at")]
    assert text.count("Votes had no share; the most similar photos:") == 4
    assert "Mixture : the base alone" in text and "voted" not in text
    one = {"date": "2026-01-02", "parameters": {"lam": 1.0}}
    text = page_of(small_answer(tmp_path, settings=one), tmp_path).text
    assert "Mixture : the votes alone" in text and "Photos that voted" in text


def test_bars_are_as_long_as_the_numbers(tmp_path):
    answer = small_answer(tmp_path)
    path = write_report(answer, tmp_path / "report.html")
    text = path.read_text("utf8")
    for column, kind in [
        ("votes_probability", "votes"),
        ("base_probability", "base"),
        ("probability", "mixture"),
    ]:
        drawn = re.findall(rf'<rect class="{kind}" width="([\d.]+)"', text)
        expected = [f"{100 * share:.4g}" for share in answer.predictions[column]]
        assert set(expected) <= set(drawn)
    left, lam = answer.predictions, 0.25
    np.testing.assert_allclose(
        lam * left["votes_probability"] + (1 - lam) * left["base_probability"],
        left["probability"],
    )


def test_uncertain_photos_come_first(tmp_path):
    answer = small_answer(tmp_path)
    text = page_of(answer, tmp_path).text
    text = text[text.index("Predicted photos") : text.index("Labels to look at")]
    frame = answer.predictions
    unsure = frame["uncertain"] | frame["unlike"]
    assert 0 < unsure.sum() < len(frame)
    expected = [
        *frame[unsure].sort_values("probability")["file"],
        *frame[~unsure].sort_values("probability")["file"],
    ]
    assert re.findall(r"new\d\.jpg", text) == expected
    assert text.count("unlike anything seen") == frame["unlike"].sum()


def test_pairs_of_different_classes_come_first(tmp_path):
    answer = small_answer(tmp_path)
    text = page_of(answer, tmp_path).text
    assert text.index("0.987") < text.index("0.999")
    assert text.count("different classes") == 2  # a badge and the sentence above
    frame = answer.duplicates.assign(label_b=[None, np.nan])  # one has no label
    text = page_of(small_answer(tmp_path, duplicates=frame), tmp_path).text
    assert "different classes" not in text and text.count("no label") == 2


def test_pairs_are_called_what_they_are(tmp_path):
    answer = small_answer(tmp_path)
    frame = answer.duplicates.assign(similarity=[0.95, 0.73])
    text = page_of(small_answer(tmp_path, duplicates=frame), tmp_path).text
    assert "1 pair of photos is nearly the same" in text
    assert "1 pair of photos is very similar, with a similarity below 0.9" in text
    assert "nearly the same, similarity 0.950" in text
    assert "very similar, similarity 0.730 different classes" in text
    assert "labels is likely wrong" not in text  # of the pair that is no copy
    frame = answer.duplicates.assign(similarity=[0.95, 0.9])
    text = page_of(small_answer(tmp_path, duplicates=frame), tmp_path).text
    assert "2 pairs of photos are nearly the same" in text
    assert "very similar" not in text and "labels is likely wrong" in text
    frame = answer.duplicates.assign(
        similarity=[0.95, 0.73], same_picture=[False, True]
    )
    text = page_of(small_answer(tmp_path, duplicates=frame), tmp_path).text
    assert "nearly the same (the same picture), similarity 0.730" in text
    assert "very similar" not in text and "labels is likely wrong" in text


NAMES = [
    "<script>alert(1)</script>",
    "quo\"te' & <b>.jpg",
    "emoji 🙂 é.jpg",
    "line\nbreak\tand\x1b[0m.jpg",
    "turned \u202egpj.exe",
    "n" * 250,
]


@pytest.mark.parametrize("odd", NAMES)
def test_names_stay_text(tmp_path, odd):
    files = [f"{i}.jpg" for i in range(4)]
    save_photos(tmp_path, files)
    folder_names = [odd.replace("/", "_"), *files[1:]]
    os.rename(tmp_path / files[0], tmp_path / folder_names[0])
    answer = answer_about(
        tmp_path,
        training=folder_names[:3],
        new=[folder_names[0]],
        classes=(odd, "b"),
        skipped=pd.DataFrame({"file": [odd], "reason": [odd]}),
        settings={"backbone_name": odd, odd: 1},
    )
    page = page_of(answer, tmp_path, title=odd)
    assert page.wrong == [] and not page.all("script") and not page.all("b/")
    assert "no-picture" not in {a.get("class") for a in page.all("span")}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", page.text)
    readable = odd.replace("\n", r"\n").replace("\t", r"\t").replace("\x1b", r"\x1b")
    assert readable.replace("\u202e", r"\u202e") in page.text
    for attributes in page.all("img"):
        assert set(attributes) == {"src", "width", "height", "alt", "decoding"}


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text here")
def test_names_that_are_no_text_are_found_and_shown(tmp_path):
    odd = os.fsdecode(b"caf\xe9.jpg")
    files = [odd, "1.jpg", "2.jpg", "3.jpg"]
    try:
        save_photos(tmp_path, files)
    except OSError:
        pytest.skip("this file system has no such names")
    answer = answer_about(tmp_path, training=files[:3], new=[odd])
    page = page_of(answer, tmp_path)
    assert "caf\N{REPLACEMENT CHARACTER}.jpg" in page.text
    assert not [a for a in page.all("span") if a.get("class") == "no-picture"]


def test_photos_are_upright_and_without_tags(tmp_path):
    answer = small_answer(tmp_path)
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[:, :200] = 255, 0, 0  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010E] = "a secret place"
    Image.fromarray(pixels).save(
        tmp_path / "new0.jpg", exif=exif, comment=b"a secret place", quality=95
    )
    page = page_of(answer, tmp_path)
    turned = [
        picture
        for image, picture in zip(page.all("img"), page.pictures())
        if "new0.jpg" in image["alt"]
    ]
    assert len(turned) == 1
    assert turned[0].size == (168, 224)
    red = np.asarray(turned[0])[..., 0]
    assert red[:100].min() > 200 and red[-100:].max() < 50  # red is above now
    for attributes in page.all("img"):
        data = base64.b64decode(attributes["src"].partition(",")[2])
        assert b"secret" not in data and b"Exif" not in data


def test_photos_that_are_not_there_are_said_to_be(tmp_path):
    answer = small_answer(tmp_path)
    (tmp_path / "new0.jpg").unlink()
    (tmp_path / "new1.jpg").write_bytes(b"no photo")
    page = page_of(answer, tmp_path)
    boxes = [a for a in page.all("span") if a.get("class") == "no-picture"]
    assert sorted(box["aria-label"].split(": ")[-1] for box in boxes) == [
        "cannot be read",
        "file not found",
    ]


def test_no_folder_of_this_machine_is_told(tmp_path):
    folder = tmp_path / "birds"
    other = tmp_path / "others"
    new = ["../others/x.jpg", str(other / "y.jpg")]
    save_photos(folder, ["0.jpg", "1.jpg", "2.jpg"])
    save_photos(other, ["x.jpg", "y.jpg"])
    answer = answer_about(
        folder,
        training=["0.jpg", "1.jpg", "2.jpg"],
        new=new,
        settings={
            "new": str(other),
            "cache": {"memory": f"{tmp_path}/rows", "all": [f"{tmp_path}/more"]},
            "windows": r"C:\Users\ann\photos",
            "backbone": "hf-hub:timm/some_model",
        },
        skipped=pd.DataFrame(
            {
                "file": ["../others/z.txt", "a.jpg"],
                "reason": [
                    f"not in {str(folder)!r}",
                    f"no such file '{folder}/a.jpg' (looked from '/home/ann/work')",
                ],
            }
        ),
    )
    path = write_report(answer, tmp_path / "report.html")
    text = path.read_text("utf8")
    for secret in (str(tmp_path), tmp_path.name, "/home/ann", "Users", "../"):
        assert secret not in text
    page = Page(text)
    for said in ("others/ x.jpg", "others/ y.jpg", "hf-hub:timm/some_model", "birds"):
        assert said in page.text
    assert "no such file 'a.jpg' (looked from 'work')" in page.text
    assert len(page.all("img")) == 3 + 4 + 1 + 2 * 4  # those outside are found, too
    write_report(answer, path, show_paths=True)
    assert f"{tmp_path}/rows" in path.read_text("utf8")


def test_a_thousand_photos_fit(tmp_path):
    training = [f"{i}.jpg" for i in range(8)]
    save_photos(tmp_path, training, side=400, noise=True)  # nothing is larger as JPEG
    new = [training[i % 8] for i in range(1034)]
    answer = answer_about(tmp_path, training=training, new=new)
    suspects = pd.concat([answer.suspect_labels] * 300, ignore_index=True)
    pairs = pd.concat([answer.duplicates] * 150, ignore_index=True)
    answer.suspect_labels, answer.duplicates = suspects, pairs
    path = write_report(answer, tmp_path / "report.html")
    assert 10e6 < path.stat().st_size <= 20e6
    page = Page(path.read_text("utf8"))
    for said in ("The first 200 of 1,034", "The first 200 of 300"):
        assert said in page.text
    small = write_report(answer, path, max_megabytes=4)
    assert 2e6 < small.stat().st_size <= 4e6
    assert "to keep this page small" in Page(small.read_text("utf8")).text
    few = write_report(answer, path, max_rows=3)
    page = Page(few.read_text("utf8"))
    assert "The first 3 of 1,034" in page.text
    assert len(page.all("img")) == 3 * 3 + 3 * 2 + 1 + 3 * 4
    assert "to keep this page small" not in page.text


def confusion_cells(page_text):
    table = re.search(r'<table class="confusion">.*?</table>', page_text, re.S)
    rows = re.findall(r"<tr><th.*?</tr>", table[0], re.S)
    return [[int(n) for n in re.findall(r"<td[^>]*>(\d+)</td>", row)] for row in rows]


def test_few_classes_have_a_matrix(tmp_path):
    counts = pd.DataFrame([[3, 7], [0, 5]])
    path = write_report(small_answer(tmp_path, confusion=counts), tmp_path / "r.html")
    text = path.read_text("utf8")
    assert confusion_cells(text) == counts.values.tolist()
    assert 'class="wrong" style="--s:0.700"' in text


def test_texts_fit_their_numbers(tmp_path):
    counts = pd.DataFrame([[9, 1], [2, 90]])
    skipped = pd.DataFrame({"file": ["a/", "b.txt"], "reason": ["no photos", "no"]})
    answer = small_answer(tmp_path, confusion=counts, skipped=skipped)
    text = page_of(answer, tmp_path).text
    # Sorted by the number of photos, 2.2 % of a class above 10 % of another.
    assert "2 pairs of classes, by the number of photos" in text
    assert text.index("2.2 %") < text.index("10.0 %")
    assert "most confused" not in text
    assert "2 files or folders had no part" in text
    assert "2 files or folders skipped" in text
    assert "of 6 labelled photos were given their own class by a model" in text
    one = small_answer(tmp_path, skipped=skipped[:1])
    assert "1 file or folder had no part" in page_of(one, tmp_path).text


def test_many_classes_have_their_most_confused_pairs(tmp_path):
    classes = tuple(f"class {i:03d}" for i in range(300))
    rng = np.random.default_rng(0)
    counts = rng.permutation(300 * 300).reshape(300, 300)
    training = [f"{i}.jpg" for i in range(4)]
    save_photos(tmp_path, training)
    answer = answer_about(
        tmp_path, training=training, classes=classes, confusion=pd.DataFrame(counts)
    )
    page = page_of(answer, tmp_path)
    assert not [a for a in page.all("table") if a.get("class") == "confusion"]
    assert "A matrix of 300 classes would be too large" in page.text
    np.fill_diagonal(counts, -1)
    i, j = np.unravel_index(counts.argmax(), counts.shape)
    assert f"Of the class class {i:03d} class {j:03d} {counts[i, j]:,}" in page.text
    assert "The 20 most confused of 89,699 pairs of classes, by the number" in page.text
    assert "The 200 classes of lowest recall, of 300." in page.text


def test_frames_may_be_none_or_empty(tmp_path):
    names = ["predictions", "suspect_labels", "duplicates", "outliers", "skipped"]
    page = page_of(
        small_answer(
            tmp_path,
            class_overlap=None,
            confusion=None,
            **dict.fromkeys(names[:3]),
            **{name: pd.DataFrame() for name in names[3:]},
        ),
        tmp_path,
    )
    assert page.wrong == [] and not page.all("img")
    for said in (
        "There was no photo without a class.",
        "No label stands out.",
        "No two photos are nearly the same.",
        "No labelled photo is far from all others.",
        "Nothing: every file was read.",
    ):
        assert said in page.text
    ids = {a.get("id") for _, a in page.elements}
    assert "overlap" not in ids and "confusion" not in ids


def test_missing_numbers_are_dashes(tmp_path):
    answer = small_answer(tmp_path)
    answer.per_class["precision"] = [np.nan, None]
    answer.predictions["base_probability"] = np.nan
    page = page_of(answer, tmp_path)
    assert "nan" not in page.text.lower() and "None" not in page.text
    assert "3 \N{EN DASH} 62.5" in page.text


def test_the_licence_is_the_one_that_is_known(tmp_path):
    told = {"weights_licence": "CC-BY-NC-4.0"}
    assert (
        "CC-BY-NC-4.0" in page_of(small_answer(tmp_path, settings=told), tmp_path).text
    )
    timm = {"backbone": "tf_efficientnet_lite0"}
    assert (
        "apache-2.0, as"
        in page_of(small_answer(tmp_path, settings=timm), tmp_path).text
    )
    for unknown in ({"backbone": "my own"}, {**timm, "weights": "my.pth"}, {}):
        page = page_of(small_answer(tmp_path, settings=unknown), tmp_path)
        assert "Not known here." in page.text
    random = {**timm, "weights": None}
    assert (
        "are random" in page_of(small_answer(tmp_path, settings=random), tmp_path).text
    )


def test_the_same_answer_gives_the_same_bytes(tmp_path):
    answer = small_answer(tmp_path)
    first = write_report(answer, tmp_path / "a.html").read_bytes()
    assert write_report(answer, tmp_path / "b.html", n_jobs=1).read_bytes() == first


def test_an_old_report_stays_until_the_new_one_is_there(tmp_path, monkeypatch):
    answer = small_answer(tmp_path)
    path = write_report(answer, tmp_path / "report.html")
    old, files = path.read_bytes(), sorted(tmp_path.iterdir())

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        write_report(answer, path, title="Another")
    assert path.read_bytes() == old and sorted(tmp_path.iterdir()) == files


def test_neither_matplotlib_nor_torch_is_loaded(tmp_path):
    small_answer(tmp_path)
    code = (
        "import sys, pathlib\n"
        f"sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})\n"
        "from report_examples import small_answer\n"
        "from skknn.inspection import write_report\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "write_report(small_answer(folder), folder / 'report.html')\n"
        "print([m for m in ('matplotlib', 'torch', 'timm') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_errors_say_what_to_do(tmp_path):
    answer = small_answer(tmp_path)
    path = tmp_path / "report.html"
    for settings, message in [
        ({"max_rows": -1}, r"max_rows=-1 must be a whole number, 0 or more"),
        ({"max_rows": 2.5}, r"max_rows=2.5 must be a whole number"),
        ({"max_megabytes": 0}, r"max_megabytes=0 must be a number above 0"),
        ({"max_megabytes": float("nan")}, r"max_megabytes=nan must be"),
        ({"max_megabytes": 0.001}, r"has no room for the texts .* Lower max_rows"),
        ({"n_jobs": 0}, r"n_jobs=0 must be a whole number, 1 or more"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_report(answer, path, **settings)
    with pytest.raises(IsADirectoryError, match="is a folder. Name the file in it"):
        write_report(answer, tmp_path)
    with pytest.raises(FileNotFoundError, match="Make it first"):
        write_report(answer, tmp_path / "none" / "report.html")
    with pytest.raises(TypeError, match="has no field 'evaluation'. Pass what"):
        write_report("answer", path)
    shorter = small_answer(tmp_path)
    shorter.predictions = shorter.predictions.drop(columns="unlike")
    with pytest.raises(TypeError, match=r"predictions lacks the columns \['unlike'\]"):
        write_report(shorter, path)
    with pytest.raises(TypeError, match=r"evaluation has no \['accuracy'"):
        write_report(small_answer(tmp_path, evaluation={}), path)
    with pytest.raises(TypeError, match=r"confusion has the shape \(1, 1\)"):
        write_report(small_answer(tmp_path, confusion=pd.DataFrame([[1]])), path)
    assert not path.exists()
