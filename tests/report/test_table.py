"""Tables as Markdown, and the numbers in them."""

from tinygen.report import table


def test_a_table_has_its_head_and_a_line_a_row(tmp_path):
    text = table.markdown(["", "a"], [["x", "1"], ["y", ""]])
    assert text == "|  | a |\n| --- | --- |\n| x | 1 |\n| y |  |"
    table.save(text, tmp_path / "t.md")
    assert (tmp_path / "t.md").read_text(encoding="utf-8") == text + "\n"
    assert [p.name for p in tmp_path.iterdir()] == ["t.md"]


def test_the_mean_and_the_spread_of_several_numbers():
    assert table.mean_and_sd([1.0, 3.0], ".2f") == "2.00 ± 1.41"
    assert table.mean_and_sd([0.5], ".1%") == "50.0%"
    assert table.mean_and_sd([], ".1f") == ""
