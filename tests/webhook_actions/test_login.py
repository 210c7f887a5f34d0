"""Who may use the page: sessions, tokens, users, and the limit of failures."""

from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest
import requests
import yaml

from tests.webhook_actions.conftest import Make
from tests.webhook_actions.harness import Harness, limits
from tests.webhook_actions.visitor import PAGES, Visitor

FORMS = (
    "/incidents/1/acknowledge",
    "/incidents/1/snooze",
    "/incidents/1/run",
    "/pause",
    "/resume",
    "/release",
    "/logout",
)


def test_without_a_session_every_page_leads_to_the_login_and_every_form_does_nothing(still: Harness) -> None:
    for path in PAGES:
        answer = requests.get(still.url(path), allow_redirects=False, timeout=20)
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (303, "/login"), path
        assert "alpha" not in answer.text
    for path in FORMS:
        answer = requests.post(still.url(path), data={"bot": "alpha"}, allow_redirects=False, timeout=20)
        assert answer.status_code == 303, path
    assert not still.get("/api/v1/pause").json()["paused"]
    assert still.kinds("alpha").count("acknowledged") == 0


def test_a_login_leads_back_to_the_page_that_was_wanted_and_never_elsewhere(still: Harness) -> None:
    visitor = Visitor(still)
    login = visitor.get("/a/f-alpha").url
    assert login.endswith("/login?next=%2Fa%2Ff-alpha")
    assert visitor.log_in(next_="/a/f-alpha").headers["Location"] == "/a/f-alpha"
    assert visitor.get("/a/f-alpha").url.endswith("/incidents/1")
    for elsewhere in ("//example.org", "https://example.org", "/\\example.org", "javascript:alert(1)"):
        assert Visitor(still).log_in(next_=elsewhere).headers["Location"] == "/"


@pytest.mark.parametrize("secret", ["", "wrong", "read-secret", "receive-secret", "act-secre", "sécret"])
def test_only_the_act_token_logs_in(still: Harness, secret: str) -> None:
    visitor = Visitor(still)
    answer = visitor.log_in(secret)
    assert answer.status_code == 401
    assert "You are not logged in" in answer.text
    assert not visitor.session.cookies
    assert not secret or secret not in answer.text


def test_failed_logins_are_slowed_down_and_even_the_right_token_waits_then(make_harness: Make) -> None:
    harness = make_harness("alpha", webhook_actions=limits(failed_logins=3))
    harness.start_engine()
    visitor = Visitor(harness)
    assert [visitor.log_in("wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert "try again in" in visitor.log_in("wrong").text
    assert visitor.log_in().status_code == 429


def test_form_basic_auth_and_tokens_share_one_limit_of_failures_and_a_right_token_passes(
    make_harness: Make,
) -> None:
    page = limits(failed_logins=3, web_config_file="web.yml")
    harness = make_harness("alpha", webhook_actions=page)
    (harness.directory / "web.yml").write_text(
        yaml.safe_dump({"basic_auth_users": {"anna": hashed("right")}})
    )
    harness.start_engine()

    def basic(password: str, forwarded: str) -> int:
        given, headers = ("anna", password), {"X-Forwarded-For": forwarded}
        return requests.get(
            harness.url("/"), auth=given, headers=headers, allow_redirects=False, timeout=20
        ).status_code

    assert Visitor(harness).log_in("wrong", **{"X-Forwarded-For": "192.0.2.1"}).status_code == 401
    assert harness.get("/api/v1/pause", "wrong").status_code == 401
    assert [basic("wrong", f"192.0.2.{each}") for each in range(2, 5)] == [303, 429, 429]
    assert basic("right", "192.0.2.9") == 429
    assert Visitor(harness, "anna").log_in("right").status_code == 429
    refused = harness.get("/api/v1/pause", "wrong")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    assert requests.get(harness.url("/api/v1/pause"), timeout=20).status_code == 401
    assert harness.get("/api/v1/pause").status_code == 200
    assert harness.deliver(harness.alert("alpha")).json()["opened"] == 1
    act = {"Authorization": "Bearer act-secret"}
    assert requests.post(harness.url("/api/v1/pause"), json={}, headers=act, timeout=20).status_code == 200
    assert harness.get("/api/v1/audit").json()[0]["address"] == "127.0.0.1"


def test_a_burst_of_passwords_is_tried_no_more_often_than_the_limit_allows(make_harness: Make) -> None:
    harness = make_harness("alpha", webhook_actions=limits(failed_logins=3, web_config_file="web.yml"))
    (harness.directory / "web.yml").write_text(
        yaml.safe_dump({"basic_auth_users": {"anna": hashed("right")}})
    )
    harness.start_engine()

    def guess(number: int) -> int:
        given = ("anna", f"guess {number}")
        return requests.get(harness.url("/"), auth=given, allow_redirects=False, timeout=20).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(guess, range(20))) == [303] * 3 + [429] * 17


def test_only_a_trusted_proxy_says_for_whom_it_asks(make_harness: Make) -> None:
    for proxies, address in ([], "127.0.0.1"), (["127.0.0.0/8"], "192.0.2.1"):
        harness = make_harness("alpha", webhook_actions=limits(trusted_proxies=proxies))
        harness.start_engine()
        Visitor(harness).log_in(**{"X-Forwarded-For": "192.0.2.1"})
        assert harness.get("/api/v1/audit").json()[0]["address"] == address


def test_the_cookie_is_kept_from_scripts_from_other_sites_and_behind_tls_from_plain_http(
    still: Harness,
) -> None:
    plain = Visitor(still).log_in().headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=strict" in plain
    assert "Secure" not in plain
    assert "Secure" in Visitor(still).log_in(**{"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]


def test_a_cookie_that_was_changed_is_no_session(anna: Visitor) -> None:
    cookie = anna.session.cookies["nightdesk"]
    body, _, signature = cookie.partition(".")
    for forged in (body, f"{body}.{'0' * 64}", f"{body[:-4]}AAAA.{signature}", "x", ".", "é"):
        answer = requests.get(
            anna.world.url("/"),
            headers={"Cookie": b"nightdesk=" + forged.encode()},
            allow_redirects=False,
            timeout=20,
        )
        assert answer.status_code == 303, forged
    assert anna.get("/", follow=False).status_code == 200


def test_a_form_without_the_token_of_the_session_is_refused(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))
    other = Visitor(anna.world, "ben")
    other.log_in()
    for token in ("", "0" * 64, other.csrf()):
        for path in FORMS:
            answer = anna.session.post(anna.world.url(path), data={"csrf": token, "bot": "alpha"}, timeout=20)
            assert answer.status_code == 403, path
    assert not anna.world.get("/api/v1/pause").json()["paused"]
    assert "acknowledged" not in anna.world.kinds("alpha")


def test_logging_out_forgets_the_session(anna: Visitor) -> None:
    assert anna.send("/logout").url.endswith("/login")
    assert "nightdesk" not in anna.session.cookies


def test_users_of_a_standard_web_config_log_in_by_form_and_by_basic_auth(make_harness: Make) -> None:
    harness = make_harness("alpha", webhook_actions=limits(web_config_file="web.yml"))
    web = harness.directory / "web.yml"
    web.write_text(yaml.safe_dump({"basic_auth_users": {"anna": hashed("right")}}))
    harness.start_engine()
    anna = Visitor(harness)
    assert anna.log_in("wrong").status_code == 401
    assert Visitor(harness, "nobody").log_in("right").status_code == 401
    assert anna.log_in("right").status_code == 303
    harness.deliver(harness.alert("alpha"))
    anna.send("/incidents/1/acknowledge")
    [answer] = [e["text"] for e in harness.incident("alpha")["timeline"] if e["kind"] == "acknowledged"]
    assert answer == "by anna"
    by_header = requests.get(harness.url("/"), auth=("anna", "right"), timeout=20)
    assert "1 open incident" in by_header.text
    refused = requests.get(harness.url("/"), auth=("anna", "wrong"), allow_redirects=False, timeout=20)
    assert refused.status_code == 303
    assert Visitor(harness).log_in("act-secret").status_code == 303, "the act token still works"
    web.write_text(yaml.safe_dump({"basic_auth_users": {"anna": hashed("another")}}))
    assert anna.get("/", follow=False).status_code == 303, "a new password ends the old sessions"
    web.write_text("basic_auth_users: [")
    assert anna.log_in("another").status_code == 503
    assert Visitor(harness).log_in("act-secret").status_code == 303


def test_a_new_act_token_ends_the_sessions_of_the_old_one(anna: Visitor) -> None:
    harness = anna.world
    harness.stop(harness.engine)
    (harness.directory / "act_token").write_text("another-secret\n")
    harness.start_engine()
    assert anna.get("/", follow=False).status_code == 303


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
