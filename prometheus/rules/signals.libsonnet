// Recording rules that several rules use: a bot's trades, its response times, an endpoint's latency. If two exporters
// scrape one bot, each series exists twice: `max` takes each once before a sum.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';
function(config)
  local promql = (import 'promql.libsonnet')(config);
  local record = promql.record;
  local range = promql.rate_range();
  local of_position = ['bot', 'symbol', 'side'];

  // With fewer requests a quantile is just the slowest of them.
  local quantile(name, share) = record('bot:trading_bot_response_time_seconds:' + name, text.fill(|||
    histogram_quantile(%s, max by (bot, le) (rate(trading_bot_response_time_seconds_bucket[%s])))
    and on (bot) max by (bot) (increase(trading_bot_response_time_seconds_count[%s])) >= %s
  |||, [share, range, range, config.sla.requests_minimum]));

  // A bot's loss stays a loss while no newer value is known: the bot is down, no longer reports it, or the exporter
  // is down. Each evaluation passes on the last value and its time until it is too old. `while` exists as long as the
  // bot, or the limit, is in the settings. The guard may have seen what no scrape of the trading group did.
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

  local kept = promql.kept;
  local told(name, labels) = text.fill('max by (%s) (trading_bot_%s)', [labels, name]);
  local known(name) = kept('bot', name, told(name, 'bot'));
  // The profit of the day on which a bot died does not count for the next day: nobody knows that day's profit.
  local known_in_window(name) = kept(
    'bot_window',
    name,
    told(name, 'bot, window'),
    ' unless on (bot, window) bot_window:trading_bot_pnl_window_end_timestamp_seconds:known <= time()',
  );
  // After so long without a sample the position may be closed, by a stop or by hand. One that was closed before its bot
  // went down stays closed: only the last evaluations count, unless Prometheus was down and made none.
  local evaluation = duration.seconds(config.collection.evaluation_interval);
  local lately = duration.format(3 * evaluation);
  local endangered(name, worst='max') = kept(
    'bot_position',
    name,
    promql.newest(name, std.join(', ', of_position), worst),
    text.fill(
      ' unless on (bot) time() - bot:trading_bot_answered_timestamp_seconds:known > %s' +
      ' and (last_over_time(bot_position:trading_bot_%s:known[%s]) or last_over_time(bot_position:trading_bot_%s:known[1h])' +
      ' unless on (bot) last_over_time(bot:trading_bot_answered_timestamp_seconds:known[%s] offset %s))',
      [duration.seconds(config.thresholds.critical.loss_known_for), name, lately, name, lately, duration.format(evaluation)]
    ),
  );

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
    known('equity'),
    known('profit_loss'),
    known('current_exposure'),
    kept('bot_window', 'pnl_window_end_timestamp_seconds', told('pnl_window_end_timestamp_seconds', 'bot, window')),
    known_in_window('pnl'),
    known_in_window('pnl_all'),
    // Positions are added up first: an hour of samples would bring a closed symbol back.
    kept('bot', 'active_positions', 'sum by (bot) (max by (bot, symbol) (trading_bot_active_positions))'),
    kept('bot', 'trades', 'sum by (bot) (max by (bot, symbol, side, outcome) (trading_bot_trades_total))'),
    kept('bot', 'answered_timestamp_seconds', 'max by (bot) (nightdesk_exporter_last_success_timestamp_seconds)'),
    endangered('position_unprotected'),
    endangered('position_liquidation_distance_ratio', 'min'),
    endangered('position_margin_ratio', 'max'),
    record('bot:trading_bot_trades:sum', 'sum by (bot) (max by (bot, symbol, side, outcome) (trading_bot_trades_total))'),
    // Three trades make no win rate.
    record(
      'bot:trading_bot_win_rate:settled',
      text.fill('max by (bot) (trading_bot_win_rate) and on (bot) bot:trading_bot_trades:sum >= %s', config.thresholds.warning.win_rate_trades)
    ),
    quantile('p50', 0.5),
    quantile('p95', 0.95),
    quantile('p99', 0.99),
    record('bot:trading_bot_api_requests:rate', text.fill('sum by (bot) (max by (bot, outcome) (rate(trading_bot_api_requests_total[%s])))', range)),
    record('trading_bot_network_latency_seconds', text.fill('max by (endpoint) (probe_duration_seconds{%s})', config.probe_selector)),
    // Errors a second, by place: calls to the exchange, the log, the connection to an endpoint.
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
