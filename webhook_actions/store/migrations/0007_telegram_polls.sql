-- Which engine asks Telegram for pressed buttons, and what was taken: each press is acted on once, by one engine.

CREATE TABLE telegram_polls (
    bot text PRIMARY KEY, -- its number, the first part of its token
    poller text, -- the engine that asks
    lease_ends timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_at timestamptz, -- when Telegram last answered: a press before that is not waiting any more
    next_update bigint, -- from which update on nothing was taken
    updated_at timestamptz -- when the last one was taken
);

-- By which a press or a key finds what its message told of.
CREATE INDEX deliveries_by_receipt ON deliveries (receipt) WHERE receipt IS NOT NULL;
