// The time intervals of alertmanager.yml: when info is sent to people, when warnings wait, and when maintenance keeps
// everyone quiet.
local weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
local next(day) = weekdays[(std.find(day, weekdays)[0] + 1) % std.length(weekdays)];
local midnight = '24:00';

function(settings)
  local within(from, to, days, date=null) =
    { times: [{ start_time: from, end_time: to }], location: settings.timezone } +
    (if days == [] then {} else { weekdays: days }) +
    (if date == null then {} else
       local part = std.split(date, '-');
       { years: [part[0]], months: [std.toString(std.parseInt(part[1]))], days_of_month: [std.toString(std.parseInt(part[2]))] });

  // Alertmanager knows no hours past midnight, so they become hours of the next day.
  local window(one) =
    if one.from < one.to then [within(one.from, one.to, one.weekdays, one.date)]
    else
      [within(one.from, midnight, one.weekdays)] +
      (if one.to == '00:00' then [] else [within('00:00', one.to, [next(day) for day in one.weekdays])]);

  local hours = settings.routing.info_hours;
  local night = settings.escalation.quiet_hours;
  local windows = settings.routing.maintenance;
  {
    local name(index) = 'maintenance-%d' % (index + 1),

    // The names of the intervals that hold back a severity.
    of_severity(severity):: if std.member(settings.plan.put_off, severity) then ['quiet'] else [],

    // The names of the maintenance windows of these bots: of one bot, or (without bots) of alerts without a bot.
    of_bot(bot):: [
      name(index)
      for index in std.range(0, std.length(windows) - 1)
      if windows[index].bots == [] || std.member(windows[index].bots, bot)
    ],

    info:: if hours == null then {} else { active_time_intervals: ['info'] },
    muted(names):: if names == [] then {} else { mute_time_intervals: names },

    all:
      (if hours == null then [] else [{ name: 'info', time_intervals: [within(hours.from, hours.to, [])] }]) +
      (if night == null then [] else [{ name: 'quiet', time_intervals: window(night { weekdays: [], date: null }) }]) +
      [
        { name: name(index), time_intervals: window(windows[index]) }
        for index in std.range(0, std.length(windows) - 1)
      ],
  }
