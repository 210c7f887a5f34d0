// Critical alerts: a bot is dead, dying, or losing more than it may.
local duration = import '../duration.libsonnet';

function(config)
  local alert = (import 'alert.libsonnet')(config);
  local limits = config.thresholds.critical;
  local scrape = duration.seconds(config.collection.trading.interval);

  // A bot that is up one scrape in four shows its start time that seldom: as many changes as the limit are seen
  // only over four scrapes each, and one more to hold both ends.
  local crash_loop_range = duration.format(std.max(
    duration.seconds(limits.crash_loop_window),
    (4 * limits.crash_loop_restarts + 1) * scrape
  ));

  [
    // `for` starts anew with every evaluation that sees no 0: one success resets the wait, and so does a scrape of the
    // exporter that fails, since unknown is not down (ExporterDown tells of that). This holds until the alert fires:
    // while keep_firing_for bridges, one more 0 keeps it firing without a wait. Whether a restart worked is therefore
    // asked of `verify`, never read off the alert, which outlives its cause by the bridge.
    alert.critical(
      'Down',
      'max by (bot) (trading_bot_up) == 0',
      wait=duration.seconds(limits.down_after),
      summary='{{ $labels.bot }} shows no sign of life',
      problem='No answer from {{ $labels.bot }} for %s' % duration.format(limits.down_after) +
              '{{ with query (printf `trading_bot_source_error{bot=%q} > 0` $labels.bot) }}' +
              ' ({{ . | first | label "reason" }}){{ end }}. Last known:',
      todo='See whether its process runs and what it logged last; look at its open positions at the exchange.',
      verify='trading_bot_up{$bot} == 1'
    ),

    // Seen in the start times, not in `up`: a bot that comes up between two crashes never stays down long enough.
    // The window itself keeps the alert up after the last crash, and keep_firing_for adds to that: `verify` is
    // true once the starts have left the window.
    alert.critical(
      'CrashLooping',
      'max by (bot) (changes(trading_bot_start_time_seconds[%s])) >= %d' % [crash_loop_range, limits.crash_loop_restarts],
      summary='{{ $labels.bot }} started anew {{ $value }} times within %s' % crash_loop_range,
      problem='{{ $labels.bot }} comes up and dies again. Restarting it once more is not the cure.',
      todo='Read its log before each death; undo the last change of its code, strategy or configuration.',
      verify='changes(trading_bot_start_time_seconds{$bot}[%s]) < %d' % [crash_loop_range, limits.crash_loop_restarts]
    ),

    alert.critical(
      'HighDrawdown',
      'max by (bot) (trading_bot_drawdown_ratio) > %(max_drawdown)g',
      summary='{{ $labels.bot }} is {{ $value | humanizePercentage }} below its peak',
      problem='The drawdown of {{ $labels.bot }} is {{ $value | humanizePercentage }}, its limit %g%%.' % (100 * limits.max_drawdown),
      todo='Decide whether its open positions still have a reason; make them smaller or close them.',
      verify='trading_bot_drawdown_ratio{$bot} <= %(max_drawdown)g'
    ),

    alert.critical(
      'ApiErrorRate',
      'max by (bot) (trading_bot_error_rate) > %(error_rate)g',
      summary='API errors of {{ $labels.bot }} at {{ $value | humanizePercentage }}',
      problem='{{ $value | humanizePercentage }} of the API calls of {{ $labels.bot }} fail; its limit is %g%%.' % (100 * limits.error_rate),
      todo="Look at the exchange's status page, the rate limits and the API key of the bot.",
      verify='trading_bot_error_rate{$bot} <= %(error_rate)g'
    ),
  ]
