"""The exporter's page for people: complete on a phone, and up to date without a reload."""

from exporter.status_page import Row, page

ROW = Row("a<b", "http", "http://127.0.0.1", "running", "healthy", (), 3.0, None, "", "")


def test_the_page_is_never_loaded_again_by_itself() -> None:
    assert "http-equiv" not in page([ROW], {})


def test_each_cell_carries_the_name_that_a_phone_shows_beside_it() -> None:
    shown = page([ROW], {})
    for name in ("Bot", "State", "Health", "Polled", "Last activity", "Links"):
        assert f'<td data-name="{name}">' in shown


def test_names_are_escaped_and_unknown_values_say_so() -> None:
    shown = page([ROW], {})
    assert "a&lt;b" in shown
    assert '<td data-name="Last activity">unknown' in shown
