// Formats texts. The rules have a thousand lines, so what takes jsonnet a millisecond or more at each use is not used
// here or by them: `%`, slices, std.stripChars and its kin, std.member and std.findSubstr of strings.

local powers = [1, 10, 100, 1000, 10000, 100000, 1000000];
local escaped = { [char]: '\\' + char for char in std.stringChars('\\.+*?()|[]{}^$') };

// The shortest decimal form of a number, to the millionth.
local number(value) =
  if value < 0 then '-' + number(-value)
  else if value == std.floor(value) then std.toString(value)
  else
    local millionths = std.floor(value * 1000000 + 0.5);
    local rest = millionths % 1000000;
    local digits(places) =
      if rest % powers[6 - places] == 0 then std.substr(std.toString(powers[places] + rest / powers[6 - places]), 1, places)
      else digits(places + 1);
    std.floor(millionths / 1000000) + (if rest == 0 then '' else '.' + digits(1));

local text(value) = if std.isNumber(value) then number(value) else value;

{
  number:: number,

  // Escapes a text for Go's regular expressions.
  pattern(text):: std.join('', [if char in escaped then escaped[char] else char for char in std.stringChars(text)]),

  // Replaces each `%s` by the value at its position, or each `%(name)s` by the value of that name.
  fill(template, values):: if std.isObject(values) then $.filler(values)(template) else
    local parts = std.split(template, '%s');
    local list = if std.isArray(values) then values else [values];
    assert std.length(list) == std.length(parts) - 1 : 'not as many values as places in: ' + template;
    std.join('', [parts[0]] + [text(list[index]) + parts[index + 1] for index in std.range(0, std.length(list) - 1)]),

  // Returns a function that replaces each `%(name)s`; it formats the values once for all texts.
  filler(values)::
    local pairs = [['%(' + name + ')s', text(values[name])] for name in std.objectFields(values)];
    function(template) std.foldl(function(sofar, pair) std.strReplace(sofar, pair[0], pair[1]), pairs, template),
}
