// Pieces of PromQL that several rule files share.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config) {
  local interval(group) = duration.seconds(config.collection[group].interval),
  local numbered(parts) = std.join('\n  or ', std.mapWithIndex(
    function(index, part) text.fill('label_replace(%s, "part", "%s", "", "")', [part, index]), parts
  )),

  // A range of this many seconds, but at least four scrapes: a shorter range misses what happens between two scrapes.
  range(seconds, group='trading'):: duration.format(std.max(duration.seconds(seconds), 4 * interval(group))),
  rate_range(group='trading'):: $.range(config.collection.rate_window, group),

  // A bot that was removed from the settings has no `up`; ranges that still contain it do not count.
  of_known_bots:: 'and on (bot) bot:trading_bot_up:max',

  // The guard's last value, also if a busy machine has just failed a scrape or two.
  guard(name, subject='')::
    local series = text.fill('trading_bot_guard_%s', name) + (if subject == '' then '' else '{' + subject + '}');
    local failed = duration.format(5 * duration.seconds(config.collection.guard.interval));
    text.fill('(%(s)s or last_over_time(%(s)s[%(r)s]))', { s: series, r: failed }),
  // The guard's series of a bot that is down stay; they count until other rules have recorded them.
  guarded(name, labels='bot', worst='max')::
    local recorded = duration.format(4 * duration.seconds(config.collection.evaluation_interval));
    text.fill('%s by (%s) (%s and on (bot) max_over_time(trading_bot_guard_up[%s]) == 1)', [worst, labels, $.guard(name), recorded]),
  newest(name, labels='bot', worst='max')::
    text.fill('%s\nor %s by (%s) (trading_bot_%s)', [$.guarded(name, labels, worst), worst, labels, name]),
  newest_time(name):: text.fill(
    'max by (bot) (timestamp(trading_bot_guard_%(name)s) and on (bot) trading_bot_guard_up == 1 or timestamp(trading_bot_%(name)s))',
    { name: name }
  ),

  // The proof that the cause is gone: it never uses the last known value of a bot that is down, nor a poll from
  // before the breach, which may be as old as a poll and a scrape of the trading group take.
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

  // For an alert's text: a loss stays a loss while no newer value is known; the message says how old the value is.
  if_old(age, of):: '{{ with query (printf `' + age + '` ' + of + ') }} This figure is {{ . | first | value | humanizeDuration }} old; there is no newer one.{{ end }}',
  if_drawdown_is_old:: $.if_old(
    'time() - bot:trading_bot_drawdown_ratio:known_timestamp_seconds{bot=%[1]q}' +
    ' unless on (bot) trading_bot_drawdown_ratio{bot=%[1]q} unless on (bot) trading_bot_guard_up{bot=%[1]q} == 1',
    '$labels.bot',
  ),

  // For an alert's text: what the trades made, and what the reference did.
  edge::
    local told(selector, words) = '{{ with query (printf `max(trading_bot_edge_' + selector + ')` $labels.bot) }}' + words + '{{ end }}';
    told('trades{bot=%q}', ': {{ . | first | value }} trades') +
    told('expectancy_ratio{bot=%q,of="live"}', ' made {{ . | first | value | humanizePercentage }} of their stake each') +
    told('expectancy_ratio{bot=%q,of="reference"}', ', those of the reference {{ . | first | value | humanizePercentage }}'),

  stopped:: 'max by (bot) (trading_bot_state{state="stopped"}) == 1',
  resting:: 'max by (bot) (trading_bot_state{state=~"paused|stopped"}) == 1',

  // A bot that never closed a trade has no trade rate: once it has been up long enough, its rate is zero.
  trades_per_hour:: text.fill(|||
    (
      max by (bot) (trading_bot_trades_per_hour)
      or 0 * max by (bot) (trading_bot_uptime_seconds)
    )
    and on (bot) max by (bot) (trading_bot_uptime_seconds) > %s
    unless on (bot) %s
  |||, [duration.seconds(config.thresholds.warning.trades_per_hour_after), $.resting]),

  // The smallest known part: two parts of one bot have the same labels, so each gets a number first.
  min_by_bot(parts):: text.fill('min by (bot) (\n  %s\n)', numbered(parts)),
  max_by_bot(parts):: text.fill('max by (bot) (\n  %s\n)', numbered(parts)),

  // By how much a counter grew. `increase` misses the first value of a new counter. `seen`, joined `on` a label, is a
  // gauge that existed at the begin of the range: it shows that the counter is new and not merely was not scraped.
  grown(counter, range, on, seen)::
    text.fill('((%(c)s unless %(c)s offset %(r)s) and on (%(on)s) %(seen)s offset %(r)s or increase(%(c)s[%(r)s]))', { c: counter, r: range, on: on, seen: seen }),

  // The bucket's bound as the exporter writes it, the same in Prometheus 2 and 3.
  le(seconds):: if seconds == std.floor(seconds) then text.fill('%s.0', seconds) else text.number(seconds),

  percent(ratio):: text.fill('%s%', (100 * ratio)),

  // What is known of a bot that goes down stays known while the bot or the exporter is down: each evaluation passes on
  // the last value until the bot reports another one. `but` names what is no longer known.
  kept(level, name, now, but='')::
    local before = text.fill('%s:trading_bot_%s:known', [level, name]);
    $.record(before, text.fill(|||
      %(now)s
      or last_over_time(%(before)s[1h]) and on (bot) bot:trading_bot_up:max == 0%(but)s
      or last_over_time(%(before)s[1h]) and on () min(up{%(exporter)s}) == 0%(but)s
    |||, { now: now, before: before, exporter: config.exporter_selector, but: but })),

  record(name, expr, labels={}):: { record: name, expr: expr } + (if labels == {} then {} else { labels: labels }),
}
