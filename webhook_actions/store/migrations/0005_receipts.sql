-- Whether what was sent arrived, and which ways to people fail.

ALTER TABLE deliveries
    ADD COLUMN receipt text, -- what whoever took it knows it by: Twilio's id, Telegram's message, the mail server's answer
    ADD COLUMN ask_at timestamptz, -- when to ask whether it arrived; NULL: nobody is to be asked
    ADD COLUMN arrived text; -- delivered, undelivered, unknown: the last word on that
CREATE INDEX deliveries_to_ask ON deliveries (ask_at) WHERE ask_at IS NOT NULL;

CREATE TABLE outages (
    channel text NOT NULL,
    address text NOT NULL,
    failures integer NOT NULL, -- tries, one after the other
    reason text NOT NULL, -- of the last
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at timestamptz, -- when people were told over their other channels, once for each channel
    PRIMARY KEY (channel, address)
);
