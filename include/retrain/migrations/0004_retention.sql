-- Rows of old snapshots are deleted, and a person's from all of them.
ALTER TABLE retrain.snapshots
    ADD COLUMN dropped_at timestamptz,
    -- With any, what was trained on it can no longer be reproduced.
    ADD COLUMN erased_rows int NOT NULL DEFAULT 0,
    -- Files that hold erased rows and are still to be deleted.
    ADD COLUMN erased_files text[] NOT NULL DEFAULT '{}';
