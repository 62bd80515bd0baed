-- Split tests of Staging and Production. A unit's arm follows from the id, by a keyed hash.
CREATE TABLE retrain.splits (
    id text PRIMARY KEY,
    model text NOT NULL REFERENCES retrain.models,
    body jsonb NOT NULL,
    began timestamptz NOT NULL,
    ended jsonb
);
CREATE INDEX ON retrain.splits (model, began);
-- Two tests of a model at once would each be in the other's way.
CREATE UNIQUE INDEX ON retrain.splits (model) WHERE ended IS NULL;

-- The phases of a test's ramp, and the ends that it was given.
CREATE TABLE retrain.split_steps (
    split text NOT NULL REFERENCES retrain.splits,
    place int NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (split, place)
);

-- What a test saw, look by look: it can be computed again from these rows.
CREATE TABLE retrain.split_looks (
    split text NOT NULL REFERENCES retrain.splits,
    place int NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (split, place)
);

-- How long a model's next test would take, as it was asked for last.
CREATE TABLE retrain.split_plans (
    model text PRIMARY KEY,
    body jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- Which units were told which arm over HTTP, for teams without a table of their own. The first time counts.
CREATE TABLE retrain.exposures (
    split text NOT NULL REFERENCES retrain.splits,
    unit text COLLATE "C" NOT NULL,
    arm text NOT NULL CHECK (arm IN ('production', 'staging')),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (split, unit, arm)
);
