// The bot's figures as lines of a description: the last known within the hour, since a bot that is down shows none.
local fact(name, query, format) =
  name + ': {{ with query (printf `' + query + '` $labels.bot) }}{{ . | first | value | ' + format + ' }}' +
  '{{ else }}unknown{{ end }}';

std.join('\n', [
  fact('P&L', 'last_over_time(trading_bot_profit_loss{bot=%q}[1h])', 'printf "%.2f"'),
  fact('Win rate', '100 * last_over_time(trading_bot_win_rate{bot=%q}[1h])', 'printf "%.1f%%"'),
  // A position that is closed takes its series with it, so the sum is taken before the look back; no series at all
  // is none open where the bot tells its exposure, and unknown where it does not.
  fact(
    'Open positions',
    'last_over_time((sum(max by (symbol) (trading_bot_active_positions{bot=%[1]q})) or 0 * max(trading_bot_current_exposure{bot=%[1]q}))[1h:1m])',
    'printf "%.0f"'
  ),
  fact('Uptime', 'last_over_time(trading_bot_uptime_seconds{bot=%q}[1h])', 'humanizeDuration'),
])
