-- The tables of the first release. A database of that release has them already: this is applied to an empty one only.

CREATE TABLE incidents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL,
    alert text NOT NULL,
    bot text NOT NULL, -- '' where the alert is not about one bot
    severity text NOT NULL,
    labels jsonb NOT NULL,
    annotations jsonb NOT NULL,
    starts_at timestamptz NOT NULL, -- Alertmanager's, which moves; never part of the identity
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    delivered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deliveries integer NOT NULL DEFAULT 1,
    resolved_at timestamptz, -- Alertmanager said resolved; closed only once a sample shows it
    escalated_at timestamptz,
    gave_up_at timestamptz, -- nothing is left that Nightdesk may try: it waits for a person
    closed_at timestamptz,
    over_at timestamptz, -- when no Prometheus said that it fires, shortly before it was closed on proof
    close_reason text
);

CREATE UNIQUE INDEX incidents_one_open ON incidents (fingerprint) WHERE closed_at IS NULL;
CREATE INDEX incidents_by_fingerprint ON incidents (fingerprint, closed_at);
CREATE INDEX incidents_by_opening ON incidents (opened_at);

-- What was tried. A row without ended_at is an intent whose outcome nobody wrote: the process died in between.
CREATE TABLE steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint NOT NULL REFERENCES incidents ON DELETE CASCADE,
    bot text NOT NULL,
    action text NOT NULL,
    effect text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text,
    detail text,
    verify_until timestamptz,
    verdict text, -- verified, not_verified, unknown (the bot does not say), none (nothing to verify)
    judged_at timestamptz
);

CREATE INDEX steps_by_incident ON steps (incident, id);
CREATE INDEX steps_by_bot ON steps (bot, action, started_at);
CREATE INDEX steps_by_time ON steps (started_at);

-- The timeline: every change of an incident, written in the transaction that makes it.
CREATE TABLE entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint NOT NULL REFERENCES incidents ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    text text NOT NULL
);

CREATE INDEX entries_by_incident ON entries (incident, id);

-- What holds actions back: bots that must not trade until a person says so, and the kill switch.

CREATE TABLE halts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bot text NOT NULL,
    incident bigint, -- the one whose money action halted it; its row may be gone before this one
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    released_by text
);

CREATE UNIQUE INDEX halts_one_open ON halts (bot) WHERE released_at IS NULL;

CREATE TABLE pauses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    paused_by text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    ended_by text
);

CREATE UNIQUE INDEX pauses_one_open ON pauses ((true)) WHERE ended_at IS NULL;

-- People: who is to be told of what and when, who answered; and all that leaves Nightdesk, to people and programs.

CREATE TABLE escalation_steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint NOT NULL REFERENCES incidents ON DELETE CASCADE,
    rule text NOT NULL, -- climb, or one of the special rules of the settings' escalation
    level integer NOT NULL, -- of the climb: 0 at the opening, then the settings' levels, then nobody is left
    round integer NOT NULL DEFAULT 0, -- a snooze that ends begins another
    why text NOT NULL,
    due_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting', -- then taken or cancelled
    UNIQUE (incident, rule, level, round)
);

CREATE INDEX escalation_steps_due ON escalation_steps (due_at) WHERE state = 'waiting';
CREATE INDEX incidents_by_subject ON incidents (alert, bot, opened_at);

-- A row that is 'sending' past its due_at was being sent by a process that died: it is sent again, and counted.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint REFERENCES incidents ON DELETE CASCADE,
    step bigint REFERENCES escalation_steps ON DELETE CASCADE, -- NULL where a program is told, not a person
    contact text NOT NULL DEFAULT '',
    channel text NOT NULL,
    address text NOT NULL,
    body text, -- of what programs are told; words to people are written when they are sent
    state text NOT NULL DEFAULT 'waiting', -- sending, then sent, failed or cancelled
    attempts integer NOT NULL DEFAULT 0,
    interrupted integer NOT NULL DEFAULT 0,
    outcome text,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    UNIQUE (step, channel, address)
);

CREATE INDEX outbox_due ON outbox (due_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX outbox_together ON outbox (channel, address, due_at)
    WHERE state IN ('waiting', 'sending');
CREATE INDEX outbox_by_incident ON outbox (incident);
CREATE INDEX outbox_dead ON outbox (channel, id) WHERE state = 'failed';
CREATE INDEX outbox_by_age ON outbox (written_at) WHERE incident IS NULL;

CREATE TABLE acks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint NOT NULL REFERENCES incidents ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    by text NOT NULL,
    comment text NOT NULL,
    until timestamptz, -- of a snooze
    silence text -- of Alertmanager, lifted when the incident closes
);

CREATE INDEX acks_by_incident ON acks (incident, id);

-- Whether someone still has to be told of an incident: it is open, and its last acknowledgement, if any, has run out.
CREATE FUNCTION is_unanswered(which bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT closed_at IS NULL AND NOT coalesce(
        (SELECT until IS NULL OR until > clock_timestamp() FROM acks
         WHERE incident = which ORDER BY acks.id DESC LIMIT 1), false)
    FROM incidents WHERE incidents.id = which
$$;

-- Who did what, from where: a line for each act of a person or a token, kept when its incident is gone.

CREATE TABLE acts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    address text NOT NULL,
    act text NOT NULL, -- acknowledge, snooze, run, pause, resume, release, login
    incident bigint, -- no reference: the audit outlives the incident
    bot text,
    detail text NOT NULL
);

-- Reports as data: how they are shown is computed from that, whenever they are.

CREATE TABLE reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bot text NOT NULL,
    period text NOT NULL,
    incident bigint, -- that asked for it; no reference: a report outlives it
    content jsonb NOT NULL,
    UNIQUE (incident, bot, period)
);

CREATE INDEX reports_by_age ON reports (made_at);
CREATE INDEX reports_by_bot ON reports (bot, id);
