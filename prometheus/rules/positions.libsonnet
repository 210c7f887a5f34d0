// Alerts about open positions and orders, one for each position or symbol, by severity.
local duration = import '../duration.libsonnet';
local text = import '../text.libsonnet';

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local promql = (import 'promql.libsonnet')(config);
  local critical = config.thresholds.critical;
  local warning = config.thresholds.warning;
  local of_position = ['bot', 'symbol', 'side'];
  local the_position = 'the {{ $labels.side }} position of {{ $labels.bot }} in {{ $labels.symbol }}';

  // The guard sees a danger before the next scrape. The last known danger counts while the bot or the exporter is
  // down: a position is not safe because nobody sees it.
  local newest(by, metric) = text.fill(
    '(%s or bot_position:trading_bot_position_%s:known)',
    [promql.newest('position_' + metric, std.join(', ', of_position), by), metric]
  );
  // A closed position has no series; only the symbol's count of positions shows that it is closed.
  local or_closed = ' or max(trading_bot_active_positions{$bot,$symbol}) == 0';
  local held = '$bot,$symbol,$side';
  local or_closed_since(metric) = or_closed + ' unless on () ' + promql.guard('position_' + metric, held);
  local if_position_is_old = promql.if_old(
    'time() - bot:trading_bot_answered_timestamp_seconds:known{bot=%[1]q} unless on (bot) bot:trading_bot_up:max{bot=%[1]q} == 1',
    '$labels.bot',
  );
  local near_liquidation = newest('min', 'liquidation_distance_ratio') + text.fill(' < %s', critical.liquidation_distance);

  // What differs, in words; `docs/exchange.md` says the same.
  local of_difference = ['bot', 'account', 'difference', 'symbol'];
  local differences = {
    ghost_position: 'the exchange holds {{ $labels.symbol }} that no bot knows of',
    missing_position: 'a bot holds {{ $labels.symbol }} that is not at the exchange',
    wrong_size: 'the position in {{ $labels.symbol }} has another size at the exchange',
    wrong_side: 'the position in {{ $labels.symbol }} is on the other side at the exchange',
    orphan_order: 'an order in {{ $labels.symbol }} waits at the exchange that no bot knows of',
    stop_missing: 'the stop of {{ $labels.symbol }} is not at the exchange',
    stop_without_position: 'a stop of {{ $labels.symbol }} waits at the exchange for a position that is gone',
    balance_drift: 'the money of the account has moved differently from the money of its bots within a day',
    unknown_fills: 'an order in {{ $labels.symbol }} was filled that no bot knows of',
    leverage_or_margin_mode: 'the exchange has another leverage or margin mode for {{ $labels.symbol }}',
    second_bot: 'orders come from a program or person that is no bot of this account',
    withdrawn_funds: '{{ $labels.symbol }} left the account without a declared transfer',
  };
  local in_words = std.join('', [
    '{{ if eq $labels.difference "' + kind + '" }}' + differences[kind] + '{{ end }}'
    for kind in std.objectFields(differences)
  ]);
  local says(metric) =
    '{{ with query (printf `max(trading_bot_books_' + metric + '{bot=%q,account=%q,difference=%q,symbol=%q})` ' +
    '$labels.bot $labels.account $labels.difference $labels.symbol) }}{{ . | first | value | printf "%.8g" }}{{ else }}unknown{{ end }}';
  local whose = '{{ if $labels.account }}account {{ $labels.account }}{{ else }}{{ $labels.bot }}{{ end }}';

  {
    guard: [
      alert.critical(
        'LiquidationNear',
        near_liquidation,
        text.fill('less than %s from liquidation', promql.percent(critical.liquidation_distance)),
        subject=of_position,
        summary='{{ $labels.bot }} is {{ $value | humanizePercentage }} from the liquidation of {{ $labels.symbol }} {{ $labels.side }}',
        problem='A move of {{ $value | humanizePercentage }} liquidates ' + the_position + text.fill('; its limit is %s.', promql.percent(critical.liquidation_distance)) + if_position_is_old,
        todo='Close a part of it or add margin before the exchange closes all of it at its price.',
        verify=promql.proof('position_liquidation_distance_ratio', held, 'min') + ' >= %(liquidation_distance)s' + or_closed_since('liquidation_distance_ratio')
      ),
      // If the account backs several positions, the price of one says little; the margin ratio decides.
      alert.critical(
        'LiquidationNear',
        newest('max', 'margin_ratio') + text.fill(' > %s', critical.margin_ratio) +
        ' unless on (bot, symbol, side) ' + near_liquidation,
        text.fill('margin ratio > %s', critical.margin_ratio),
        subject=of_position,
        labels={ scope: 'margin' },
        summary='{{ $labels.bot }} has used {{ $value | humanizePercentage }} of the margin of {{ $labels.symbol }} {{ $labels.side }}',
        problem='The exchange requires {{ $value | humanizePercentage }} of the remaining margin for ' + the_position + '; at 100% it liquidates.' + if_position_is_old,
        todo='Close a part of it or add margin before the exchange closes all of it at its price.',
        verify=promql.proof('position_margin_ratio', held) + ' <= %(margin_ratio)s' + or_closed_since('margin_ratio')
      ),
    ],

    // In no group of the guard: an evaluation runs the queries in the texts of all that fires, which takes seconds for a
    // thousand positions without a stop, and losses would wait for it.
    warning: [
      alert.warning(
        'PositionUnprotected',
        newest('max', 'unprotected') + ' == 1',
        'no live stop known',
        subject=of_position,
        held=true,
        summary='{{ $labels.bot }} holds {{ $labels.symbol }} {{ $labels.side }} without a known stop',
        problem='No live stop is known for ' + the_position + ': the bot reports none, the stop is on the wrong side of the price or behind the liquidation, or the bot is stopped.' + if_position_is_old,
        todo='Set a stop at the exchange, or close it.',
        verify=promql.proof('position_unprotected', held) + ' == 0' + or_closed_since('unprotected')
      ),
      // The witness has let it settle: it fires at once.
      alert.warning(
        'BooksDiffer',
        'max by (bot, account, difference, symbol) (trading_bot_books_difference) > 0',
        'exchange and bots differ, settled',
        subject=of_difference,
        held=true,
        summary='Of ' + whose + ', ' + in_words,
        problem='Of ' + whose + ', ' + in_words + ': the exchange says ' + says('at_exchange') + ', the bots ' + says('by_bots') + '.',
        todo='Look at the account at the exchange before you trust the bot: it protects nothing that it does not know.',
        verify='max(trading_bot_books_differences{$bot,$account}) >= 0 unless on () trading_bot_books_difference{$bot,$account,$difference,$symbol}'
      ),
      alert.warning(
        'BooksUnknown',
        'max by (bot, account) (trading_bot_books_compared) == 0',
        'exchange and bots cannot be compared',
        subject=['bot', 'account'],
        summary='The holdings of ' + whose + ' at its exchange are unknown',
        problem='Nightdesk cannot compare ' + whose + ' with its exchange: {{ with query (printf `trading_bot_exchange_error{account=%q}` $labels.account) }}the exchange is unknown ({{ . | first | label "reason" }}){{ else }}a bot does not report its positions{{ end }}.',
        todo='`nightdesk doctor` asks the exchange, and says what is wrong with the key.',
        verify='max(trading_bot_books_compared{$bot,$account}) == 1'
      ),
      alert.warning(
        'OrderStuck',
        'max by (bot, symbol) (trading_bot_order_age_seconds) > %(order_age)s',
        text.fill('order waits for longer than %s', duration.format(warning.order_age)),
        subject=['bot', 'symbol'],
        held=true,
        summary='An order of {{ $labels.bot }} in {{ $labels.symbol }} waits for {{ $value | humanizeDuration }}',
        problem='An order of {{ $labels.bot }} in {{ $labels.symbol }} has waited for {{ $value | humanizeDuration }} to be filled.',
        todo='Look at the order at the exchange: if the bot has forgotten it, cancel it there.',
        verify='(max(trading_bot_order_age_seconds{$bot,$symbol}) or 0 * max(trading_bot_pending_orders{$bot})) <= %(order_age)s'
      ),
      alert.warning(
        'FundingDrain',
        'max by (bot, symbol, side) (trading_bot_position_funding_paid) / max by (bot, symbol, side) (trading_bot_position_value) > %(funding_paid)s',
        text.fill('funding paid > %s of the position', promql.percent(warning.funding_paid)),
        subject=of_position,
        held=true,
        summary='Funding has cost {{ $labels.bot }} {{ $value | humanizePercentage }} of {{ $labels.symbol }} {{ $labels.side }}',
        problem='Since it was opened ' + the_position + ' has paid {{ $value | humanizePercentage }} of its value in funding.',
        todo='See whether the position is still worth this cost; another venue may pay funding for it.',
        verify='max(trading_bot_position_funding_paid{$bot,$symbol,$side}) / max(trading_bot_position_value{$bot,$symbol,$side}) <= %(funding_paid)s' + or_closed
      ),
    ],
  }
