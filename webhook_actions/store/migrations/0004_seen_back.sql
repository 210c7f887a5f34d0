-- A bot that an action changed is followed until it was seen to do again what it did before, over any verdict.

ALTER TABLE runs ADD COLUMN back_at timestamptz; -- when the bot was seen to do so again
UPDATE runs SET back_at = coalesce(judged_at, ended_at)
WHERE before IS NOT NULL AND (outcome = 'done' OR verdict = 'verified');
