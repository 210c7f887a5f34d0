// Converts durations between seconds and Prometheus's notation.
local units = [['y', 31536000000], ['w', 604800000], ['d', 86400000], ['h', 3600000], ['m', 60000], ['s', 1000], ['ms', 1]];
local milliseconds(unit) = [pair[1] for pair in units if pair[0] == unit][0];
local isDigit(char) = char >= '0' && char <= '9';

// [milliseconds so far, digits of the count, letters of the unit] after one more character.
local step(state, char) =
  if !isDigit(char) then [state[0], state[1], state[2] + char]
  else if state[2] == '' then [state[0], state[1] + char, '']
  else [state[0] + std.parseInt(state[1]) * milliseconds(state[2]), char, ''];

local parse(text) =
  local last = std.foldl(step, std.stringChars(text), [0, '', '']);
  (last[0] + std.parseInt(last[1]) * milliseconds(last[2])) / 1000;

{
  // The seconds of `300`, `'5m'` or `'1h30m'`.
  seconds(duration):: if std.isString(duration) then parse(duration) else duration,

  // In the notation of Prometheus and Alertmanager, to the millisecond: `--speed` turns minutes into fractions of a
  // second.
  format(duration)::
    // Without weeks and years: days and shorter units are unambiguous.
    local write(state, unit) =
      local count = std.floor(state[1] / unit[1]);
      [state[0] + (if count > 0 then count + unit[0] else ''), state[1] - count * unit[1]];
    local text = std.foldl(write, units[2:], ['', std.floor($.seconds(duration) * 1000 + 0.5)])[0];
    if text == '' then '0s' else text,
}
