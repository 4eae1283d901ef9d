"""The site in a real browser: nothing leaves the machine, everybody can read it, on a phone and in the dark, and no link is dead."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

for name in ("sphinx", "myst_nb", "sphinx_book_theme", "sphinx_copybutton"):
    pytest.importorskip(name, reason=f"{name} is not installed here: make test-interop installs it")

from tests.helpers.notebook_rules import NAMES
from util.course.website.build import build

LESSON = "lessons/06_roc.html"
PAGES = ["index.html", LESSON, "api/losses.html", "phantom.html", "glossary.html", "search.html"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
# Words that a line's end breaks, which no hyphen or other sign allows: text that scrolls by itself is left out.
BROKEN = r"""() => {
  const found = [], walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("pre, math, script, style, svg, [hidden], details:not([open]), .dropdown-menu")) continue;
    for (const word of node.textContent.matchAll(/[\p{L}\p{N}]{2,}/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(r => Math.round(r.top / 8))).size > 1) found.push(word[0]);
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place") / "site"
    assert build(folder) == folder / "index.html"
    return folder


@pytest.fixture
def opened(browser, site):
    """A function that opens a page of the site; at the end, that nothing was asked of a network and no script failed."""
    asked, failed, contexts = [], [], []

    def open_page(name, size=DESK, scheme="light"):
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto((site / name.split("?")[0]).as_uri() + "".join(name.partition("?")[1:]))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert asked and [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert failed == []


# ---- Without a browser ----------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.anchors, self.unlabelled = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.add(attributes.get("id"))
        for name in ("href", "src"):
            if attributes.get(name) and not attributes[name].startswith("data:"):
                self.links.append(attributes[name])
        if tag == "img" and "toggler" not in attributes.get("class", "") and len(attributes.get("alt") or "") < 20:
            self.unlabelled.append(str(attributes)[:200])


@pytest.fixture(scope="module")
def pages(site):
    return {
        path: Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }


def test_no_link_is_dead(site, pages):
    dead, internal = [], 0
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"(https?|mailto):", link):
                continue
            internal += 1
            target, _, anchor = link.partition("#")
            place = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
            gone = not place.is_file() or (anchor and place in pages and unquote(anchor) not in pages[place].anchors)
            dead += [f"{path.relative_to(site)}: {link}"] if gone else []
    assert internal > 1000 and dead == []


def test_every_lesson_has_a_page_and_every_picture_words(site, pages):
    assert sorted(path.stem for path in (site / "lessons").glob("*.html")) == sorted(NAMES)
    assert [words for page in pages.values() for words in page.unlabelled] == []


def test_pages_name_no_folder_of_this_machine_and_no_rest_is_left(site):
    assert [path.name for path in site.parent.iterdir()] == ["site"]
    texts = [path for path in site.rglob("*") if path.suffix in (".html", ".js", ".inv")]
    assert texts and [path for path in texts if str(site.parent).encode() in path.read_bytes()] == []


# ---- In a browser ---------------------------------------------------------------------------------


# Colors that still change from light to dark would be judged halfway.
STILL = "*, *::before, *::after { transition: none !important; animation: none !important }"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size, scheme", [(DESK, "light"), (DESK, "dark"), (PHONE, "light")], ids=str)
def test_everybody_can_read_it(opened, axe, name, size, scheme):
    """Axe has no serious complaint: contrast in light and dark, names of buttons, keys for what scrolls."""
    page = opened(name, size, scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.add_style_tag(content=STILL)
    page.evaluate(axe)
    result = page.evaluate('axe.run({ preload: false, resultTypes: ["violations"] })')  # it would fetch style sheets
    assert len(result["passes"]) > 10
    told = [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in result["violations"]
            if v["impact"] in ("serious", "critical")]  # fmt: skip
    assert told == []


@pytest.mark.parametrize("name", [*PAGES, *(f"lessons/{name}.html" for name in NAMES)])
def test_a_phone_shows_the_page_whole(opened, name):
    """No sideways scrolling of the page, and no broken word."""
    page = opened(name, PHONE)
    assert page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]") == [390, 390]
    assert page.evaluate(BROKEN) == []


def test_a_broken_word_would_be_noticed(opened):
    page = opened("index.html", PHONE)
    page.evaluate("document.querySelector('main p').style.wordBreak = 'break-all'")
    assert page.evaluate(BROKEN)


def test_search_finds_lessons_and_functions(opened):
    page = opened("search.html?q=calibration")
    for place in ("lessons/07_decisions", "api/metrics"):  # the page writes its results one after another
        page.wait_for_selector(f"#search-results li a[href*='{place}']")


def test_folded_code_opens(opened):
    page = opened(LESSON)
    folds = page.locator("main details")
    solution = folds.filter(has_text="Show the solution").first
    assert not solution.locator("pre").is_visible()
    solution.locator("summary").click()
    assert solution.locator("pre").is_visible() and "return" in solution.locator("pre").inner_text()
    assert folds.filter(has_text="Show the set-up").count() == 1


def test_a_term_shows_its_meaning_and_leads_to_the_glossary(opened):
    page = opened(LESSON)
    term = page.locator("a.term").first
    words, meaning = term.inner_text(), term.get_attribute("title")
    assert len(meaning) > 30
    term.click()
    page.wait_for_url("**/glossary.html#*")
    place = page.evaluate("document.getElementById(location.hash.slice(1)).getBoundingClientRect().top")
    assert -200 < place < DESK["height"]
    assert f"{words}: {meaning}" in page.locator("main").inner_text()


def test_previous_next_and_contents_lead_through_the_course(opened):
    page = opened("index.html")
    for name in NAMES[:3]:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/{name}.html")
    page.locator("a.left-prev").click()
    page.wait_for_url(f"**/{NAMES[1]}.html")
    assert page.locator("nav.bd-links a.reference.internal[href$='.html']").count() >= len(NAMES)


def test_formulas_are_drawn_without_a_network(opened):
    page = opened("lessons/04_weighted_loss.html")
    boxes = page.eval_on_selector_all("math", "all => all.map(m => m.getBoundingClientRect().height)")
    assert len(boxes) > 5 and min(boxes) > 5
    assert page.locator("merror").count() == 0
