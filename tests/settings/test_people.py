"""Rotas and outgoing webhooks: what the settings refuse, and the errors."""

import pytest

from tests.settings.conftest import Refuse

ROTA = 'rotas: {desk: {start: 2026-01-05, handover: "09:00", contacts: [manager]}}'


@pytest.mark.parametrize(
    ("written", "instead", "line"),
    [
        (
            "manager",
            "managr",
            "escalation.rotas.desk.contacts: managr is not in contacts; did you mean manager?",
        ),
        ("desk", "manager", "escalation.rotas.manager: a contact has this name too; rename one"),
        (
            "2026-01-05",
            '"2026-02-30"',
            "escalation.rotas.desk.start: 2026-02-30 is not a day; write it as 2026-12-24",
        ),
        (
            "contacts",
            "timezone: Mars/Base, contacts",
            "escalation.rotas.desk.timezone: 'Mars/Base' is not a time zone; write it as Europe/Berlin",
        ),
        (
            "rotas",
            "levels: [{contact: dsk, channels: [phone]}], rotas",
            "escalation.levels[0].contact: dsk is not in contacts; did you mean desk?",
        ),
    ],
)
def test_a_rota_that_would_wake_nobody_is_refused_with_the_way_out(
    refused: Refuse, written: str, instead: str, line: str
) -> None:
    assert line in refused(f"escalation: {{{ROTA.replace(written, instead)}}}")


def test_grafana_wants_a_token_once_it_is_enabled(refused: Refuse) -> None:
    line = "channels.grafana.token_file: is missing; set it, or channels.grafana.enabled to false"
    assert line in refused("channels: {grafana: {enabled: true}}")


def test_a_day_that_no_calendar_has_is_an_error_and_no_crash(refused: Refuse) -> None:
    [line] = refused(f"escalation: {{{ROTA.replace('2026-01-05', '2026-02-30')}}}")
    assert "cannot be read" in line
    assert "day" in line
