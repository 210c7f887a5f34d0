// Recording rules of error budgets: how many times too fast each objective's budget burns, over each window in use.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local promql = (import 'promql.libsonnet')(config);
  local sla = config.sla;
  local evaluation = duration.seconds(config.collection.evaluation_interval);
  // Prometheus looks back five minutes for the last value of a series, at any speed.
  local rarest = 120;

  // The burn is the share of bad events in all events. A bot that reports an error rate without a count (Freqtrade)
  // has one event a scrape, and windows long enough to hold enough of them. p95 allows one request in twenty to be
  // slower. A missed scrape is no outage: for availability the alerts require a time (`missed`).
  local objectives = {
    availability: {
      budget: 1 - sla.availability,
      all: 'max by (bot) (count_over_time(trading_bot_up[$range]))',
      bad: 'max by (bot) (count_over_time(trading_bot_up[$range]) - sum_over_time(trading_bot_up[$range]))',
    },
    error_rate: {
      budget: sla.error_rate,
      local uncounted = 'unless on (bot) trading_bot_api_requests_total',
      all: text.fill(|||
        sum by (bot) (max by (bot, outcome) (increase(trading_bot_api_requests_total[$range])))$enough
        or max by (bot) (count_over_time(trading_bot_error_rate[$range])) %s$scrapes
      |||, uncounted),
      bad: text.fill(|||
        max by (bot) (increase(trading_bot_api_requests_total{outcome="error"}[$range]))
        or max by (bot) (sum_over_time(trading_bot_error_rate[$range])) %s
      |||, uncounted),
    },
    response_time: {
      budget: 1 - 0.95,
      all: 'max by (bot) (increase(trading_bot_response_time_seconds_count[$range]))$enough',
      bad: text.fill(|||
        max by (bot) (increase(trading_bot_response_time_seconds_count[$range]))
        - max by (bot) (increase(trading_bot_response_time_seconds_bucket{le="%s"}[$range]))
      |||, promql.le(duration.seconds(sla.response_time.p95))),
    },
  };

  // A day of raw samples of a thousand bots is millions of samples. Long windows therefore sum short windows
  // ("bricks"), recorded several times within the length of one. Bricks overlap, but numerator and denominator grow
  // alike.
  local brick = std.foldl(std.min, [duration.seconds(rate.long) for rate in sla.burn_rates], duration.seconds(sla.window));
  local is_long(window) = window > 6 * brick;
  local enough = text.fill(' >= %s', sla.requests_minimum);
  local events(kind) = text.fill('bot_objective:trading_bot_objective_%s_events:brick', kind);
  local scrapes(window) = if window < sla.requests_minimum * duration.seconds(config.collection.trading.interval) then '' else enough;
  local counted(name, kind, range, guard, scrapes='') = std.foldl(
    function(query, pair) std.strReplace(query, pair[0], pair[1]),
    [['$range', promql.range(range)], ['$enough', guard], ['$scrapes', scrapes]],
    objectives[name][kind]
  );
  local sum(window, name, kind) = text.fill('sum_over_time(%s{objective="%s"}[%s])', [events(kind), name, duration.format(window)]);
  // Overlapping bricks contain each event several times; this division counts it once. The last brick contains all
  // events before the first complete brick.
  local once(window, name, kind) =
    local laid = text.fill('%s{objective="%s"}', [events(kind), name]);
    promql.max_by_bot([text.fill('%s / count_over_time(%s[%s])', [sum(window, name, kind), laid, duration.format(brick)]), laid]);
  local over(window, name, kind) =
    if !is_long(window) then text.fill('(\n%s\n)', counted(name, kind, window, enough, scrapes(window)))
    else if kind == 'all' then text.fill('(%s and on (bot) %s%s)', [sum(window, name, kind), once(window, name, kind), enough])
    else sum(window, name, kind);

  local burn(window, name) = promql.record(
    'bot_objective_window:trading_bot_error_budget:burn',
    text.fill('%s\n/ on (bot) %s\n/ %s\n%s', [
      over(window, name, 'bad'),
      over(window, name, 'all'),
      objectives[name].budget,
      promql.of_known_bots,
    ]),
    { objective: name, window: duration.format(window) }
  );
  // Seconds in a window during which the bot is known not to have answered, whatever is unknown about the rest.
  local missed(window) = promql.record(
    'bot_window:trading_bot_missed:seconds',
    text.fill('%s * (%s)\n%s', [
      duration.seconds(config.collection.trading.interval),
      if is_long(window) then once(window, 'availability', 'bad') else counted('availability', 'bad', window, ''),
      promql.of_known_bots,
    ]),
    { window: duration.format(window) }
  );
  local judged = std.set([duration.seconds(sla.window)] + [duration.seconds(rate.long) for rate in sla.burn_rates]);
  local names = std.objectFields(objectives);
  local windows = std.set(
    [duration.seconds(sla.window)] +
    std.flattenArrays([[duration.seconds(rate.long), duration.seconds(rate.short)] for rate in sla.burn_rates])
  );

  [{
    name: 'trading-bot-budget-bricks',
    interval: duration.format(std.max(evaluation, brick / 4)),
    rules: [
      promql.record(
        events(kind),
        counted(name, kind, brick, ''),
        { objective: name }
      )
      for name in names
      for kind in ['all', 'bad']
    ],
  }] + [
    {
      name: 'trading-bot-budget-' + duration.format(window),
      interval: duration.format(std.max(evaluation, std.min(window / 100, rarest))),
      rules: [burn(window, name) for name in names] + (if std.setMember(window, judged) then [missed(window)] else []),
    }
    for window in windows
  ]
