// Recording rules of all bots together; they add up money within one currency only.
local text = import '../text.libsonnet';
function(config)
  local promql = (import 'promql.libsonnet')(config);
  local record = promql.record;

  local currency(bot) = local own = std.get(bot, 'currency'); if own == null then config.currency else own;
  local bots(wanted) = [text.pattern(name) for name in std.objectFields(config.bots) if wanted(currency(config.bots[name]))];
  local matcher(code) =
    local listed = if code == config.currency
    then ['bot!~', bots(function(other) other != code)]
    else ['bot=~', bots(function(own) own == code)];
    listed[0] + std.escapeStringJson(std.join('|', listed[1]));
  local currencies = std.set([config.currency] + [currency(config.bots[name]) for name in std.objectFields(config.bots)]);

  // The last known value of a bot that is down: its money has not left.
  local money(metric, known, selector=[]) = [
    record(
      text.fill('currency:trading_bot_%s:sum', metric),
      text.fill('sum(max by (bot) (%s{%s}))', [known, std.join(',', [matcher(code)] + selector)]),
      { currency: code }
    )
    for code in currencies
  ];
  local of_bots(metric) = text.fill('max by (bot) (trading_bot_%s)', metric);

  [
    record('fleet:trading_bot_up:count', 'count(bot:trading_bot_up:max)'),
    record('fleet:trading_bot_up:sum', 'sum(bot:trading_bot_up:max)'),
    record('state:trading_bot_state:sum', 'sum by (state) (max by (bot, state) (trading_bot_state))'),
    record('fleet:trading_bot_trades:sum', 'sum(bot:trading_bot_trades:known)'),
    record(
      'fleet:trading_bot_win_rate:ratio',
      text.fill('sum(max by (bot, symbol, side) (trading_bot_trades_total{outcome="won"})) / (sum(bot:trading_bot_trades:sum) >= %s)', config.thresholds.warning.win_rate_trades)
    ),
    record('fleet:trading_bot_active_positions:sum', 'sum(bot:trading_bot_active_positions:known)'),
    record('fleet:trading_bot_drawdown_ratio:max', 'max(bot:trading_bot_drawdown_ratio:known)'),
    record('fleet:trading_bot_error_rate:avg', text.fill('avg(%s)', of_bots('error_rate'))),
    record('fleet:trading_bot_api_requests:rate', 'sum(bot:trading_bot_api_requests:rate)'),
    record('fleet:trading_bot_health:avg', 'avg(bot:trading_bot_health:min)'),
    record('fleet:trading_bot_objective:met_ratio', 'avg(bot:trading_bot_objective:met_ratio)'),
    record('fleet:trading_bot_performance:score', 'avg(bot:trading_bot_performance:score)'),
  ] +
  std.flatMap(
    function(metric) money(metric, text.fill('bot:trading_bot_%s:known', metric)),
    ['profit_loss', 'equity', 'current_exposure']
  ) +
  money('pnl_day', 'bot_window:trading_bot_pnl_all:known', ['window="day"'])
