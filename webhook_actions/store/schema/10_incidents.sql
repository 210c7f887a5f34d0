-- The engine's own tables, beside Procrastinate's; applied when it changes, so each statement may run again.

CREATE TABLE IF NOT EXISTS incidents (
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

CREATE UNIQUE INDEX IF NOT EXISTS incidents_one_open ON incidents (fingerprint) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS incidents_by_fingerprint ON incidents (fingerprint, closed_at);
CREATE INDEX IF NOT EXISTS incidents_by_opening ON incidents (opened_at);

-- What was tried. A row without ended_at is an intent whose outcome nobody wrote: the process died in between.
CREATE TABLE IF NOT EXISTS steps (
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

CREATE INDEX IF NOT EXISTS steps_by_incident ON steps (incident, id);
CREATE INDEX IF NOT EXISTS steps_by_bot ON steps (bot, action, started_at);
CREATE INDEX IF NOT EXISTS steps_by_time ON steps (started_at);

-- The timeline: every change of an incident, written in the transaction that makes it.
CREATE TABLE IF NOT EXISTS entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident bigint NOT NULL REFERENCES incidents ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    text text NOT NULL
);

CREATE INDEX IF NOT EXISTS entries_by_incident ON entries (incident, id);
