"""The missing parts of a new alert or action are named, with the way to add them: docs/extending.md."""

import re
from pathlib import Path

import pytest

from stack.drill.cases import cases
from stack.settings import load, severities_of
from webhook_actions.actions import load_actions

ROOT = Path(__file__).parents[2]
RULE = re.compile(r"\balert\.(critical|warning|info|meta)\(\s*'(\w+)',")
PARAGRAPHS = ("Meaning", "Impact", "Look here first", "What Nightdesk does", "What you do", "Tuning")


def alerts_lack(
    rules: dict[str, set[str]], paces: set[str], tried: set[str], runbooks: dict[str, str]
) -> list[str]:
    """Return the missing parts of each alert; `rules` are severities by name, `runbooks` texts."""
    every = {*rules, *paces, *tried, *runbooks}
    lines = []
    for name in sorted(every - set(rules)):
        lines.append(f"{name} has no rule: write alert.warning('{name}', …) into a file of prometheus/rules/")
    for name in sorted(every - paces):
        lines.append(
            f"{name} has no pace: below `alerts` in stack/defaults.yaml, "
            f"{name}: {{for: 5m, cooldown: 1h, escalate: null, channels: null, actions: null}}"
        )
    for name in sorted(every - tried):
        lines.append(
            f"{name} has no cases: in stack/drill/cases/, limits.py has a line for what stays beyond a limit"
        )
    for name in sorted(every):
        lacks = [part for part in PARAGRAPHS if f"\n**{part}.**" not in runbooks.get(name, "")]
        if lacks:
            lines.append(f"docs/runbooks/TradingBot{name}.md lacks **{'.**, **'.join(lacks)}.**")
    for name, severities in sorted(rules.items()):
        if severities and severities != set(severities_of(name)):
            lines.append(
                f"{name} is {' and '.join(sorted(severities))} in its rule: name it in the list of that "
                "severity in stack/settings/consistency.py, where an alert is a warning unless named"
            )
    return lines


def test_no_alert_lacks_anything(tmp_path: Path):
    text = "\n".join(file.read_text() for file in (ROOT / "prometheus/rules").glob("*.libsonnet"))
    rules: dict[str, set[str]] = {}
    for severity, name in RULE.findall(text):
        rules.setdefault(name, set()).add(severity)
    (tmp_path / "monitoring.yaml").write_text("profile: production\n")
    settings = load([tmp_path / "monitoring.yaml"])
    rules = {
        name: set() for name in settings.alerts if f"'{name}'" in text
    } | rules  # by a function of their own
    tried = {case.alert for case in cases(settings)}
    runbooks = {
        file.stem.removeprefix("TradingBot"): file.read_text()
        for file in (ROOT / "docs/runbooks").glob("TradingBot*.md")
    }
    lack = alerts_lack(rules, set(settings.alerts), tried, runbooks)
    assert not lack, "\n".join(["", *lack])  # all of them, however long


@pytest.mark.parametrize(
    ("rules", "paces", "tried", "says"),
    [
        ({}, {"New"}, {"New"}, "New has no rule: write alert.warning('New', …)"),
        ({"New": {"warning"}}, set(), {"New"}, "New has no pace: below `alerts` in stack/defaults.yaml"),
        ({"New": {"warning"}}, {"New"}, set(), "New has no cases: in stack/drill/cases/"),
        ({"New": {"critical"}}, {"New"}, {"New"}, "New is critical in its rule: name it in the list"),
        ({"New": {"warning"}}, {"New"}, {"New"}, "TradingBotNew.md lacks **Meaning.**, **Impact.**"),
    ],
)
def test_what_an_alert_lacks_is_named_with_the_way_out(
    rules: dict[str, set[str]], paces: set[str], tried: set[str], says: str
):
    assert says in "\n".join(alerts_lack(rules, paces, tried, {}))


def test_no_action_lacks_its_name_or_what_it_does():
    known, lines = load_actions(), []
    for file in sorted((ROOT / "webhook_actions/actions").glob("[a-z]*.py")):
        if file.stem not in known:
            lines.append(f'{file.name} registers no action: @action("{file.stem}", effect=Effect.OBSERVE)')
        elif not known[file.stem].does.endswith("."):
            lines.append(f"{file.name}: its docstring begins with a sentence that says what it does")
    assert not lines, "\n".join(["", *lines])
    assert {file.stem for file in (ROOT / "webhook_actions/actions").glob("[a-z]*.py")} == set(known)
