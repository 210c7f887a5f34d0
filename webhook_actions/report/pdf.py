"""A report as PDF, for a chat, a printer or a folder."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from stack.settings import Settings
from stack.settings.names import PNL, PNL_CLOSED
from webhook_actions.report.charts import charts
from webhook_actions.report.desk import Desk
from webhook_actions.report.model import Report
from webhook_actions.report.words import Words, best_and_worst, plain

# DejaVu comes with matplotlib, and has the letters of most names of bots and symbols.
_FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"
_INK, _QUIET, _LINE = (31, 36, 48), (105, 112, 128), (228, 231, 236)
_WON, _LOST = (26, 127, 69), (192, 57, 43)
_MARGIN, _SIDE = 16.0, 85.0  # millimetres: of the page, and of one of two charts beside each other
Rows = Sequence[Sequence[str]]


def pdf(settings: Settings, report: Report) -> bytes:
    """Return the pages of one bot."""
    words = Words(report)
    paper = _Paper(words.title, words.span)
    _sheet(paper, settings, words)
    return bytes(paper.output())


def desk_pdf(settings: Settings, desk: Desk) -> bytes:
    """Return a page of all bots, and one or more of each that has its own."""
    paper = _Paper(desk.title, desk.span)
    paper.add_page()
    paper.write_line(desk.title, 17, bold=True)
    paper.write_line(desk.span, 8.5, colour=_QUIET)
    paper.write_line(f"Status: {desk.status}", 8.5, colour=_QUIET)
    paper.ln(3)
    for total in desk.totals:
        tone = {"won": _WON, "lost": _LOST}.get(desk.tone(total), _INK)
        paper.write_line(desk.total(total), 20, bold=True, colour=tone)
    if desk.wake_ups is not None:
        paper.write_line(f"Calls and SMS: {desk.wake_ups}", 8.5, colour=_QUIET)
    for line in (*(f"Done: {each}" for each in desk.helped), *(f"Answered, {each}" for each in desk.answers)):
        paper.write_line(line, 8.5, colour=_QUIET)
    paper.section("Bots, the worst first")
    heading = ("Bot", PNL, "deepest drawdown", "trades", "win rate", "")
    paper.rows([heading, *(desk.row(report) for report in desk.reports)], (3, 3, 2, 1, 2, 4))
    for report in desk.pages:
        _sheet(paper, settings, Words(report))
    return bytes(paper.output())


def _sheet(paper: "_Paper", settings: Settings, words: Words) -> None:
    """Write the pages of a bot."""
    report = words.report
    paper.add_page()
    _head(paper, words)
    _charts(paper, settings, report, words)
    if report.positions:
        paper.section("Open positions")
        heading = ("", "value", "profit", "stop")
        paper.rows([heading, *map(words.position, report.positions)], (3, 2, 2, 2), right=True)
    if report.proposals:
        paper.section("Suggested")
        paper.rows([(one.priority, words.proposal(one)) for one in report.proposals], (1, 7))
    _incidents(paper, report, words)
    if report.symbols:
        paper.section("Best and worst")
        paper.rows(_ends(report, words), (1, 4))
    paper.section("Figures")
    figures = [(one.name, words.value(one), words.before(one)) for one in report.figures]
    paper.rows([("", "this period", "before"), *figures], (3, 1, 1), right=True)
    _judged(paper, report, words)


class _Paper(FPDF):
    """A4 pages with the report's name and the number at the foot."""

    def __init__(self, title: str, span: str) -> None:
        super().__init__()
        self._foot = f"Nightdesk · {title} · {span}"
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(auto=True, margin=_MARGIN)
        self.set_title(title)
        self.add_font("DejaVu", "", _FONTS / "DejaVuSans.ttf")
        self.add_font("DejaVu", "B", _FONTS / "DejaVuSans-Bold.ttf")

    def footer(self) -> None:
        """Write the foot of a page."""
        self.set_y(-12)
        self.write_line(f"{self._foot} · {self.page_no()}", 7, colour=_QUIET)

    def write_line(
        self, text: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = _INK
    ) -> None:
        """Write a paragraph."""
        self.set_font("DejaVu", "B" if bold else "", size)
        self.set_text_color(*colour)
        self.multi_cell(0, size * 0.5, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def section(self, title: str) -> None:
        """Begin a section, on a new page if only its title would fit."""
        if self.will_page_break(26):
            self.add_page()
        self.ln(4)
        self.write_line(title, 11, bold=True)
        self.ln(1)

    def rows(self, rows: Rows, widths: tuple[int, ...], *, right: bool = False) -> None:
        """Write a table without a heading; if `right`, all but its first column are right-aligned."""
        self.set_font("DejaVu", "", 8.5)
        self.set_text_color(*_INK)
        self.set_draw_color(*_LINE)
        align = ("LEFT", *("RIGHT" if right else "LEFT" for _ in widths[1:]))
        with self.table(
            rows=[list(row) for row in rows],
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            col_widths=widths,
            text_align=align,
            first_row_as_headings=False,
            line_height=5,
            padding=(0.6, 0.5),
            headings_style=FontFace(emphasis=""),
        ):
            pass


def _head(paper: _Paper, words: Words) -> None:
    report, headline = words.report, words.headline
    paper.write_line(words.title, 17, bold=True)
    paper.write_line(words.span, 8.5, colour=_QUIET)
    paper.write_line(f"Status: {words.status}", 8.5, colour=_QUIET)
    paper.ln(3)
    tone = {"won": _WON, "lost": _LOST}.get(words.tone(headline.value), _INK)
    paper.write_line(f"{words.value(headline)} {report.currency}", 24, bold=True, colour=tone)
    before = "" if headline.before is None else f"; before: {words.before(headline)}"
    paper.write_line(f"{headline.name}{before}", 8.5, colour=_QUIET)
    for note in report.notes:
        paper.ln(1)
        paper.write_line(f"! {note}", 9, bold=True)
    paper.ln(2)
    key = words.key
    paper.rows([[one.name for one in key], [words.value(one) for one in key]], (1,) * len(key))


def _charts(paper: _Paper, settings: Settings, report: Report, words: Words) -> None:
    drawn = charts(settings, report)
    over_time = {"equity": f"Equity, {report.currency}", "drawdown": "Drawdown"}
    for name, title in over_time.items():
        if name in drawn:
            _beside(paper, {title: drawn[name]}, paper.epw)
    others = {"trades": "Trades", "symbols": f"{PNL_CLOSED} by symbol, {report.currency}"}
    _beside(paper, {title: drawn[name] for name, title in others.items() if name in drawn}, _SIDE)


def _beside(paper: _Paper, images: Mapping[str, bytes], width: float) -> None:
    """Write images of a width beside each other, each below its title."""
    if not images:
        return
    height = max(width * _ratio(image) for image in images.values())
    if paper.will_page_break(height + 14):
        paper.add_page()
    paper.ln(4)
    top = paper.get_y()
    for place, (title, image) in enumerate(images.items()):
        left = _MARGIN + place * (paper.epw - width)
        paper.set_xy(left, top)
        paper.write_line(title, 11, bold=True)
        paper.image(io.BytesIO(image), x=left, y=paper.get_y() + 1, w=width)
    paper.set_y(top + 7 + height)


def _ratio(png: bytes) -> float:
    """Return height / width, from the PNG's first chunk."""
    width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
    return height / width


def _incidents(paper: _Paper, report: Report, words: Words) -> None:
    paper.section("Incidents")
    rows = [
        (
            f"{words.moment(one.opened_at)}\n{one.severity}",
            "\n".join((one.summary, words.answered(one), *(one.done or ("nothing was done",)))),
            f"closed {words.moment(one.closed_at)}" if one.closed_at else "still open",
        )
        for one in report.incidents
    ]
    if rows:
        paper.rows(rows, (2, 5, 2))
    else:
        paper.write_line("None: nothing critical and no warning.", 8.5, colour=_QUIET)
    if report.done:
        paper.section("What Nightdesk did")
        paper.rows([(plain(one.action), words.did(one)) for one in report.done], (2, 3), right=True)
    if report.responses:
        paper.section("How soon people answered")
        paper.rows([(one.severity, words.answers(one)) for one in report.responses], (2, 3), right=True)


def _ends(report: Report, words: Words) -> Rows:
    rows = []
    for label, groups in (("Symbols", report.symbols), ("Hours of the day", report.hours)):
        best, worst = best_and_worst(groups, 3)
        told = "\n".join(words.group(group) for group in (*best, *worst))
        rows.append((label, told))
    return rows


def _judged(paper: _Paper, report: Report, words: Words) -> None:
    number = words.number
    if report.parts:
        paper.section(f"Performance score {words.value(report.score)}")
        paper.rows(
            [
                (plain(one.name), f"counts {number(one.weight, 'ratio')}", number(one.score, "ratio"))
                for one in report.parts
            ],
            (3, 1, 1),
            right=True,
        )
    if report.benchmarks:
        paper.section("Benchmarks")
        rows = [
            (
                plain(one.name),
                number(one.value, one.unit),
                words.benchmark(one),
                "met" if one.met else "missed",
            )
            for one in report.benchmarks
        ]
        paper.rows(rows, (3, 1, 2, 1), right=True)
    if report.edge is not None:
        paper.section(f"Live against backtest: {words.stands(report.edge)}")
        heading = ("", "live", "reference")
        paper.rows([heading, *map(words.compared, report.edge.figures)], (3, 1, 1), right=True)
    if report.objectives:
        paper.section("Service level")
        paper.rows([(plain(one.name), words.objective(one)) for one in report.objectives], (2, 3), right=True)
