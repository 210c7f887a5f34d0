-- One mechanism for everything that is due: a row with due_at, and a fence that whoever claims it raises.

-- Where the queue of the first release was, its rows are: incidents are due themselves, silences are deliveries.
ALTER TABLE outbox RENAME TO deliveries;
ALTER TABLE steps RENAME TO runs;
ALTER TABLE entries RENAME TO timeline;
ALTER TABLE acks RENAME TO acknowledgements;
ALTER TABLE acts RENAME TO audit;

ALTER TABLE incidents RENAME COLUMN deliveries TO notifications;
ALTER TABLE incidents RENAME COLUMN gave_up_at TO handed_over_at;
ALTER TABLE incidents
    ADD COLUMN due_at timestamptz, -- when to look at it; NULL: when something happens
    ADD COLUMN fence bigint NOT NULL DEFAULT 0, -- raised by each claim: an older claim writes nothing
    ADD COLUMN waits_for text, -- the reason of the last decision
    ADD COLUMN blocked text, -- the kind of what holds its actions back
    ADD COLUMN confirmed boolean NOT NULL DEFAULT false; -- labels and annotations are Prometheus's own
UPDATE incidents SET due_at = clock_timestamp() WHERE closed_at IS NULL;
CREATE INDEX incidents_due ON incidents ((severity <> 'critical'), due_at)
    WHERE closed_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX incidents_next_due ON incidents (due_at) WHERE closed_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX incidents_open ON incidents (bot) WHERE closed_at IS NULL;

ALTER TABLE runs
    ADD COLUMN state text NOT NULL DEFAULT 'ended', -- wanted by a person, running, open (its target is pursued), ended
    ADD COLUMN asked_by text,
    ADD COLUMN expires_at timestamptz, -- of a person's request that nobody has run
    ADD COLUMN target jsonb, -- written before the first order
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN orders integer NOT NULL DEFAULT 0, -- that reached the bot, or may have
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN due_at timestamptz, -- running: the end of its lease; open: when its next attempt is due
    ADD COLUMN fence bigint NOT NULL DEFAULT 0;
ALTER TABLE runs ALTER COLUMN started_at DROP NOT NULL, ALTER COLUMN started_at DROP DEFAULT;
UPDATE runs SET created_at = started_at, attempts = 1,
    orders = CASE WHEN outcome IN ('cannot', 'would_have') THEN 0 ELSE 1 END,
    state = CASE WHEN ended_at IS NULL THEN 'running' ELSE 'ended' END,
    due_at = CASE WHEN ended_at IS NULL THEN clock_timestamp() END;
-- What nobody judged in the first release, nobody can judge any more.
UPDATE runs SET verdict = 'unknown', judged_at = clock_timestamp() WHERE verdict IS NULL AND ended_at IS NOT NULL;
DROP INDEX steps_by_bot;
DROP INDEX steps_by_time;
CREATE INDEX runs_by_bot ON runs (bot, created_at);
CREATE INDEX runs_by_time ON runs (started_at);
CREATE INDEX runs_unfinished ON runs (bot) WHERE verdict IS NULL;

-- A step that quiet hours or a maintenance put off is looked at anew when other settings are in force.
ALTER TABLE escalation_steps ADD COLUMN postponed boolean NOT NULL DEFAULT false;

-- The Idempotency-Keys of people's requests: the same key is the same run, for as long as its incident is kept.
CREATE TABLE run_requests (
    key text PRIMARY KEY,
    run bigint NOT NULL REFERENCES runs ON DELETE CASCADE
);
CREATE INDEX run_requests_by_run ON run_requests (run);

CREATE TABLE health (id boolean PRIMARY KEY DEFAULT true CHECK (id), written_at timestamptz NOT NULL);

DO $$
DECLARE name text;
BEGIN
    IF to_regclass('procrastinate_jobs') IS NOT NULL THEN
        EXECUTE $q$
            INSERT INTO deliveries (channel, address, contact)
            SELECT 'alertmanager', args->>'silence', '' FROM procrastinate_jobs
            WHERE task_name = 'lift_silence' AND status IN ('todo', 'doing')
        $q$;
    END IF;
    FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'procrastinate\_%' LOOP
        EXECUTE format('DROP TABLE %I CASCADE', name);
    END LOOP;
    FOR name IN SELECT oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'procrastinate\_%' LOOP
        EXECUTE 'DROP ROUTINE ' || name || ' CASCADE';
    END LOOP;
    FOR name IN SELECT typname FROM pg_type WHERE typname LIKE 'procrastinate\_%' AND typtype IN ('e', 'c') LOOP
        EXECUTE format('DROP TYPE %I CASCADE', name);
    END LOOP;
END $$;
DROP TABLE IF EXISTS schema_files;

CREATE OR REPLACE FUNCTION is_unanswered(which bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT closed_at IS NULL AND NOT coalesce(
        (SELECT until IS NULL OR until > clock_timestamp() FROM acknowledgements a
         WHERE incident = which ORDER BY a.id DESC LIMIT 1), false)
    FROM incidents WHERE incidents.id = which
$$;
