-- What Nightdesk changes of a bot's state is a row before it is ordered, so that it is undone whatever dies meanwhile.

ALTER TABLE runs ADD COLUMN before text; -- what the bot's trading loop did before the first order: running, paused, stopped

ALTER TABLE halts
    ADD COLUMN astray boolean NOT NULL DEFAULT false, -- it traded though halted, and is not known to be flat again
    ADD COLUMN due_at timestamptz; -- the end of the lease of the engine that makes it flat

CREATE TABLE controls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bot text NOT NULL,
    incident bigint, -- the one whose action stopped the bot's entries; its row may be gone before this one
    reason text NOT NULL,
    before text, -- what the bot's trading loop did before; NULL where it was not known
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    released_by text,
    detail text, -- why it is not undone yet, or how it was
    removed_at timestamptz
);
CREATE UNIQUE INDEX controls_one_open ON controls (bot) WHERE removed_at IS NULL;
INSERT INTO controls (bot, incident, reason, since)
SELECT bot, incident, reason, since FROM halts WHERE released_at IS NULL;
