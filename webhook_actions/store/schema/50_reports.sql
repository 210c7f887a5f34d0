-- Reports as data: how they are shown is computed from that, whenever they are.

CREATE TABLE IF NOT EXISTS reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bot text NOT NULL,
    period text NOT NULL,
    incident bigint, -- that asked for it; no reference: a report outlives it
    content jsonb NOT NULL,
    UNIQUE (incident, bot, period)
);

CREATE INDEX IF NOT EXISTS reports_by_age ON reports (made_at);
CREATE INDEX IF NOT EXISTS reports_by_bot ON reports (bot, id);
