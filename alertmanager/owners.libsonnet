// The bots that are not like the others: those whose team is told in the desk's place, and those with maintenance.
local intervals = import 'intervals.libsonnet';

function(settings)
  local quiet = intervals(settings);
  local owned(bot) = std.get(settings.plan.owned, bot, {});
  local usual = quiet.of_bot(null);
  // As Go's regular expressions read it, within the quotes of a matcher.
  // The bot, or its twin in a drill: stack/drill/scripts.py.
  local quoted(name) = '(drill-[0-9]+-of-)?' + std.join('', [
    (if std.member('\\.+*?()|[]{}^$', char) then '\\' else '') + char
    for char in std.stringChars(name)
  ]);
  // Pattern, receivers in the place of others, and windows of each: elements of a list, which are evaluated once, as fields are not.
  local special = [
    [quoted(name), owned(name), quiet.of_bot(name)]
    for name in std.objectFields(settings.bots)
    if owned(name) != {} || quiet.of_bot(name) != usual
  ];
  {
    // Routes below one to `receiver`: to what takes its place for a team's bots, muted as its bots are, and by `held`.
    routes(receiver, held=[])::
      local here = [[one[0], std.get(one[1], receiver, receiver), one[2]] for one in special];
      local unlike = [one for one in here if one[1] != receiver || one[2] != usual];
      local key(one) = one[1:];
      [
        {
          receiver: one[1],
          matchers: ['bot=~%s' % std.escapeStringJson(std.join('|', [each[0] for each in unlike if key(each) == key(one)]))],
        } + quiet.muted(one[2] + held)
        for one in std.uniq(std.sort(unlike, key), key)
      ],
  }
