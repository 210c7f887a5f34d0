-- Until which of its closed trades programs were told of a bot: each trade is told once, whichever engine sees it first.

CREATE TABLE trades_told (
    bot text PRIMARY KEY,
    until double precision NOT NULL -- unix time at which the last of them closed
);
