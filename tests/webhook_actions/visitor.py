"""A person at the on-call page, without JavaScript: a session that logs in, reads and sends forms."""

import html
import re

import requests

from tests.webhook_actions.harness import Harness

PAGES = ("/", "/bots", "/schedule", "/history", "/audit", "/incidents/1", "/a/f-alpha")


class Visitor:
    """One browser's session."""

    def __init__(self, harness: Harness, name: str = "anna") -> None:
        self.world = harness
        self.name = name
        self.session = requests.Session()

    def log_in(self, secret: str = "act-secret", next_: str = "/", **headers: str) -> requests.Response:
        form = {"name": self.name, "secret": secret, "next": next_}
        return self.session.post(
            self.world.url("/login"), data=form, headers=headers, allow_redirects=False, timeout=20
        )

    def get(self, path: str, *, follow: bool = True, **headers: str) -> requests.Response:
        return self.session.get(self.world.url(path), headers=headers, allow_redirects=follow, timeout=40)

    def reads(self, path: str) -> str:
        """Return the words of a page, without its tags."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return words(answer.text)

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get("/").text)
        assert found
        return found[1]

    def send(self, path: str, follow: bool = True, **form: str) -> requests.Response:
        """Send a form of the page, with its token unless another is given."""
        data = {"csrf": form.pop("csrf", None) or self.csrf(), **form}
        return self.session.post(self.world.url(path), data=data, allow_redirects=follow, timeout=40)


def words(page: str) -> str:
    """Return the words of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))
