// Recording rules of milestones: the progress of a bot towards each, 1 when it is reached.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local promql = (import 'promql.libsonnet')(config);
  local of_bot(metric) = text.fill('max by (bot) (trading_bot_%s)', metric);
  local figures = {
    daily_pnl: of_bot('pnl{window="day"}'),
    weekly_pnl: of_bot('pnl{window="week"}'),
    monthly_pnl: of_bot('pnl{window="month"}'),
    trades_count: 'bot:trading_bot_trades:sum',
    uptime: of_bot('uptime_seconds'),
    sharpe_ratio: of_bot('sharpe_ratio'),
    max_consecutive_wins: of_bot('max_consecutive_wins'),
    recovery_factor: of_bot('recovery_factor'),
  };
  [
    promql.record(
      'bot_milestone:trading_bot_milestone:progress',
      text.fill('%s / %s', [figures[name], duration.seconds(config.milestones[name])]),
      { milestone: name }
    )
    for name in std.objectFields(figures)
  ]
