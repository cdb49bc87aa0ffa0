"""The code of each documentation page runs and prints the output that the page shows."""

import re
import warnings
from collections import Counter
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
README = DOCS.parent / "README.md"
PAGES = sorted(
    page
    for page in [README, *DOCS.rglob("*.md")]
    if "```python" in page.read_text(encoding="utf-8")
)
# Packages of the extra "docs" that the code of a page imports.
OPTIONAL = {"languages": ("janome", "jieba", "pythainlp")}
# A row of the table of results: the page and the section that it links to, and the other cells.
RESULTS = re.compile(r"^\| \[[^]]+\]\((?:docs/)?(\w+\.md)#([\w-]+)\)(.*)$", re.M)
# A block of code, and the one that shows what it prints, if there is any.
BLOCKS = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.M | re.S)


def blocks_of(page):
    return BLOCKS.findall(page.read_text(encoding="utf-8"))


def words(printed):
    """Return the words of a text without numbers, which depend on the machine."""
    return Counter(re.findall(r"[^\W\d]+", printed))


def test_the_user_guide_has_code():
    stems = {page.stem for page in PAGES}
    assert stems >= {"getting_started", "languages", "searching", "saving", "texts"}
    assert stems >= {"coming_from_keras", "coming_from_scikeras", "faq", "how_it_works", "index"}


def test_a_page_shows_what_its_code_prints():
    blocks = blocks_of(DOCS / "getting_started.md")
    assert sum(bool(shown) for _, shown in blocks) >= 3


def section_of(page, anchor):
    """Return the text of a section of a page, given the anchor of its heading on GitHub."""
    for section in page.read_text(encoding="utf-8").split("\n## "):
        heading = section.partition("\n")[0].lower()
        if re.sub(r"[^\w -]", "", heading).replace(" ", "-") == anchor:
            return section
    raise ValueError(f"{page.name} has no section {anchor}")


@pytest.mark.parametrize("page", [README, DOCS / "index.md"], ids=lambda page: page.stem)
def test_figures_on_the_first_page_are_those_of_the_linked_section(page):
    rows = RESULTS.findall(page.read_text(encoding="utf-8"))
    assert len(rows) >= 5
    for target, anchor, cells in rows:
        figures = re.findall(r"(?<![\w.,])\d[\d.,]*\d", cells)
        section = section_of(DOCS / target, anchor)
        assert figures
        for figure in figures:
            assert re.search(rf"(?<![\w.,]){re.escape(figure)}(?!\w|[.,]\d)", section), figure


def test_readme_and_first_page_show_the_same_results():
    readme, index = (
        RESULTS.findall(page.read_text("utf-8")) for page in (README, DOCS / "index.md")
    )
    assert readme == index


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_of_a_page_runs(page, monkeypatch, tmp_path, capsys):
    with warnings.catch_warnings():
        # Their warnings on import are not ours.
        warnings.simplefilter("ignore")
        for package in OPTIONAL.get(page.stem, ()):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": page.stem}
    for number, (block, shown) in enumerate(blocks_of(page), start=1):
        capsys.readouterr()
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)
        if shown:
            assert words(capsys.readouterr().out) == words(shown)
    if page.stem == "getting_started":
        check_getting_started(namespace, tmp_path)


def check_getting_started(names, folder):
    """Check what the page says of its own example."""
    assert names["model"].predict(names["new_texts"]).tolist() == ["unhappy", "happy"]
    assert names["comparison"].table.index[0] == "lstm"
    assert not names["comparison"].errors
    values = dict(zip(names["explanation"].tokens, names["explanation"].values, strict=True))
    before, after = ("the", "clock", "looks", "great"), ("but", "it", "broke", "at", "once")
    assert sum(values[token] for token in before) < sum(values[token] for token in after)
    assert 0 < values["great"] < values["broke"]
    assert {file.name for file in folder.iterdir()} >= {
        "messages.csv", "model.joblib", "explanation.png"
    }  # fmt: skip
