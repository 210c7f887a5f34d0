// The bots that are not like the others: those with a team of their own, and those with hours of maintenance.
local intervals = import 'intervals.libsonnet';

function(settings)
  local quiet = intervals(settings);
  local team(bot) = std.get(bot, 'team');
  local special = [
    { bot: name, team: team(settings.bots[name]), muted: quiet.of_bot(name) }
    for name in std.objectFields(settings.bots)
    if team(settings.bots[name]) != null || quiet.of_bot(name) != quiet.of_bot(null)
  ];
  // As Go's regular expressions read it, within the quotes of a matcher.
  local quoted(name) = std.join('', [
    (if std.member('\\.+*?()|[]{}^$', char) then '\\' else '') + char
    for char in std.stringChars(name)
  ]);
  {
    teams: std.set([one.team for one in special if one.team != null]),

    // Routes below one to `receiver`: to a team's own receiver where `receivers` holds one, muted as its bots are.
    routes(receiver, receivers)::
      local of_team(team) =
        local own = '%s-of-%s' % [receiver, team];
        if std.member(receivers, own) then own else receiver;
      local here = [one { receiver: of_team(one.team) } for one in special];
      local unlike = [one for one in here if one.receiver != receiver || one.muted != quiet.of_bot(null)];
      local key(one) = std.manifestJsonMinified([one.receiver, one.muted]);
      [
        {
          receiver: one.receiver,
          matchers: ['bot=~%s' % std.escapeStringJson(std.join('|', [quoted(each.bot) for each in unlike if key(each) == key(one)]))],
        } + quiet.muted(one.muted)
        for one in std.uniq(std.sort(unlike, key), key)
      ],
  }
