-- What holds actions back: bots that must not trade until a person says so, and the kill switch.

CREATE TABLE IF NOT EXISTS halts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bot text NOT NULL,
    incident bigint, -- the one whose money action halted it; its row may be gone before this one
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    released_by text
);

CREATE UNIQUE INDEX IF NOT EXISTS halts_one_open ON halts (bot) WHERE released_at IS NULL;

CREATE TABLE IF NOT EXISTS pauses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    paused_by text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    ended_by text
);

CREATE UNIQUE INDEX IF NOT EXISTS pauses_one_open ON pauses ((true)) WHERE ended_at IS NULL;
