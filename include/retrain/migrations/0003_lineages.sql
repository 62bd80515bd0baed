-- One way to split a model's rows, for as long as the spec asks for it. The row of the first is the lock of all.
CREATE TABLE retrain.lineages (
    model text NOT NULL REFERENCES retrain.models,
    number int NOT NULL CHECK (number > 0),
    salt bytea NOT NULL,
    -- The spec's split, and the group column.
    split jsonb NOT NULL,
    -- Epochs follow on from the last one of the lineage before, so that (model, epoch) names one holdout.
    after_epoch int NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, number)
);

INSERT INTO retrain.lineages (model, number, salt, split, after_epoch, since)
SELECT model, 1, salt, jsonb_build_object('by', 'hash', 'validation', validation, 'holdout', holdout), 0, created_at
FROM retrain.models;

ALTER TABLE retrain.models DROP COLUMN salt, DROP COLUMN validation, DROP COLUMN holdout;

UPDATE retrain.snapshots SET body = body || '{"lineage": 1}';
