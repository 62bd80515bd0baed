-- What is wrong with a model, from when it was first seen until it is over. Told when it begins and when it ends; when it
-- is seen again, told ever more rarely.
CREATE TABLE retrain.faults (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model text NOT NULL,
    name text NOT NULL,
    body jsonb NOT NULL, -- the incident as it was last seen
    last_key text NOT NULL, -- of whoever saw it last, who may say so twice
    times bigint NOT NULL DEFAULT 1,
    told_times bigint NOT NULL DEFAULT 0, -- how often it had been seen when it was last told
    since timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX ON retrain.faults (model, name) WHERE ended_at IS NULL;
