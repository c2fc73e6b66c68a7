"""The page in a browser: nothing fails, all is seen, in the dark and on phones too."""

import pytest
from browser import Browser, find_browser
from report_examples import answer_about, save_photos

from skknn.inspection import write_report

pytestmark = pytest.mark.skipif(
    find_browser() is None, reason="no Chromium (SKKNN_BROWSER names one)"
)

# Of every text, the least contrast with what is behind it (WCAG 2, for sRGB).
CONTRAST = """
(() => {
  const light = c => c.map(v => v / 255).map(
    v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
  ).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const behind = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement)
      layers.push(parts(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, [r, g, b, a = 1]) =>
      under.map((v, i) => v * (1 - a) + [r, g, b][i] * a), [255, 255, 255]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let least = [99, ""];
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    if (!text) continue;
    const element = walker.currentNode.parentElement;
    const pair = [light(parts(getComputedStyle(element).color).slice(0, 3)),
                  light(behind(element))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < least[0]) least = [contrast, text];
  }
  return least;
})()
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    classes = tuple(f"a class with a rather long name {i}" for i in range(12))
    training = [f"class {i % 12}/{i}{'x' * (9 * i)}.jpg" for i in range(24)]
    new = [f"new {i}.jpg" for i in range(7)] + ["not there.jpg"]
    save_photos(folder, [*training, *new[:-1]])
    answer = answer_about(folder, training=training, new=new, classes=classes)
    for i in range(12):  # cells of all strengths
        answer.confusion.iloc[i, :] = range(i, i + 12)
    return write_report(answer, folder / "report.html")


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1300])
def test_the_page_is_seen_as_it_should_be(browser, page, width, dark):
    browser.show(page, width=width, dark=dark)
    assert browser.complaints == []
    assert browser.value("document.images.length") == 1 * 3 + 2 * 2 + 1 + 7 + 8 * 3
    broken = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
    assert browser.value(broken) == 0
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") <= width
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (background != "rgb(255, 255, 255)") is dark
    contrast, text = browser.value(CONTRAST)
    assert contrast >= 4.5, text


def test_what_is_wider_than_a_phone_is_reached_by_keys(browser, page):
    browser.show(page, width=390)
    cut = """[...document.querySelectorAll("main *, nav *")].filter(
        e => e.scrollWidth > e.clientWidth + 1
          && ["auto", "scroll"].includes(getComputedStyle(e).overflowX)
          && e.tabIndex < 0 && !e.querySelector("a")
    ).length"""
    assert browser.value(cut) == 0
    assert browser.value('document.querySelectorAll("[tabindex]").length') >= 3


def test_it_can_be_printed(browser, page, tmp_path):
    browser.show(page, width=1300, dark=True, printed=True)
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    assert browser.value(CONTRAST)[0] >= 4.5
    browser.save_pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert browser.complaints == []


def test_a_fault_is_found(browser, page, tmp_path):
    """The browser complains of what the tests above are there to see."""
    text = page.read_text("utf8")
    worse = tmp_path / "worse.html"
    added = (
        "<script>alert(1)</script><img src='http://localhost:9/x.png' alt=''>"
        "<img src='data:image/jpeg;base64,AAAA' alt=''>"
        "<p style='color: #aaa; width: 2000px; max-width: none'>pale and wide</p>"
    )
    worse.write_text(text.replace("</main>", f"{added}</main>"), "utf8")
    browser.show(worse, width=390)
    assert len(browser.complaints) >= 2  # the policy keeps both from running
    broken = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
    assert browser.value(broken) == 2
    assert browser.value("document.documentElement.scrollWidth") > 390
    contrast, found = browser.value(CONTRAST)
    assert contrast < 4.5 and found == "pale and wide"
