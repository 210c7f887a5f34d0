// Converts durations between seconds and Prometheus's notation.
// In milliseconds, without weeks and years: days and shorter units are unambiguous.
local units = [['d', 86400000], ['h', 3600000], ['m', 60000], ['s', 1000], ['ms', 1]];
// A unit of one letter each: `ms` is read as `u`.
local milliseconds = { y: 31536000000, w: 604800000, d: 86400000, h: 3600000, m: 60000, s: 1000, u: 1 };

// [milliseconds so far, the count before the next unit] after one more character.
local step(state, char) =
  if char in milliseconds then [state[0] + state[1] * milliseconds[char], 0]
  else [state[0], 10 * state[1] + std.codepoint(char) - 48];

local parse(text) = std.foldl(step, std.stringChars(std.strReplace(text, 'ms', 'u')), [0, 0])[0] / 1000;

{
  // The seconds of `300`, `'5m'` or `'1h30m'`.
  seconds(duration):: if std.isString(duration) then parse(duration) else duration,

  // In the notation of Prometheus and Alertmanager, to the millisecond: `--speed` turns minutes into fractions of a
  // second.
  format(duration)::
    local write(state, unit) =
      local count = std.floor(state[1] / unit[1]);
      [state[0] + (if count > 0 then count + unit[0] else ''), state[1] - count * unit[1]];
    local text = std.foldl(write, units, ['', std.floor($.seconds(duration) * 1000 + 0.5)])[0];
    if text == '' then '0s' else text,
}
