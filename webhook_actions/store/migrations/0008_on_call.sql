-- Who stands in for whom on call, and when a person first answered an incident or asked for something.

CREATE TABLE overrides (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- of several at one time the last one made counts
    rota text NOT NULL,
    contact text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL, -- one that was taken back before it began ends as it starts
    swap bigint, -- the first override of the swap that this one is a half of
    made_by text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (starts_at <= ends_at)
);

ALTER TABLE incidents ADD COLUMN responded_at timestamptz;
UPDATE incidents SET responded_at = least(
    (SELECT min(at) FROM acknowledgements WHERE incident = incidents.id),
    (SELECT min(created_at) FROM runs WHERE incident = incidents.id AND asked_by IS NOT NULL));
