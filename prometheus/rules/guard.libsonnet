// Money alerts, evaluated about every second over the exporter's guard series, which are seconds old. For a bot
// without the guard they read the usual series, for a bot that is down its last values.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local promql = (import 'promql.libsonnet')(config);
  local limits = config.thresholds.critical;
  local if_limit_is_old = promql.if_old(
    'time() - bot_limit:trading_bot_loss_limit_used_ratio:known_timestamp_seconds{bot=%q,limit=%q,account=%q} > ' +
    2 * duration.seconds(config.collection.trading.interval),
    '$labels.bot $labels.limit $labels.account',
  );

  [
    alert.critical(
      'CriticalLoss',
      '(' + promql.newest('drawdown_ratio') + '\nor bot:trading_bot_drawdown_ratio:known) > %(critical_loss)s',
      text.fill('drawdown > %s', promql.percent(limits.critical_loss)),
      summary='{{ $labels.bot }} has lost {{ $value | humanizePercentage }} from its peak',
      problem=text.fill('The drawdown of {{ $labels.bot }} is {{ $value | humanizePercentage }}, beyond the %s% at which Nightdesk closes everything.', (100 * limits.critical_loss)) +
              '{{ with query (printf `trading_bot_guard_equity{bot=%q}` $labels.bot) }} Its equity is {{ . | first | value | printf "%.2f" }}.{{ end }}' +
              '{{ with query (printf `trading_bot_guard_open_positions{bot=%q}` $labels.bot) }} Positions open now: {{ . | first | value | printf "%.0f" }}.{{ end }}' + promql.if_drawdown_is_old,
      todo='Check that it is flat at the exchange; let it trade again only when you know why it lost.',
      verify=promql.proof('drawdown_ratio', '$bot') + ' <= %(critical_loss)s'
    ),

    // Each bot of an account has its own series, because Nightdesk stops the entries of bots.
    alert.critical(
      'LossLimit',
      '(' + promql.newest('loss_limit_used_ratio', 'bot, limit, account') + |||

        and on (bot, limit, account) time() - trading_bot_loss_limit_known_timestamp_seconds <= %(loss_known_for)s
        or bot_limit:trading_bot_loss_limit_used_ratio:known
        )
        >= on (bot, limit, account)
        (max by (bot, limit, account) (trading_bot_loss_limit_acts_at_ratio) or bot_limit:trading_bot_loss_limit_acts_at_ratio:known)
      |||,
      text.fill('%s of a loss limit used; the whole of daily_loss (%s)', [promql.percent(limits.loss_limit_used), limits.daily_loss]),
      subject=['bot', 'limit', 'account'],
      summary='{{ $labels.bot }} has used {{ $value | humanizePercentage }} of its loss limit {{ $labels.limit }}{{ if $labels.account }} of account {{ $labels.account }}{{ end }}',
      problem='Of the loss limit {{ $labels.limit }} of {{ if $labels.account }}account {{ $labels.account }}, which {{ $labels.bot }} trades,{{ else }}{{ $labels.bot }}{{ end }}' +
              ' {{ $value | humanizePercentage }} are used' +
              '{{ with query (printf `max(trading_bot_guard_loss_limit_left{bot=%[1]q,limit=%[2]q,account=%[3]q}) or max(trading_bot_loss_limit_left{bot=%[1]q,limit=%[2]q,account=%[3]q})` $labels.bot $labels.limit $labels.account) }}; {{ . | first | value | printf "%.2f" }} are left{{ end }}.' +
              '{{ with query (printf `trading_bot_loss_limit_complete{bot=%q,limit=%q,account=%q} == 0` $labels.bot $labels.limit $labels.account) }} Its mark may have been missed, or its figures are unknown now: `nightdesk limits` says more.{{ end }}' + if_limit_is_old,
      todo='Let it enter nothing more until the limit is free again; find what its losing trades have in common.',
      verify=promql.proof('loss_limit_used_ratio', '$bot,$limit,$account') + ' < max(trading_bot_loss_limit_acts_at_ratio{$bot,$limit,$account})'
    ),
  ]
