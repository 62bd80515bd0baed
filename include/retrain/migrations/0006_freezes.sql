-- While one holds, nothing goes forward into Production; a rollback may.
CREATE TABLE retrain.freezes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE, -- of whoever asked for it, who may ask twice
    model text, -- NULL: every model
    why text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    until timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX ON retrain.freezes (until) WHERE ended_at IS NULL;
