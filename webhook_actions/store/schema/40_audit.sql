-- Who did what, from where: a line for each act of a person or a token, kept when its incident is gone.

CREATE TABLE IF NOT EXISTS acts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    address text NOT NULL,
    act text NOT NULL, -- acknowledge, snooze, run, pause, resume, release, login
    incident bigint, -- no reference: the audit outlives the incident
    bot text,
    detail text NOT NULL
);
