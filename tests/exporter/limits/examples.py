"""Worked examples of loss limits in the style of published rules of prop firms and exchanges.

A line of `steps` is a poll: local time, balance and equity, then after | the threshold and the rest, with the
words acts (80% are used), reached, locked and gap. `restart` restarts the exporter, `moved` is the sum of all
deposits and withdrawals; # is the arithmetic.
"""

# ruff: noqa: E501 - a table, one poll a line
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    says: str
    limit: dict[str, Any]
    steps: str
    more: dict[str, Any] = field(default_factory=dict)


PRAGUE = {"zone": "Europe/Prague"}
CHICAGO = {"zone": "America/Chicago", "day": "17:00", "capital": 50_000}
NEW_YORK = {"zone": "America/New_York", "day": "18:00", "capital": 50_000}
BERLIN_NIGHT = {"zone": "Europe/Berlin", "day": "02:30", "capital": 10_000}
# 5% of the initial size, from the balance or the higher of both at midnight of the firm; floating loss counts.
FTMO_DAILY = {"kind": "daily", "ratio": 0.05, "of": "capital", "mark": "balance"}
HIGHER_DAILY = FTMO_DAILY | {"mark": "higher"}
MAXIMUM = {"kind": "maximum", "ratio": 0.10, "of": "capital"}
# The end-of-day balance trails by 2,000 and locks at the start balance; measured in real time.
TOPSTEP = {"kind": "maximum", "money": 2000, "mark": "balance", "trails": "day_end", "locks_at": 0}
# The highest open equity trails by 2,500 and locks 100 above the start.
APEX = {"kind": "maximum", "money": 2500, "trails": "intraday", "locks_at": 100}

EXAMPLES = (
    Example("FTMO-like 1: closed profit of the day may be lost too", FTMO_DAILY, """
        2026-03-02T00:00  100000  100000 | 95000  5000       # 100000 − 5% of 100000
        2026-03-02T10:00  101500  101500 | 95000  6500       # 101500 − 95000
        2026-03-02T15:00  101500   97500 | 95000  2500       # the floating −4000 counts; 1 − 2500/5000 = 50%
        2026-03-02T16:00   99000   96000 | 95000  1000 acts  # 1 − 1000/5000 = 80%
        2026-03-02T17:00   95000   95000 | 95000     0 acts reached
    """, PRAGUE),
    Example("FTMO-like 2: the new day begins from the balance at midnight", FTMO_DAILY, """
        2026-03-02T00:00  100000  100000 | 95000  5000
        2026-03-02T23:59   97000   97000 | 95000  2000
        2026-03-03T00:00   97000   97000 | 92000  5000       # 97000 − 5% of 100000, not of 97000
        2026-03-03T09:00   93000   93000 | 92000  1000 acts
    """, PRAGUE),
    Example("FTMO-like 3: what floats at midnight counts against the day after", FTMO_DAILY, """
        2026-03-02T00:00  100000  100000 | 95000  5000
        2026-03-02T23:59  100000   96500 | 95000  1500
        2026-03-03T00:00  100000   96500 | 95000  1500       # from the balance: the open −3500 is lost already
        2026-03-03T01:00   96000   96000 | 95000  1000 acts
    """, PRAGUE),
    Example("FTMO-like 4: a bigger account, to the cent", FTMO_DAILY, """
        2026-06-01T00:00  200000     200000    | 190000    10000
        2026-06-01T12:00  202345.67  202345.67 | 190000    12345.67
        2026-06-02T00:00  202345.67  202345.67 | 192345.67 10000     # 202345.67 − 10000
        2026-06-02T12:00  202345.67  194345.67 | 192345.67  2000 acts
    """, PRAGUE | {"capital": 200_000}),
    Example("FTMO-like 5: a quarter of a cent is kept", FTMO_DAILY, """
        2026-06-01T00:00  10000.37  10000.37 | 9500.3515  500.0185   # 5% of 10000.37 = 500.0185
        2026-06-01T01:00  10000.37   9600.36 | 9500.3515  100.0085   # 1 − 100.0085/500.0185 = 79.999%
        2026-06-01T02:00  10000.37   9600.35 | 9500.3515   99.9985 acts
    """, PRAGUE | {"capital": 10_000.37}),
    Example("higher of both 1: an open profit at midnight is the mark", HIGHER_DAILY, """
        2026-03-02T00:00  100000  102000 | 97000  5000       # 102000 − 5000
        2026-03-02T09:00  100000   98000 | 97000  1000 acts
        2026-03-02T09:01  100000   97000 | 97000     0 acts reached
    """, PRAGUE),
    Example("higher of both 2: an open loss at midnight is not forgiven", HIGHER_DAILY, """
        2026-03-02T00:00  100000   98500 | 95000  3500       # from the balance of 100000
        2026-03-02T09:00   98500   98500 | 95000  3500       # to close it changes nothing
    """, PRAGUE),
    Example("higher of both 3: a restart at noon changes nothing", HIGHER_DAILY, """
        2026-03-02T00:00  100000  102000 | 97000  5000
        2026-03-02T11:59   99000   99500 | 97000  2500
        restart
        2026-03-02T12:01   99000   99400 | 97000  2400       # 102000 is known still
    """, PRAGUE),
    Example("a gap over midnight is said, and the higher of its ends counts", HIGHER_DAILY, """
        2026-03-02T00:00  100000  100000 | 95000  5000
        2026-03-02T23:00  101000  103000 | 95000  8000
        restart
        2026-03-03T01:00  101000  101500 | 98000  3500 gap   # max(103000, 101500) − 5000
        2026-03-04T00:00  101500  101500 | 96500  5000       # the day after is seen whole
    """, PRAGUE),
    Example("a first look at noon says that the day's start was not seen", HIGHER_DAILY, """
        2026-03-02T12:00   99000   98000 | 94000  4000 gap   # 99000 − 5000; it may have begun higher
        2026-03-03T00:01   99000   98000 | 94000  4000       # within five minutes of midnight is seen
    """, PRAGUE),
    Example("two polls around midnight: the higher counts", HIGHER_DAILY, """
        2026-03-02T00:00     100000  100000 | 95000  5000
        2026-03-02T23:59:45  100000  100800 | 95000  5800
        2026-03-03T00:00:15  100000  100300 | 95800  4500    # max(100800, 100300) − 5000
    """, PRAGUE),
    Example("clock change 1: the day that loses an hour in spring", FTMO_DAILY, """
        2026-03-28T00:00  100000  100000 | 95000  5000
        2026-03-29T00:00  101000  101000 | 96000  5000
        2026-03-29T03:00  101000   98000 | 96000  2000       # 02:00 to 03:00 is not there, the day goes on
        2026-03-29T23:59  101000   98000 | 96000  2000       # 23 hours after it began
        2026-03-30T00:00  101000   98000 | 96000  2000       # the balance is the mark
    """, PRAGUE),
    Example("clock change 2: the hour that comes twice in autumn is one day's", FTMO_DAILY, """
        2026-10-25T00:00   100000  100000 | 95000  5000
        2026-10-25T02:30   100000   97000 | 95000  2000
        2026-10-25T02:30b  100000   97000 | 95000  2000      # an hour later
        2026-10-25T23:59   100000   97000 | 95000  2000      # 25 hours after it began
        2026-10-26T00:00    97000   97000 | 92000  5000
    """, PRAGUE),
    Example("clock change 3: a start that is left out is the end of the gap", FTMO_DAILY, """
        2026-03-28T02:30    10000  10000 |  9500   500
        2026-03-29T01:59    10400  10400 |  9500   900       # still the day before
        2026-03-29T03:00    10400  10400 |  9900   500       # 02:30 is not there: 03:00 is the first instant after
        2026-03-30T02:29    10300  10300 |  9900   400
        2026-03-30T02:30    10300  10300 |  9800   500
    """, BERLIN_NIGHT),
    Example("clock change 4: a start that comes twice is the first", FTMO_DAILY, """
        2026-10-24T02:30    10000  10000 |  9500   500
        2026-10-25T02:29    10200  10200 |  9500   700
        2026-10-25T02:30    10200  10200 |  9700   500       # the first of both
        2026-10-25T02:30b   10100  10100 |  9700   400       # the second begins nothing
    """, BERLIN_NIGHT),
    Example("day-start ratio 1: 4% of the equity with which the day began", {"kind": "daily", "ratio": 0.04}, """
        2026-05-04T00:00   25000  25000 | 24000   1000       # 25000 × 0.96
        2026-05-05T00:00   27500  27500 | 26400   1100       # 27500 × 0.96
        2026-05-05T08:00   27500  26620 | 26400    220 acts  # 1 − 220/1100 = 80%
    """, {"capital": 25_000}),
    Example("day-start ratio 2: after losses it allows less", {"kind": "daily", "ratio": 0.04}, """
        2026-05-04T00:00   25000  25000 | 24000   1000
        2026-05-05T00:00   24100  24100 | 23136    964       # 24100 × 0.96
    """, {"capital": 25_000}),
    Example("static maximum 1: 10% of the initial size for ever", MAXIMUM, """
        2026-03-02T09:00  100000  100000 | 90000  10000
        2026-04-02T09:00  108000  112000 | 90000  22000       # profit widens it; a month unseen hides no mark
    """, PRAGUE),
    Example("static maximum 2: acts at 80%, is reached at 100%", MAXIMUM, """
        2026-03-02T09:00  100000  100000 | 90000  10000
        2026-03-02T09:01   95000   92000.01 | 90000  2000.01      # 79.9999%
        2026-03-02T09:02   95000   92000 | 90000  2000 acts
        2026-03-02T09:03   95000   89999.99 | 90000  -0.01 acts reached
    """, PRAGUE),
    Example("static maximum 3: in money, by closed trades alone", {"kind": "maximum", "money": 1500, "open_positions": False}, """
        2026-03-02T09:00   30000   28000 | 28500   1500      # open positions do not count
        2026-03-02T10:00   28000   28000 | 28500   -500 acts reached
    """, {"capital": 30_000}),
    Example("static maximum 4: a payout leaves the firm's limit where it is", MAXIMUM | {"follows_transfers": False}, """
        2026-03-02T09:00  108000  108000 | 90000  18000
        moved -8000
        2026-03-02T10:00  100000  100000 | 90000  10000      # the buffer is paid out with it
    """, PRAGUE),
    Example("static maximum 5: an own account's limit goes along with a withdrawal", MAXIMUM, """
        2026-03-02T09:00  108000  108000 | 90000  18000
        moved -8000
        2026-03-02T10:00  100000  100000 | 82800  17200      # capital 92000, 10% of it 9200
    """, PRAGUE),
    Example("Topstep-like 1: what is open moves nothing until the day ends", TOPSTEP, """
        2026-02-02T17:00   50000   50000 | 48000   2000
        2026-02-03T10:00   50000   51500 | 48000   3500      # an open high does not trail
        2026-02-03T16:00   51000   51000 | 48000   3000
        2026-02-03T17:00   51000   51000 | 49000   2000      # 51000 − 2000
    """, CHICAGO),
    Example("Topstep-like 2: it locks at the start balance, for ever", TOPSTEP, """
        2026-02-02T17:00   50000   50000 | 48000   2000
        2026-02-03T17:00   52500   52500 | 50000   2500 locked       # 52500 − 2000 is above 50000
        2026-02-04T17:00   58000   58000 | 50000   8000 locked
        2026-02-05T17:00   50400   50400 | 50000    400 locked acts  # 1 − 400/2000 = 80%
    """, CHICAGO),
    Example("Topstep-like 3: a losing day does not lower it", TOPSTEP, """
        2026-02-02T17:00   50000   50000 | 48000   2000
        2026-02-03T17:00   51200   51200 | 49200   2000
        2026-02-04T17:00   50100   50100 | 49200    900      # 51200 stays the highest
        2026-02-05T17:00   51000   51000 | 49200   1800
    """, CHICAGO),
    Example("Topstep-like 4: it is held against the equity of every moment", TOPSTEP, """
        2026-02-02T17:00   50000   50000 | 48000   2000
        2026-02-03T11:00   50000   48400 | 48000    400 acts
        2026-02-03T11:01   50000   47990 | 48000    -10 acts reached
        2026-02-03T11:02   50000   49000 | 48000   1000      # the number goes back; the account is gone
    """, CHICAGO),
    Example("Topstep-like 5: the daily limit from five in the evening", {"kind": "daily", "money": 1000, "mark": "balance"}, """
        2026-02-02T17:00   50000   50000 | 49000   1000
        2026-02-03T16:59   49300   49300 | 49000    300
        2026-02-03T17:00   49300   49300 | 48300   1000
        2026-02-03T23:00   49300   48500 | 48300    200 acts
    """, CHICAGO),
    Example("Topstep-like 6: the clock change of Chicago moves the day's start along", TOPSTEP, """
        2026-03-07T17:00   50000   50000 | 48000   2000
        2026-03-08T16:59   51000   51000 | 48000   3000      # 22 hours and 59 minutes later
        2026-03-08T17:00   51000   51000 | 49000   2000
    """, CHICAGO),
    Example("Topstep-like 7: days that ended unseen are said", TOPSTEP, """
        2026-02-06T15:00   50000   50000 | 48000   2000
        restart
        2026-02-09T08:00   50500   50500 | 48500   2000 gap  # max(50000, 50500) − 2000; a day between may have been higher
    """, CHICAGO),
    Example("Topstep-like 8: two restarts a day change nothing", TOPSTEP, """
        2026-02-02T17:00   50000   50000 | 48000   2000
        restart
        2026-02-03T17:00   51750.25  51750.25 | 49750.25 2000
        restart
        2026-02-03T17:01   51750.25  51000.50 | 49750.25 1250.25
    """, CHICAGO),
    Example("Apex-like 1: the highest open equity trails at once", APEX, """
        2026-02-02T18:00   50000   50000    | 47500     2500
        2026-02-02T18:03   50000   51234.50 | 48734.50  2500     # 51234.50 − 2500
        2026-02-02T18:04   50000   49500    | 48734.50   765.50  # the open profit is gone, the limit stays
        2026-02-02T18:05   49200   49200    | 48734.50   465.50 acts
    """, NEW_YORK),
    Example("Apex-like 2: it locks 100 above the start", APEX, """
        2026-02-02T18:00   50000   50000 | 47500   2500
        2026-02-02T18:01   50000   52599 | 50099   2500
        2026-02-02T18:02   50000   52600 | 50100   2500 locked
        2026-02-02T18:03   55000   56000 | 50100   5900 locked
        2026-02-02T18:04   50600   50600 | 50100    500 locked acts
    """, NEW_YORK),
    Example("Apex-like 3: a restart at the top forgets nothing", APEX, """
        2026-02-02T18:00   50000   50000 | 47500   2500
        2026-02-02T18:01   50000   51900 | 49400   2500
        restart
        2026-02-02T18:02   50000   50500 | 49400   1100
    """, NEW_YORK),
    Example("Apex-like 4: a gap may hide a higher equity, and says so", APEX, """
        2026-02-02T18:00   50000   50000 | 47500   2500
        restart
        2026-02-02T18:06   50000   50400 | 47900   2500 gap
        2026-02-03T18:00   50000   50400 | 47900   2500 gap  # until the day after and longer
    """, NEW_YORK),
    Example("Apex-like 5: what the firm's page shows replaces what was not seen", APEX | {"known": {"at": "2026-02-02T23:04:00Z", "mark": 51000}}, """
        2026-02-02T18:00   50000   50000 | 47500   2500
        2026-02-02T18:04   50000   50400 | 48500   1900      # told 51000, as of 18:04 in New York
        2026-02-02T18:05   50000   51200 | 48700   2500
    """, NEW_YORK),
    Example("exchange-like 1: 3% of the wallet at midnight UTC, closed trades alone", {"kind": "daily", "ratio": 0.03, "mark": "balance", "open_positions": False}, """
        2026-07-01T00:00    8000    7000 |  7760    240      # 8000 × 0.97
        2026-07-01T06:00    7800    7900 |  7760     40 acts # 1 − 40/240 = 83%
        2026-07-02T00:00    7800    7900 |  7566    234      # 7800 × 0.97
    """, {"capital": 8_000}),
    Example("exchange-like 2: 20% below the highest equity ever", {"kind": "maximum", "ratio": 0.20, "trails": "intraday"}, """
        2026-07-01T00:00    8000    8000 |  6400   1600
        2026-07-01T00:01    8000   10000 |  8000   2000      # 10000 × 0.8
        2026-07-01T00:02    8000    8400 |  8000    400 acts
    """, {"capital": 8_000}),
    Example("exchange-like 3: a wallet of bitcoin, to the satoshi", {"kind": "daily", "ratio": 0.05}, """
        2026-07-01T00:00    1.50000001  1.50000001 | 1.4250000095  0.0750000005
        2026-07-01T01:00    1.5         1.44       | 1.4250000095  0.0149999905 acts
    """, {"capital": 1.50000001}),
    Example("exchange-like 4: 2% below the highest equity of the day", {"kind": "daily", "ratio": 0.02, "trails": "intraday"}, """
        2026-07-01T00:00    8000    8000 |  7840    160
        2026-07-01T00:04    8000    8500 |  8330    170      # 8500 × 0.98
        2026-07-01T00:08    8000    8360 |  8330     30 acts # 1 − 30/170 = 82%
        2026-07-02T00:00    8000    8360 |  8192.80 167.20   # a new day from 8360
    """, {"capital": 8_000}),
    Example("a deposit hides no loss, and makes no mark", {"kind": "daily", "ratio": 0.05}, """
        2026-07-01T00:00   10000   10000 |  9500    500
        2026-07-01T01:00    9700    9700 |  9500    200
        moved 5000
        2026-07-01T02:00   14700   14700 | 14250    450      # of 15000: 750 allowed, 300 lost
    """, {"capital": 10_000}),
    Example("a zone of half hours has its own midnight", {"kind": "daily", "money": 500}, """
        2026-07-01T00:00   10000   10000 |  9500    500
        2026-07-01T23:59   10100   10100 |  9500    600
        2026-07-02T00:00   10100   10100 |  9600    500      # 18:30 UTC
    """, {"capital": 10_000, "zone": "Asia/Kolkata"}),
)  # fmt: skip
