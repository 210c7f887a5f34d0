"""The worked examples of docs/limits.md come out as the page says."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from stack.settings import load
from tests.exporter.limits.desk import Desk, known

PAGE = (Path(__file__).parents[3] / "docs/limits.md").read_text(encoding="utf-8")
SECTIONS = {
    section.splitlines()[0]: section for section in PAGE.split("\n## ")[1:] if "| reached at |" in section
}
ROW = re.compile(r"^\| (\d{4}\S+) \| (\S+) \| (\S+) \| (\S+) \| (\S+) \| (.*?) ?\|$", re.MULTILINE)


@pytest.mark.parametrize("name", SECTIONS)
def test_the_numbers_of_the_page_are_those_of_the_exporter(name: str, tmp_path: Path):
    [block] = re.findall(r"```yaml\n(.*?)```", SECTIONS[name], re.DOTALL)
    bot = yaml.safe_load(block)
    [limit] = bot["limits"]
    desk = Desk(limit, tmp_path, bot["starting_capital"], bot["day"]["timezone"], bot["day"]["start"])
    rows = ROW.findall(SECTIONS[name])
    assert len(rows) >= 3
    for when, balance, equity, threshold, left, says in rows:
        found = desk.play(when, float(balance), float(equity))
        assert (known(found).threshold, known(found).left) == (Decimal(threshold), Decimal(left)), when
        assert (known(found).used >= Decimal("0.8")) == ("LossLimit fires" in says)
        assert known(found).locked == (
            says.startswith("locked") or says == "for ever" or "2000 are used" in says
        )
        assert found.gap == ""
        for share in re.findall(r"(\d+)% (?:of 2000 )?are used", says):
            assert round(known(found).used * 100) == int(share)


def test_every_kind_has_its_section():
    assert len(SECTIONS) == 5


def test_the_settings_of_the_page_are_taken(tmp_path: Path):
    first, *_, last = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    bots = yaml.safe_load(first)
    bots["bots"]["beta"] = bots["bots"]["alpha"]
    (tmp_path / "monitoring.yaml").write_text(yaml.safe_dump(bots | yaml.safe_load(last)))
    assert load([tmp_path / "monitoring.yaml"]).accounts["main"].capital == 200_000
