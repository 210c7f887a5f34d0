"""Impossible settings are refused with the path, the value and the way out."""

from pathlib import Path

import pytest

from stack.settings import SettingsError, load, missing_secrets
from tests.settings.conftest import Load, Refuse

SOURCE = 'source: {type: http, url: "http://127.0.0.1:9000", token_file: token}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "thresholds: {critical: {max_drawdwn: 0.1}}",
            "thresholds.critical.max_drawdwn: is not a setting; did you mean max_drawdown?",
        ),
        ("colection: {}", "colection: is not a setting; did you mean collection?"),
        (
            "dashboards: {retention: 7d}",
            "dashboards.retention: is not a setting; dashboards show what Prometheus has; "
            "storage.retention says how long that is",
        ),
        (
            "dashboards: {layout: columns}",
            "dashboards.layout: is not a setting; panels fill their rows by themselves; "
            "dashboards.sizes says how large they are",
        ),
        ("alerts: {Donw: {cooldown: 1m}}", "alerts.Donw: is not one of Nightdesk's; did you mean Down?"),
        (
            "actions: {limits: {restrat_bot: {attempts: 1}}}",
            "actions.limits.restrat_bot: is not one of Nightdesk's; did you mean restart_bot?",
        ),
        (
            "actions: {armed: [close_positons]}",
            "actions.armed: close_positons is not an action; did you mean close_positions?",
        ),
        (
            "alerts: {Down: {actions: [restart]}}",
            "alerts.Down.actions: restart is not an action; did you mean restart_bot?",
        ),
        (
            "severities: {info: {actions: [log_evnt]}}",
            "severities.info.actions: log_evnt is not an action; did you mean log_event?",
        ),
        (
            "sla: {actions: {default: [notify_admn]}}",
            "sla.actions.default: notify_admn is not an action; did you mean notify_admin?",
        ),
        (
            "suggestions: {drawdown: {action: reduce_position_size}}",
            "suggestions.drawdown.action: reduce_position_size is not an action; "
            "did you mean reduce_position_sizes?",
        ),
        (
            "escalation: {first: adminstrator}",
            "escalation.first: adminstrator is not in contacts; did you mean administrator?",
        ),
        (
            "escalation: {levels: [{contact: managr, channels: [phone]}]}",
            "escalation.levels[0].contact: managr is not in contacts; did you mean manager?",
        ),
        (
            "escalation: {system_down: {contact: manger}}",
            "escalation.system_down.contact: manger is not in contacts; did you mean manager?",
        ),
        (
            f"bots: {{one: {{{SOURCE}, team: manger}}}}",
            "bots.one.team: manger is not in contacts; did you mean manager?",
        ),
        (
            f"bots: {{one: {{{SOURCE}, team: manager}}}}",
            "contacts.manager: owns bots and has no address; "
            "write one below contacts.manager.email, phone, telegram or apprise_files",
        ),
        (
            "{actions: {programs: {again: [/bin/true]}}, "
            f"bots: {{one: {{{SOURCE}, restart: {{type: command, program: agin}}}}}}}}",
            "bots.one.restart.program: agin is not in actions.programs; did you mean again?",
        ),
        (
            "actions: {programs: {again: [systemctl]}}",
            "actions.programs.again: systemctl is not a full path, as /usr/bin/… is",
        ),
        (
            "bots: {one: {source: {type: htpp}}}",
            "bots.one.source.type: 'htpp' is not one of 'http', 'freqtrade', 'file', 'push'",
        ),
        ('bots: {one: {source: {url: "http://a", token_file: t}}}', "bots.one.source.type: is missing"),
        ("bots: {one: {}}", "bots.one.source: is missing"),
        (
            "alerts: {Down: {channels: [fax]}}",
            "alerts.Down.channels[0]: 'fax': Input should be 'email', 'telegram', 'sms', 'phone' or 'slack'",
        ),
        ("profile: expert", "profile: 'expert': Input should be 'starter', 'experienced' or 'production'"),
        ("timezone: Berlin", "timezone: 'Berlin' is not a time zone; write it as Europe/Berlin"),
    ],
)
def test_a_name_that_nothing_defines_is_refused_with_the_nearest(
    refused: Refuse, text: str, problem: str
) -> None:
    assert refused(text) == [problem]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (".nan", "nan: Input should be a finite number"),
        (".inf", "inf: Input should be a finite number"),
        ("true", "True is not a number"),
        ('"0.1"', "'0.1' is not a number"),
        ("10%", "'10%' is not a number"),
        ("null", "None: Input should be a valid number"),
        ("[0.1]", "Input should be a valid number"),
    ],
)
def test_only_a_finite_number_is_a_number(refused: Refuse, value: str, problem: str) -> None:
    assert refused(f"thresholds: {{critical: {{max_drawdown: {value}}}}}") == [
        f"thresholds.critical.max_drawdown: {problem}"
    ]


@pytest.mark.parametrize("value", ["60", "1.5m", "true", "soon"])
def test_a_duration_needs_a_whole_number_and_a_unit(refused: Refuse, value: str) -> None:
    (problem,) = refused(f"collection: {{trading: {{interval: {value}}}}}")
    assert problem.startswith("collection.trading.interval: ")
    assert problem.endswith("is not a duration; write it as Prometheus does: 30s, 5m, 1h30m")


@pytest.mark.parametrize("section", ["services", "thresholds", "bots", "alerts", "actions", "demo"])
@pytest.mark.parametrize("value", ["null", "5", "[]", "text"])
def test_a_section_that_is_no_section_is_refused_by_its_name(
    refused: Refuse, section: str, value: str
) -> None:
    (problem,) = refused(f"{section}: {value}")
    assert problem.startswith(f"{section}: ")


def test_a_service_that_is_no_section_is_refused_even_where_the_demo_bot_needs_it(refused: Refuse) -> None:
    (problem,) = refused("{demo: {enabled: true}, services: {demo_bot: null}}")
    assert problem.startswith("services.demo_bot: ")


@pytest.mark.parametrize(
    "name", ["response_time", "data_age", "network_latency", "disk_usage", "memory_usage", "cpu_usage"]
)
def test_a_warning_at_its_critical_limit_is_refused(settings: Load, refused: Refuse, name: str) -> None:
    limit = getattr(settings("").thresholds.critical, name)
    (problem,) = refused(f"thresholds: {{warning: {{{name}: {limit}}}}}")
    assert problem == (
        f"thresholds.warning.{name}: {limit} is not below thresholds.critical.{name} ({limit}); "
        "the warning would come with or after the critical alert"
    )


def test_a_model_warns_above_its_critical_accuracy(refused: Refuse) -> None:
    (problem,) = refused("thresholds: {warning: {model_accuracy: 0.5}}")
    assert problem.startswith(
        "thresholds.warning.model_accuracy: 0.5 is not above thresholds.critical.model_accuracy (0.5)"
    )


def test_critical_loss_is_above_max_drawdown(refused: Refuse) -> None:
    assert refused("thresholds: {critical: {max_drawdown: 0.15}}") == [
        "thresholds.critical.critical_loss: 0.15 is not above thresholds.critical.max_drawdown (0.15)"
    ]


def test_alertmanagers_group_interval_is_at_most_a_fifth_of_its_repeat_interval(
    settings: Load, refused: Refuse
) -> None:
    assert settings("routing: {group_interval: 48m}").routing.group_interval == 48 * 60
    (problem,) = refused("routing: {group_interval: 49m}")
    assert problem.startswith(
        "routing.group_interval: 49m is more than a fifth of routing.repeat_interval (4h); "
    )


def test_a_call_to_a_bot_ends_before_the_next_begins(refused: Refuse) -> None:
    (problem,) = refused("collection: {system: {interval: 4s}}")
    assert problem.startswith("collection.timeout: 5s is longer than collection.system.interval (4s); ")


def test_an_interval_over_two_minutes_is_refused_since_prometheus_looks_back_five(refused: Refuse) -> None:
    text = "collection: {trading: {interval: 121s}, evaluation_interval: 3m}"
    assert refused(text) == [
        "collection.trading.interval: 2m1s is not in 1s–2m",
        "collection.evaluation_interval: 3m is not in 1s–2m",
    ]


def test_a_burn_rates_short_window_is_shorter_than_its_long_one(refused: Refuse) -> None:
    rate = "{severity: critical, factor: 14.4, long: 1h, short: 1h, for: 2m}"
    assert refused(f"sla: {{burn_rates: [{rate}]}}") == [
        "sla.burn_rates[0].short: 1h is not shorter than long (1h)"
    ]


@pytest.mark.parametrize(
    ("channel", "missing"),
    [
        ("email", ["host", "from", "to"]),
        ("telegram", ["token_file", "chats"]),
        ("sms", ["account", "token_file", "from", "to"]),
        ("phone", ["account", "token_file", "from", "to"]),
        ("slack", ["url_file"]),
    ],
)
def test_a_channel_that_is_switched_on_has_its_values(
    refused: Refuse, channel: str, missing: list[str]
) -> None:
    assert refused(f"channels: {{{channel}: {{enabled: true}}}}") == [
        f"channels.{channel}.{key}: is missing; set it, or channels.{channel}.enabled to false"
        for key in missing
    ]


def test_all_problems_are_reported_together(refused: Refuse) -> None:
    text = "{zone: UTC, thresholds: {critical: {max_drawdown: 2}}, dashboards: {theme: blue}, currency: 5}"
    assert {problem.partition(":")[0] for problem in refused(text)} == {
        "zone", "thresholds.critical.max_drawdown", "dashboards.theme", "currency",
    }  # fmt: skip


def test_a_secret_that_was_written_in_clear_is_not_repeated(refused: Refuse) -> None:
    source = '{type: htpp, url: "http://a", password: hunter2}'
    for text in (
        f"bots: {{one: {{source: {source}}}}}",
        "bots: {one: {source: {type: http, token: hunter2}}}",
    ):
        assert "hunter2" not in "\n".join(refused(text))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: [", "cannot be read: while parsing"),
        (b"a: b: c", "cannot be read: mapping values are not allowed"),
        (b"\xff\xfe\x00", "cannot be read: "),
        (b"- a", "holds a list; it must hold keys and values"),
        (b"text", "holds a str; it must hold keys and values"),
        (b"a: !!python/object/apply:os.getcwd []", "cannot be read: could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_settings_file_is_refused_by_its_name(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as error:
        load([file])
    assert str(error.value).startswith(f"{file}: {problem}")


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file; name another with --config"):
        load([tmp_path / "none.yaml"])
    with pytest.raises(SettingsError, match="cannot be read: "):
        load([tmp_path])


def test_secret_files_that_are_missing_or_empty_are_named_and_those_of_what_is_off_are_not(
    settings: Load, tmp_path: Path
) -> None:
    telegram = "{enabled: true, token_file: telegram, chats: [1]}"
    people = "contacts: {manager: {apprise_files: [ntfy_url]}}"
    chosen = settings(f"{{channels: {{telegram: {telegram}}}, {people}, bots: {{one: {{{SOURCE}}}}}}}")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/read_token").write_text("abc\n", encoding="utf-8")
    (tmp_path / "secrets/act_token").write_text(" \n", encoding="utf-8")
    (tmp_path / "telegram").write_bytes(b"\xff")
    lines = {line.partition(":")[0]: line for line in missing_secrets(chosen)}
    assert lines["webhook_actions.tokens.act_file"].endswith(
        "/secrets/act_token is empty; write the secret into it"
    )
    own = lines["webhook_actions.tokens.receive_file"]
    assert own.endswith("does not exist; `nightdesk up` or `make setup` writes it")
    assert "cannot be read (UnicodeDecodeError)" in lines["channels.telegram.token_file"]
    yours = lines["bots.one.source.token_file"]
    assert yours.endswith("token does not exist; write your secret into it")
    assert "ntfy_url does not exist" in lines.pop("contacts.manager.apprise_files[0]")
    named = [path for path in lines if not path.startswith("bots.one.")]
    assert set(named) == {
        "webhook_actions.tokens.act_file",
        "webhook_actions.tokens.receive_file",
        "webhook_actions.tokens.reload_file",
        "channels.telegram.token_file",
    }


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("bots: {one: {source: {type: http, url: %s, token_file: t}}}", "bots.one.source.url"),
        (
            "bots: {one: {source: {type: http, url: 'http://a', token_file: t, proxy: %s}}}",
            "bots.one.source.proxy",
        ),
        (
            "bots: {one: {source: {type: push, token_file: t}, "
            "restart: {type: docker, container: c, url: %s}}}",
            "bots.one.restart.url",
        ),
        ("storage: {remote_write: [{url: %s}]}", "storage.remote_write[0].url"),
        ("collection: {probes: [{name: a, url: %s}]}", "collection.probes[0].url"),
        ("links: {grafana: %s}", "links.grafana"),
    ],
)
def test_a_password_in_a_url_is_refused_and_not_shown(refused: Refuse, text: str, path: str) -> None:
    (problem,) = refused(text % f"'http://nightdesk:{SECRET}@host:9000/'")
    assert (
        problem == f"{path}: has a user or password in it, and URLs are shown to people; write it into a file"
    )


def test_a_password_in_a_host_is_refused_and_not_shown(refused: Refuse) -> None:
    (problem,) = refused(f"services: {{prometheus: {{host: 'me:{SECRET}@host'}}}}")
    assert problem.startswith("services.prometheus.host: ")
    assert SECRET not in problem


@pytest.mark.parametrize(
    "url", [f"http://me:{SECRET}@host:99999/", f"http://me:{SECRET}@", f"me:{SECRET}@host"]
)
def test_a_url_that_is_wrong_otherwise_does_not_show_its_password_either(refused: Refuse, url: str) -> None:
    (problem,) = refused(f"bots: {{one: {{source: {{type: http, url: '{url}', token_file: t}}}}}}")
    assert problem.startswith("bots.one.source.url: ")
    assert SECRET not in problem


@pytest.mark.parametrize(
    ("way", "problem"),
    [
        ("url: 'http://a', ca_file: c", "ca_file and tls_verify need a url that begins with https"),
        ("url: 'http://a', tls_verify: false", "ca_file and tls_verify need a url that begins with https"),
        (
            "url: 'https://a', ca_file: c, tls_verify: false",
            "tls_verify: false would leave ca_file without effect",
        ),
    ],
)
def test_a_way_that_contradicts_itself_is_refused(refused: Refuse, way: str, problem: str) -> None:
    text = f"bots: {{one: {{source: {{type: freqtrade, {way}, username: u, password_file: p}}}}}}"
    assert refused(text) == [f"bots.one.source: {problem}"]


def test_an_invalid_authority_is_reported_with_the_secrets(settings: Load, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    (tmp_path / "t").write_text("token\n")
    read = settings("bots: {one: {source: {type: http, url: 'https://a', token_file: t, ca_file: ca.pem}}}")
    (problem,) = [line for line in missing_secrets(read) if line.startswith("bots.")]
    assert problem.startswith(f"bots.one.source.ca_file: {tmp_path / 'ca.pem'} cannot be used: ")
