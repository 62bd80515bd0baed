-- What a step is about to create in MLflow, and what it created. The row lock keeps a step and its own ghost apart.
CREATE TABLE retrain.claims (
    key text PRIMARY KEY,
    made text,
    claimed_at timestamptz NOT NULL DEFAULT now()
);

-- Fixed at a model's first snapshot, for ever; its row lock makes changes of Production one at a time.
CREATE TABLE retrain.models (
    model text PRIMARY KEY,
    salt bytea NOT NULL,
    validation float8 NOT NULL,
    holdout float8 NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE retrain.snapshots (
    model text NOT NULL REFERENCES retrain.models,
    id text NOT NULL,
    body jsonb NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, id)
);

-- One row for each model file that we logged: the digest that it must still have when it is loaded.
CREATE TABLE retrain.candidates (
    uri text PRIMARY KEY,
    digest text NOT NULL,
    model text NOT NULL,
    name text NOT NULL,
    snapshot text NOT NULL,
    run_id text NOT NULL,
    sides text[] NOT NULL,
    version text,
    logged_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model, version),
    FOREIGN KEY (model, snapshot) REFERENCES retrain.snapshots
);

CREATE TABLE retrain.epochs (
    model text NOT NULL REFERENCES retrain.models,
    epoch int NOT NULL,
    snapshot text NOT NULL,
    tests_spent int NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, epoch),
    FOREIGN KEY (model, snapshot) REFERENCES retrain.snapshots
);

CREATE TABLE retrain.verdicts (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    model text NOT NULL,
    snapshot text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('PROMOTE', 'HOLD', 'INCONCLUSIVE')),
    dry_run boolean NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (model, snapshot) REFERENCES retrain.snapshots
);
-- The last consumed snapshot is that of the last verdict which was not a dry run.
CREATE INDEX ON retrain.verdicts (model, seq DESC) WHERE NOT dry_run;

CREATE TABLE retrain.promotions (
    model text NOT NULL REFERENCES retrain.models,
    seq int NOT NULL CHECK (seq > 0),
    from_version text,
    to_version text,
    -- A rollback undoes the forward row that put a version into Production.
    kind text NOT NULL CHECK (kind IN ('forward', 'rollback', 'by_hand')),
    verdict text UNIQUE REFERENCES retrain.verdicts (id),
    by text NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,
    superseded_at timestamptz,
    PRIMARY KEY (model, seq),
    CHECK (applied_at IS NULL OR superseded_at IS NULL)
);
-- At most one promotion of a model is under way.
CREATE UNIQUE INDEX ON retrain.promotions (model) WHERE applied_at IS NULL AND superseded_at IS NULL;

CREATE TABLE retrain.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    model text NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE INDEX ON retrain.outbox (model, seq) WHERE delivered_at IS NULL;
