"""What callers say and hear: each module reads a request into checked inputs, and writes outputs in the same words.

rows   the form that a person types (`/predict`), KServe's v1, and MLflow's `/invocations`
v2     Open Inference Protocol v2, with the binary tensor extension
"""
