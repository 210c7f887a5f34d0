// Formats texts as `%` does. Jsonnet's own `%` takes milliseconds a line, and the rules have a thousand lines.

// The shortest decimal form of a number, to the millionth.
local number(value) =
  if value < 0 then '-' + number(-value)
  else if value == std.floor(value) then std.toString(value)
  else
    local millionths = std.floor(value * 1000000 + 0.5);
    local rest = std.rstripChars(std.toString(1000000 + millionths % 1000000)[1:], '0');
    std.floor(millionths / 1000000) + (if rest == '' then '' else '.' + rest);

local text(value) = if std.isNumber(value) then number(value) else value;

{
  number:: number,

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
