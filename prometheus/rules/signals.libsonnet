// Recording rules of what other rules ask for more than once: a bot's trades, its response times, an endpoint's latency.
// Two exporters that scrape one bot say everything twice: each series is taken once, by `max`, before it is added up.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';
function(config)
  local promql = (import 'promql.libsonnet')(config);
  local record = promql.record;
  local range = promql.rate_range();
  local of_position = ['bot', 'symbol', 'side'];

  // Below that many requests a quantile is no more than the slowest of them.
  local quantile(name, share) = record('bot:trading_bot_response_time_seconds:' + name, text.fill(|||
    histogram_quantile(%s, max by (bot, le) (rate(trading_bot_response_time_seconds_bucket[%s])))
    and on (bot) max by (bot) (increase(trading_bot_response_time_seconds_count[%s])) >= %s
  |||, [share, range, range, config.sla.requests_minimum]));

  // What a bot had lost is still lost while nothing newer is known of it: it is down, it tells no more of it, or the
  // exporter is down. Each evaluation passes on what the one before knew, and when that was, until that is too old.
  // `while` is there as long as the bot, or the limit, is one of the settings. The guard may have seen what no scrape of
  // trading did.
  local losses(level, names, labels, time, while) =
    local of = std.join(', ', labels);
    local fill(template, values) = text.fill(template, {
      of: of,
      at: text.fill('%s:trading_bot_%s:known_timestamp_seconds', [level, names[0]]),
      longest: duration.seconds(config.thresholds.critical.loss_known_for),
      while: while,
      exporter: config.exporter_selector,
    } + values);
    local carried(name, now, within) = record(name, fill(|||
      (
        %(now)s
        or last_over_time(%(name)s[1h]) and on (%(of)s) %(while)s
        or last_over_time(%(name)s[1h]) and on () min(up{%(exporter)s}) == 0
      ) %(within)s
    |||, { name: name, now: now, within: within }));
    [carried(fill('%(at)s', {}), time, fill('>= time() - %(longest)s', {}))] + [
      carried(text.fill('%s:trading_bot_%s:known', [level, name]), promql.newest(name, of), fill('and on (%(of)s) %(at)s', {}))
      for name in names
    ];

  // What a bot had before it went down is still lost while it is down, and while the exporter is: each evaluation
  // passes on what the one before knew, until the bot says otherwise.
  local kept(level, name, now) =
    local before = text.fill('%s:trading_bot_%s:known', [level, name]);
    record(before, text.fill(|||
      %(now)s
      or last_over_time(%(before)s[1h]) and on (bot) bot:trading_bot_up:max == 0
      or last_over_time(%(before)s[1h]) and on () min(up{%(exporter)s}) == 0
    |||, { now: now, before: before, exporter: config.exporter_selector }));
  local known(level, name, labels=['bot'], worst='max') =
    kept(level, name, text.fill('%s by (%s) (trading_bot_%s)', [worst, std.join(', ', labels), name]));
  local endangered(name, worst) = kept('bot_position', name, promql.newest(name, std.join(', ', of_position), worst));

  [record('bot:trading_bot_up:max', 'max by (bot) (trading_bot_up)')] +
  losses('bot', ['drawdown_ratio'], ['bot'], promql.newest_time('drawdown_ratio'), 'bot:trading_bot_up:max') +
  losses(
    'bot_limit',
    ['loss_limit_used_ratio', 'loss_limit_acts_at_ratio'],
    ['bot', 'limit', 'account'],
    'max by (bot, limit, account) (trading_bot_loss_limit_known_timestamp_seconds)',
    'trading_bot_loss_limit_acts_at_ratio'
  ) +
  [
    known('bot', 'equity'),
    known('bot', 'profit_loss'),
    known('bot', 'current_exposure'),
    known('bot_window', 'pnl', ['bot', 'window']),
    // Positions are added up first: of a symbol that was closed an hour of samples would bring it back.
    kept('bot', 'active_positions', 'sum by (bot) (max by (bot, symbol) (trading_bot_active_positions))'),
    kept('bot', 'trades', 'sum by (bot) (max by (bot, symbol, side, outcome) (trading_bot_trades_total))'),
    kept('bot', 'answered_timestamp_seconds', 'max by (bot) (nightdesk_exporter_last_success_timestamp_seconds)'),
    known('bot_position', 'position_unprotected', of_position),
    endangered('position_liquidation_distance_ratio', 'min'),
    endangered('position_margin_ratio', 'max'),
    record('bot:trading_bot_trades:sum', 'sum by (bot) (max by (bot, symbol, side, outcome) (trading_bot_trades_total))'),
    // The win rate of three trades is no win rate.
    record(
      'bot:trading_bot_win_rate:settled',
      text.fill('max by (bot) (trading_bot_win_rate) and on (bot) bot:trading_bot_trades:sum >= %s', config.thresholds.warning.win_rate_trades)
    ),
    quantile('p50', 0.5),
    quantile('p95', 0.95),
    quantile('p99', 0.99),
    record('bot:trading_bot_api_requests:rate', text.fill('sum by (bot) (max by (bot, outcome) (rate(trading_bot_api_requests_total[%s])))', range)),
    record('trading_bot_network_latency_seconds', text.fill('max by (endpoint) (probe_duration_seconds{%s})', config.probe_selector)),
    // Errors a second, by where they were seen: in calls to the exchange, in the log, on the way to an endpoint.
    record(
      'bot_source:trading_bot_errors:rate',
      text.fill('max by (bot) (rate(trading_bot_api_requests_total{outcome="error"}[%s]))', range),
      { source: 'api' }
    ),
    record(
      'bot_source:trading_bot_errors:rate',
      text.fill('sum by (bot) (max by (bot, category, event, severity) (rate(trading_bot_log_events_total{%s}[%s])))', [config.log_error_selector, promql.rate_range('logs')]),
      { source: 'logs' }
    ),
    record(
      'endpoint_source:trading_bot_errors:ratio',
      text.fill('1 - min by (endpoint) (avg_over_time(probe_success{%s}[%s]))', [config.probe_selector, promql.rate_range('system')]),
      { source: 'network' }
    ),
  ]
