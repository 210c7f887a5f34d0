// The last known figures of a bot that is down, for dashboards; no alert reads them.
local text = import '../text.libsonnet';

local figures = {
  bot: [
    'win_rate',
    'sharpe_ratio',
    'sortino_ratio',
    'calmar_ratio',
    'profit_factor',
    'recovery_factor',
    'expectancy',
    'trades_per_hour',
    'trades_per_day',
    'last_trade_timestamp_seconds',
    'position_duration_avg_seconds',
    'pending_orders',
  ],
  'bot, symbol': [
    'symbol_pnl',
    'market_volatility_ratio',
    'market_volume_24h',
    'market_liquidity_score',
  ],
  'bot, symbol, window': ['market_price_change_ratio'],
  'bot, symbol, side, outcome': ['trades_total'],
};

function(config)
  local promql = (import 'promql.libsonnet')(config);
  [
    promql.kept(
      std.strReplace(labels, ', ', '_'),
      name,
      text.fill('max by (%s) (trading_bot_%s)', [labels, name])
    )
    for labels in std.objectFields(figures)
    for name in figures[labels]
  ]
