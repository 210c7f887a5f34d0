// Pieces of PromQL that several rule files share.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config) {
  local interval(group) = duration.seconds(config.collection[group].interval),
  local numbered(parts) = std.join('\n  or ', std.mapWithIndex(
    function(index, part) text.fill('label_replace(%s, "part", "%s", "", "")', [part, index]), parts
  )),

  // A range of these seconds, but of four scrapes at least: fewer miss what happens between two of them.
  range(seconds, group='trading'):: duration.format(std.max(duration.seconds(seconds), 4 * interval(group))),
  rate_range(group='trading'):: $.range(config.collection.rate_window, group),

  // A bot that was taken out of the settings leaves no `up` behind; what ranges still know of it is no news.
  of_known_bots:: 'and on (bot) bot:trading_bot_up:max',

  // What the guard saw last, also where a busy machine has just failed a scrape or two of it.
  guard(name, subject='')::
    local series = text.fill('trading_bot_guard_%s', name) + (if subject == '' then '' else '{' + subject + '}');
    local failed = duration.format(5 * duration.seconds(config.collection.guard.interval));
    text.fill('(%(s)s or last_over_time(%(s)s[%(r)s]))', { s: series, r: failed }),
  // Of a bot that is down the guard's figures stay; they count until other rules have recorded them.
  guarded(name, labels='bot', worst='max')::
    local recorded = duration.format(4 * duration.seconds(config.collection.evaluation_interval));
    text.fill('%s by (%s) (%s and on (bot) max_over_time(trading_bot_guard_up[%s]) == 1)', [worst, labels, $.guard(name), recorded]),
  newest(name, labels='bot', worst='max')::
    text.fill('%s\nor %s by (%s) (trading_bot_%s)', [$.guarded(name, labels, worst), worst, labels, name]),
  newest_time(name):: text.fill(
    'max by (bot) (timestamp(trading_bot_guard_%(name)s) and on (bot) trading_bot_guard_up == 1 or timestamp(trading_bot_%(name)s))',
    { name: name }
  ),

  // What proves that the cause is gone: never what was known last of a bot that is down, nor a poll from before the
  // breach, which may be as old as a poll and a scrape of trading take.
  proof(name, subject, worst='max'):: text.fill(
    '(%(worst)s(%(seen)s and on (bot) %(up)s == 1)' +
    ' or %(worst)s(trading_bot_%(name)s{%(of)s}) unless on () last_over_time(trading_bot_guard_%(name)s{%(of)s}[%(polled)s]))',
    {
      worst: worst,
      seen: $.guard(name, subject),
      up: $.guard('up', '$bot'),
      name: name,
      of: subject,
      polled: duration.format(2 * interval('trading')),
    }
  ),

  // In an alert's text: what is lost stays lost while nothing newer is known; the message says how old that is.
  if_old(age, of):: '{{ with query (printf `' + age + '` ' + of + ') }} That was known {{ . | first | value | humanizeDuration }} ago, and nothing newer is.{{ end }}',
  if_drawdown_is_old:: $.if_old(
    'time() - bot:trading_bot_drawdown_ratio:known_timestamp_seconds{bot=%q}' +
    ' unless on (bot) trading_bot_drawdown_ratio unless on (bot) trading_bot_guard_up == 1',
    '$labels.bot',
  ),

  stopped:: 'max by (bot) (trading_bot_state{state="stopped"}) == 1',
  resting:: 'max by (bot) (trading_bot_state{state=~"paused|stopped"}) == 1',

  // A bot that never closed a trade shows no rate: once it is up for long enough, that is a rate of zero.
  trades_per_hour:: text.fill(|||
    (
      max by (bot) (trading_bot_trades_per_hour)
      or 0 * max by (bot) (trading_bot_uptime_seconds)
    )
    and on (bot) max by (bot) (trading_bot_uptime_seconds) > %s
    unless on (bot) %s
  |||, [duration.seconds(config.thresholds.warning.trades_per_hour_after), $.resting]),

  // The smallest of the parts that are known: two parts of one bot have the same labels until each is numbered.
  min_by_bot(parts):: text.fill('min by (bot) (\n  %s\n)', numbered(parts)),
  max_by_bot(parts):: text.fill('max by (bot) (\n  %s\n)', numbered(parts)),

  // How much a counter grew. `increase` does not see the first value of a counter that is born with it; that it was
  // born, and not merely not scraped, `seen` shows: a gauge that was there at the range's begin, joined `on` a label.
  grown(counter, range, on, seen)::
    text.fill('((%(c)s unless %(c)s offset %(r)s) and on (%(on)s) %(seen)s offset %(r)s or increase(%(c)s[%(r)s]))', { c: counter, r: range, on: on, seen: seen }),

  // The bound of a bucket as the exporter writes it, the same in Prometheus 2 and 3.
  le(seconds):: if seconds == std.floor(seconds) then text.fill('%s.0', seconds) else text.number(seconds),

  percent(ratio):: text.fill('%s%', (100 * ratio)),

  record(name, expr, labels={}):: { record: name, expr: expr } + (if labels == {} then {} else { labels: labels }),
}
