// Bots with routes of their own: those with a team, which is notified instead of the desk, and those with
// maintenance.
local text = import '../prometheus/text.libsonnet';
local intervals = import 'intervals.libsonnet';

function(settings)
  local quiet = intervals(settings);
  local owned(bot) = std.get(settings.plan.owned, bot, {});
  local usual = quiet.of_bot(null);
  // The bot, or its twin in a drill (stack/drill/scripts.py), escaped for Go's regular expressions within the quotes of
  // a matcher.
  local quoted(name) = '(drill-[0-9]+-of-)?' + text.pattern(name);
  // Pattern, replacing receivers and windows of each owner, as elements of a list: jsonnet evaluates an element once,
  // a field at each use.
  local special = [
    [quoted(name), owned(name), quiet.of_bot(name)]
    for name in std.objectFields(settings.bots)
    if owned(name) != {} || quiet.of_bot(name) != usual
  ];
  {
    // Child routes of a route to `receiver`: a team's bots go to the team's receiver instead, with the bots' mute
    // times and `held`.
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
