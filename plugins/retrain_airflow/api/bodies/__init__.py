"""Bodies of requests and responses: the contract that the OpenAPI document shows.

A value of the core whose fields and rules are the same is served as it is (`retrain.tracker.entities`,
`retrain.records`). A body of its own bounds what a caller may send, or leaves out what a caller does not need.
"""
