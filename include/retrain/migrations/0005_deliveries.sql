-- One announcement and one channel. In `outbox`, delivered_at says now that every channel of the spec is done with it.
CREATE TABLE retrain.deliveries (
    key text NOT NULL REFERENCES retrain.outbox (key) ON DELETE CASCADE,
    channel text NOT NULL,
    attempts integer NOT NULL,
    next_at timestamptz,
    said text,
    outcome text CHECK (outcome IN ('delivered', 'unwanted', 'dead')),
    ended_at timestamptz,
    PRIMARY KEY (key, channel),
    CHECK ((outcome IS NULL) = (ended_at IS NULL))
);
