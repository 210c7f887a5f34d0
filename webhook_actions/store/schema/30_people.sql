-- People: who is to be told of what and when, who answered; and all that leaves Nightdesk, to people and programs.

CREATE TABLE IF NOT EXISTS escalation_steps (
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

CREATE INDEX IF NOT EXISTS escalation_steps_due ON escalation_steps (due_at) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS incidents_by_subject ON incidents (alert, bot, opened_at);

-- A row that is 'sending' past its due_at was being sent by a process that died: it is sent again, and counted.
CREATE TABLE IF NOT EXISTS outbox (
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

CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due_at) WHERE state IN ('waiting', 'sending');
CREATE INDEX IF NOT EXISTS outbox_together ON outbox (channel, address, due_at)
    WHERE state IN ('waiting', 'sending');
CREATE INDEX IF NOT EXISTS outbox_by_incident ON outbox (incident);
CREATE INDEX IF NOT EXISTS outbox_dead ON outbox (channel, id) WHERE state = 'failed';
CREATE INDEX IF NOT EXISTS outbox_by_age ON outbox (written_at) WHERE incident IS NULL;

CREATE TABLE IF NOT EXISTS acks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint NOT NULL REFERENCES incidents ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    by text NOT NULL,
    comment text NOT NULL,
    until timestamptz, -- of a snooze
    silence text -- of Alertmanager, lifted when the incident closes
);

CREATE INDEX IF NOT EXISTS acks_by_incident ON acks (incident, id);

-- Whether someone still has to be told of an incident: it is open, and its last acknowledgement, if any, has run out.
CREATE OR REPLACE FUNCTION is_unanswered(which bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT closed_at IS NULL AND NOT coalesce(
        (SELECT until IS NULL OR until > clock_timestamp() FROM acks
         WHERE incident = which ORDER BY acks.id DESC LIMIT 1), false)
    FROM incidents WHERE incidents.id = which
$$;
