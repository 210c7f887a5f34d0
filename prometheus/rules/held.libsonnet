// The largest open positions of the alert's bot, one a line; empty if the bot holds or reports none.
local figure(metric, format, unknown) =
  '{{ with query (printf `max(trading_bot_position_' + metric + '{bot=%q,symbol=%q,side=%q})` $labels.bot .Labels.symbol .Labels.side) }}' +
  '{{ . | first | value | ' + format + ' }}{{ else }}' + unknown + '{{ end }}';

'{{ range query (printf `topk(3, max by (symbol, side) (trading_bot_position_value{bot=%q}))` $labels.bot) }}\n' +
'{{ .Labels.symbol }} {{ .Labels.side }}: {{ .Value | printf "%.2f" }}' +
', P&L ' + figure('profit', 'printf "%.2f"', 'unknown') +
', stop ' + figure('stop_distance_ratio', 'humanizePercentage', 'unknown') +
', liquidation ' + figure('liquidation_distance_ratio', 'humanizePercentage', 'unknown') +
'{{ end }}'
