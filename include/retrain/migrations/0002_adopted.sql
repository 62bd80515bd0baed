-- A version that somebody else has logged, and a person has answered for: what it has trained on may not be known.
ALTER TABLE retrain.candidates
    ALTER COLUMN snapshot DROP NOT NULL,
    ALTER COLUMN run_id DROP NOT NULL,
    ADD COLUMN made_at timestamptz,
    -- Digest of the function and its parameters; those of before have none.
    ADD COLUMN recipe text,
    ADD COLUMN adopted_by text,
    ADD COLUMN adopted_why text,
    ADD CHECK (adopted_by IS NOT NULL OR (snapshot IS NOT NULL AND run_id IS NOT NULL)),
    ADD CHECK (snapshot IS NOT NULL OR made_at IS NOT NULL);
