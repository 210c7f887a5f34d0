"""The exporter's page for people: each bot with its state, health, the age of both, and links."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from exporter.catalogue import COLLECT
from exporter.health import Verdict

_STYLE = """
:root{color-scheme:dark;--page:#111217;--card:#181b1f;--line:#2c3235;--text:#d8d9da;--quiet:#8e9299;
--link:#6ea6ff;--healthy:#2ecc71;--unhealthy:#e74c3c;--unknown:#8e9299}
@media(prefers-color-scheme:light){:root{color-scheme:light;--page:#f4f5f7;--card:#fff;--line:#dcdfe3;
--text:#24292e;--quiet:#646c75;--link:#1f62e0;--healthy:#1a9c52;--unhealthy:#c93a2b;--unknown:#8a929b}}
body{background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif;margin:0 auto;
max-width:72rem;padding:2rem 1.25rem}
h1{font-size:1.35rem;font-weight:600;margin:0}
p{color:var(--quiet);margin:.3rem 0 1.2rem}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
nav,nav span{display:flex;flex-wrap:wrap;gap:.4rem 1.1rem}nav{margin-bottom:1.4rem}nav span{margin-left:auto}
.card{background:var(--card);border:1px solid var(--line);border-radius:6px;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{border-bottom:1px solid var(--line);padding:.55rem 1rem;text-align:left;vertical-align:top}
th{color:var(--quiet);font-size:.8rem;font-weight:500}
tr:last-child td{border-bottom:0}
td,th{white-space:nowrap}td:nth-child(2){min-width:16rem;white-space:normal}
td:nth-child(1) small{min-width:13rem;white-space:normal}td:nth-child(6) a{margin-right:.7em}
@media(max-width:48rem){body{padding:1rem .8rem}thead{display:none}table,tbody,tr,td{display:block}
tr{border-bottom:1px solid var(--line);padding:.7rem 1rem}tr:last-child{border:0}
td,td:nth-child(2){border:0;display:grid;gap:0 .8rem;grid-template-columns:6.5rem 1fr;min-width:0;
padding:.15rem 0;white-space:normal}td:nth-child(1){font-weight:600}td::before{color:var(--quiet);
content:attr(data-name);font-weight:400;grid-row:1/4}
td[colspan]{display:block}td>*{grid-column:2}td:nth-child(1) small{font-weight:400;min-width:0}
nav a,td a{padding:.4rem 0}}
.dot::before{border-radius:50%;content:"";display:inline-block;height:.6em;margin-right:.5em;width:.6em}
.healthy::before{background:var(--healthy)}.unhealthy::before{background:var(--unhealthy)}
.unknown::before{background:var(--unknown)}
small{color:var(--quiet);display:block;font-size:.85rem;overflow-wrap:anywhere}
"""
_HEAD = ("Bot", "State", "Health", "Polled", "Last activity", "Links")
# Replaces only the changed parts: a reload of the page would lose the reader's place and selection.
_LIVE = """
setInterval(async()=>{if(document.hidden||!getSelection().isCollapsed)return;
try{const answer=await fetch(location.href,{signal:AbortSignal.timeout(15000)});
if(!answer.ok)throw answer.status;
const fresh=new DOMParser().parseFromString(await answer.text(),"text/html");
for(const id of["count","bots"])document.getElementById(id).innerHTML=fresh.getElementById(id).innerHTML;
document.getElementById("silent").hidden=true}catch{document.getElementById("silent").hidden=false}},15000)
"""


@dataclass(frozen=True)
class Row:
    """The page's row of a bot. Ages are seconds, None is unknown. `error` is empty while the bot answers,
    `warning` while a loss of the bot would be seen.
    """

    name: str
    source: str
    place: str
    state: str
    verdict: Verdict
    failing: tuple[str, ...]
    polled: float | None
    active: float | None
    error: str
    warning: str


def page(rows: Iterable[Row], links: Mapping[str, str]) -> str:
    """Return the page; `links` has the addresses of the other parts, by name."""
    told = list(rows)
    here = {
        "All metrics": "/metrics",
        "Health": "/health",
        **{name: f"/metrics?collect[]={name}" for name in COLLECT},
    }
    head = "".join(f'<th scope="col">{name}' for name in _HEAD)
    body = "".join(map(_row, told)) or "<tr><td colspan=6>No bots yet: add one to monitoring.yaml."
    answering = sum(not each.error for each in told)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Nightdesk exporter</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><main>'
        f'<h1>Nightdesk exporter</h1><p id="count">{answering} of {len(told)} bots answer</p>'
        '<p role="alert" id="silent" hidden>The exporter does not answer: what you see is old.</p>'
        f'<nav aria-label="Pages">{_links(here)}<span>{_links(links)}</span></nav>'
        f'<div class="card"><table><thead><tr>{head}<tbody id="bots">{body}</table></div></main>'
        f"<script>{_LIVE}</script></html>\n"
    )


def _row(bot: Row) -> str:
    failing = f"<small>{escape(', '.join(bot.failing))}</small>" if bot.failing else ""
    error = "".join(f"<small>{escape(each)}</small>" for each in (bot.error, bot.warning) if each)
    name = quote(bot.name, safe="")
    links = _links({"metrics": f"/metrics?bot[]={name}", "health": f"/health?bot[]={name}"})
    cells = (
        f"<span>{escape(bot.name)}</span><small>{escape(bot.source)}<br>{escape(bot.place)}</small>",
        f"<span>{escape(bot.state)}</span>{error}",
        f'<span class="dot {bot.verdict}">{bot.verdict}</span>{failing}',
        _ago(bot.polled),
        _ago(bot.active),
        f"<span>{links}</span>",
    )
    named = zip(_HEAD, cells, strict=True)
    return "<tr>" + "".join(f'<td data-name="{name}">{cell}' for name, cell in named)


def _links(targets: Mapping[str, str]) -> str:
    return " ".join(f'<a href="{escape(url)}">{escape(name)}</a>' for name, url in targets.items())


def _ago(seconds: float | None) -> str:
    """Return an age in the largest unit in which it is more than one."""
    if seconds is None:
        return "unknown"
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
