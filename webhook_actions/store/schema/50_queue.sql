-- Beside Procrastinate's own indexes. In a storm thousands of jobs wait, and whether one before has its lock is asked
-- of each: without this index taking a job of 8,000 took 16 to 65 ms, with it 0.7 ms.
CREATE INDEX IF NOT EXISTS jobs_by_lock ON procrastinate_jobs (lock, priority DESC, id)
    WHERE status IN ('todo', 'doing');
