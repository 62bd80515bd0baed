-- How a version did on the rows of some time that were predicted while it was in Production.
CREATE TABLE retrain.cohorts (
    model text NOT NULL REFERENCES retrain.models,
    begins timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    identity text NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, begins, ends, identity)
);

-- What an alarm saw, look by look: it can be computed again from these rows.
CREATE TABLE retrain.live_looks (
    model text NOT NULL REFERENCES retrain.models,
    scan text NOT NULL CHECK (scan IN ('version', 'anchor')),
    -- Of the version that promised.
    identity text NOT NULL,
    began timestamptz NOT NULL,
    place int NOT NULL,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, scan, identity, began, place)
);

-- When the later rows of each model were looked at last, and what was estimated then of rows without labels.
CREATE TABLE retrain.live_models (
    model text PRIMARY KEY REFERENCES retrain.models,
    looked_at timestamptz NOT NULL DEFAULT now(),
    expected jsonb
);

-- Staging against Production on labels that come later. Its id is that of the verdict which it follows.
CREATE TABLE retrain.trials (
    id text PRIMARY KEY REFERENCES retrain.verdicts (id),
    model text NOT NULL REFERENCES retrain.models,
    body jsonb NOT NULL,
    began timestamptz NOT NULL,
    ended jsonb
);
CREATE INDEX ON retrain.trials (model, began);

CREATE TABLE retrain.trial_looks (
    trial text NOT NULL REFERENCES retrain.trials,
    place int NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (trial, place)
);
