// The bot's figures as lines of a description: the last values within the hour, because a bot that is down has none
// now.
local names = std.parseYaml(importstr '../../stack/names.yaml');

local fact(name, queries, format) =
  name + ': ' +
  std.join('', ['{{ with query (printf `' + query + '` $labels.bot) }}{{ . | first | value | ' + format + ' }}{{ else }}' for query in queries]) +
  'unknown' +
  std.repeat('{{ end }}', std.length(queries));

// The series of a position ends when it closes, so the sum is taken before the look-back. No series means no open
// position if the bot reports its exposure, else unknown.
local positions = '(sum(max by (symbol) (trading_bot_active_positions{bot=%[1]q})) or 0 * max(trading_bot_current_exposure{bot=%[1]q}))';

std.join('\n', [
  fact(names.pnl, ['last_over_time(trading_bot_profit_loss{bot=%q}[1h])'], 'printf "%.2f"') +
  '{{ with query (printf `last_over_time(trading_bot_pnl_open{bot=%q,window="total"}[1h])` $labels.bot) }} (' + names.pnl_open + ': {{ . | first | value | printf "%.2f" }}){{ end }}',
  fact('Win rate', ['100 * last_over_time(trading_bot_win_rate{bot=%q}[1h])'], 'printf "%.1f%%"'),
  // The rule evaluates these queries while it fires, so it computes sums over an hour only if there is no current
  // value.
  fact('Open positions', [positions, 'last_over_time(' + positions + '[1h:1m])'], 'printf "%.0f"'),
  fact('Uptime', ['last_over_time(trading_bot_uptime_seconds{bot=%q}[1h])'], 'humanizeDuration'),
])
