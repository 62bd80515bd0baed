-- What a step is about to create in MLflow, and what it created. The row lock keeps a step and its own ghost apart.
CREATE TABLE retrain.claims (
    key text PRIMARY KEY,
    made text,
    claimed_at timestamptz NOT NULL DEFAULT now()
);

-- The lock of a row makes changes of Production one at a time.
CREATE TABLE retrain.models (
    model text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One way to split a model's rows, for as long as the spec asks for it. The row of version 1 is the lock for all.
CREATE TABLE retrain.split_versions (
    model text NOT NULL REFERENCES retrain.models,
    number int NOT NULL CHECK (number > 0),
    salt bytea NOT NULL,
    -- The spec's split, and the group column.
    split jsonb NOT NULL,
    -- Holdout rounds follow on from the last one of the split version before: (model, holdout_round) names one holdout.
    after_round int NOT NULL,
    -- Their values are a row's content.
    columns text[] NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, number)
);

CREATE TABLE retrain.snapshots (
    model text NOT NULL REFERENCES retrain.models,
    id text NOT NULL,
    body jsonb NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT now(),
    -- When its file was deleted, as old ones are.
    dropped_at timestamptz,
    -- With any, what was trained on it can no longer be reproduced.
    erased_rows int NOT NULL DEFAULT 0,
    -- Files that hold erased rows and are still to be deleted.
    erased_files text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (model, id)
);

-- One row for each model file that we logged, or that a person adopted: the digest that it must have when it is loaded.
CREATE TABLE retrain.model_files (
    uri text NOT NULL,
    -- What its version is known by beside the number: MLflow gives the numbers of a deleted model anew.
    identity text NOT NULL,
    digest text NOT NULL,
    model text NOT NULL,
    name text NOT NULL,
    -- NULL: its training rows are not known.
    snapshot text,
    run_id text,
    subsets text[] NOT NULL,
    version text,
    logged_at timestamptz NOT NULL DEFAULT now(),
    made_at timestamptz,
    -- Digest of the function and its parameters.
    recipe text,
    adopted_by text,
    adopted_why text,
    -- Name of the interpreter that loads it, of those that the installation lists; NULL: that of the task.
    python text,
    -- The spec that it was fitted by: `retrain reproduce` fits by it again. NULL: adopted.
    spec jsonb,
    PRIMARY KEY (uri, identity),
    UNIQUE (model, version, identity),
    FOREIGN KEY (model, snapshot) REFERENCES retrain.snapshots,
    CHECK (adopted_by IS NOT NULL OR (snapshot IS NOT NULL AND run_id IS NOT NULL)),
    CHECK (snapshot IS NOT NULL OR made_at IS NOT NULL)
);

-- What looks like Production in MLflow, and of which a person has said that it is not.
CREATE TABLE retrain.dismissals (
    model text NOT NULL,
    identity text NOT NULL,
    -- Its stage and aliases at that time: with others it is found anew.
    standing text NOT NULL,
    by text NOT NULL,
    why text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, identity, standing)
);

CREATE TABLE retrain.holdout_rounds (
    model text NOT NULL REFERENCES retrain.models,
    holdout_round int NOT NULL,
    snapshot text NOT NULL,
    tests_spent int NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, holdout_round),
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
    from_identity text,
    to_version text,
    to_identity text,
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

-- While one holds, nothing goes forward into Production; a rollback may.
CREATE TABLE retrain.freezes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE, -- of the call, which may be repeated
    model text, -- NULL: every model
    why text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    until timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX ON retrain.freezes (until) WHERE ended_at IS NULL;

-- What is wrong with a model, from when it was first seen until it is over. It is announced when it begins and when it
-- ends; in between, ever more rarely while it is seen again.
CREATE TABLE retrain.faults (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    name text NOT NULL,
    body jsonb NOT NULL, -- the incident as it was last seen
    last_key text NOT NULL, -- of the caller that saw it last: it may report it twice
    times bigint NOT NULL DEFAULT 1,
    announced_times bigint NOT NULL DEFAULT 0, -- how often it had been seen when it was last announced
    since timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX ON retrain.faults (model, name) WHERE ended_at IS NULL;

-- Announcements to the team. delivered_at: when every channel of the spec was done with it.
CREATE TABLE retrain.outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    model text NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz
);
CREATE INDEX ON retrain.outbox (model, seq) WHERE delivered_at IS NULL;

-- One announcement and one channel.
CREATE TABLE retrain.deliveries (
    key text NOT NULL REFERENCES retrain.outbox (key) ON DELETE CASCADE,
    channel text NOT NULL,
    attempts integer NOT NULL,
    next_at timestamptz,
    response text, -- of the channel, where it refused
    outcome text CHECK (outcome IN ('delivered', 'unwanted', 'dead')),
    ended_at timestamptz,
    PRIMARY KEY (key, channel),
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
);
