"""This release reads the settings of an earlier one; for each removed setting it says what to write now."""

from pathlib import Path

import pytest
import yaml

from stack.settings import SettingsError, load
from stack.settings.load import GONE

EARLIER = sorted((Path(__file__).parents[1] / "fixtures/settings").glob("*.yaml"))


@pytest.mark.parametrize("file", EARLIER, ids=lambda file: file.stem)
def test_all_settings_of_an_earlier_release_are_taken_but_those_with_a_hint(file: Path, tmp_path: Path):
    with pytest.raises(SettingsError) as refused:
        load([file])
    gone = [problem.partition(":")[0] for problem in refused.value.problems]
    assert set(gone) <= set(GONE), refused.value
    assert all("is no longer a setting; " in problem for problem in refused.value.problems)
    left = yaml.safe_load(file.read_text())
    for path in gone:
        *above, last = path.split(".")
        part = left
        for step in above:
            part = part[step]
        del part[last]
    (tmp_path / "monitoring.yaml").write_text(yaml.safe_dump(left))
    assert load([tmp_path / "monitoring.yaml"]).alerts["Down"].actions[0] == "restart_bot"
