"""`nightdesk check` refuses a reference that cannot be used, and says which file, what in it, what to do."""

import subprocess
from pathlib import Path

import pytest
import yaml

from stack.containers.translate import translate
from stack.edge import unusable
from tests.exporter.edge_references import freqtrade_result, profits, table
from tests.settings.conftest import Load, settings
from tests.stack.conftest import Desk
from tests.stack.test_drawdown import SOURCES, checked

__all__ = ["settings"]
FOUND = [float(each) for each in profits(60)]


def bot(reference: dict[str, object]) -> dict[str, object]:
    return {"source": SOURCES["freqtrade"], "edge": {"reference": reference}}


def test_usable_references_pass(settings: Load, tmp_path: Path) -> None:
    references = [
        {
            "type": "freqtrade",
            "file": str(freqtrade_result(tmp_path / "r.zip", A=FOUND, B=FOUND)),
            "strategy": "B",
        },
        {"type": "csv", "file": str(table(tmp_path / "t.csv", FOUND))},
        {"type": "own", "trades": 200},
    ]
    bots = {f"bot_{number}": bot(reference) for number, reference in enumerate(references)}
    assert list(unusable(settings(yaml.safe_dump({"bots": bots})))) == []


def test_check_names_file_value_and_way_out(desk: Desk) -> None:
    file = freqtrade_result(desk.root / "r.zip", Slow=FOUND, Steady=FOUND)
    told = checked(desk, bot({"type": "freqtrade", "file": "r.zip", "strategy": "Stedy"}))
    assert told.returncode == 2
    assert (
        f"bots.my_bot.edge.reference: {file}: strategy 'Stedy' is not in it; did you mean Steady?"
        in told.stderr
    )
    told = checked(desk, bot({"type": "freqtrade", "file": "r.zip", "strategy": "Steady"}))
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ({"type": "own", "trades": 29}, "29 is not in 30–100000"),
        ({"type": "backtrader"}, "freqtrade"),
        ({"type": "csv"}, "file: is missing"),
        ({"type": "csv", "file": "none.csv"}, "No such file"),
    ],
)
def test_a_wrong_reference_is_refused(desk: Desk, reference: dict[str, object], says: str) -> None:
    told = checked(desk, bot(reference)) if "file" in reference else refused(desk, reference)
    assert told.returncode == 2
    assert "bots.my_bot.edge.reference" in told.stderr
    assert says in told.stderr


def refused(desk: Desk, reference: dict[str, object]) -> subprocess.CompletedProcess[str]:
    """Return what `check` says of settings that cannot be loaded."""
    desk.write(bots={"my_bot": bot(reference)})
    return desk.run("check")


def test_a_container_sees_the_file_where_its_directory_is_mounted(settings: Load, tmp_path: Path) -> None:
    file = table(tmp_path / "t.csv", FOUND)
    text = yaml.safe_dump({"bots": {"my_bot": bot({"type": "csv", "file": str(file)})}})
    inside = translate(settings(text), {}, frozenset())
    assert inside.settings["bots"]["my_bot"]["edge"] == {"reference": {"file": "/bots/1/t.csv"}}
    assert inside.directories["/bots/1"] == tmp_path
