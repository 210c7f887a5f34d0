// The bots that are not like the others: those with a team of their own, and those with hours of maintenance.
local intervals = import 'intervals.libsonnet';

function(settings)
  local quiet = intervals(settings);
  local team(bot) = std.get(bot, 'team');
  local usual = quiet.of_bot(null);
  // As Go's regular expressions read it, within the quotes of a matcher.
  local quoted(name) = std.join('', [
    (if std.member('\\.+*?()|[]{}^$', char) then '\\' else '') + char
    for char in std.stringChars(name)
  ]);
  // Pattern, team and windows of each: elements of a list, which are evaluated once, as fields are not.
  local special = [
    [quoted(name), team(settings.bots[name]), quiet.of_bot(name)]
    for name in std.objectFields(settings.bots)
    if team(settings.bots[name]) != null || quiet.of_bot(name) != usual
  ];
  {
    teams: std.set([one[1] for one in special if one[1] != null]),

    // Routes below one to `receiver`: to a team's own receiver where `receivers` holds one, muted as its bots are.
    routes(receiver, receivers)::
      local of_team(team) =
        local own = '%s-of-%s' % [receiver, team];
        if std.member(receivers, own) then own else receiver;
      local here = [[one[0], of_team(one[1]), one[2]] for one in special];
      local unlike = [one for one in here if one[1] != receiver || one[2] != usual];
      local key(one) = one[1:];
      [
        {
          receiver: one[1],
          matchers: ['bot=~%s' % std.escapeStringJson(std.join('|', [each[0] for each in unlike if key(each) == key(one)]))],
        } + quiet.muted(one[2])
        for one in std.uniq(std.sort(unlike, key), key)
      ],
  }
