-- $serial, $reference, $double and $binary are types of the database at hand (0001_first_release.py).

CREATE TABLE actors (
    id $serial NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    display_name TEXT DEFAULT '' NOT NULL,
    email TEXT,
    password_hash TEXT,
    is_admin INTEGER DEFAULT '0' NOT NULL,
    default_namespace TEXT,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    is_auditor INTEGER DEFAULT '0' NOT NULL,
    made_by $reference,
    CONSTRAINT pk_actors PRIMARY KEY (id),
    CONSTRAINT uq_actors_name UNIQUE (name)
);

CREATE TABLE blob_facts (
    digest TEXT NOT NULL,
    reader TEXT NOT NULL,
    facts TEXT NOT NULL,
    CONSTRAINT pk_blob_facts PRIMARY KEY (digest, reader)
);

CREATE TABLE blobs (
    digest TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    state TEXT NOT NULL,
    layout INTEGER DEFAULT '1' NOT NULL,
    created_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    scan TEXT,
    scan_rules INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_blobs PRIMARY KEY (digest)
);
CREATE INDEX ix_blobs_scan_rules ON blobs (scan_rules);
CREATE INDEX ix_blobs_state_touched_at ON blobs (state, touched_at);

CREATE TABLE effective_policies (
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_effective_policies PRIMARY KEY (digest)
);

CREATE TABLE event_head (
    id INTEGER NOT NULL,
    size BIGINT NOT NULL,
    peaks TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_event_head PRIMARY KEY (id)
);

CREATE TABLE event_nodes (
    place $reference NOT NULL,
    hash $binary NOT NULL,
    CONSTRAINT pk_event_nodes PRIMARY KEY (place)
);

CREATE TABLE events (
    seq $reference NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor_id $reference NOT NULL,
    actor TEXT NOT NULL,
    namespace TEXT,
    model_id $reference DEFAULT '0' NOT NULL,
    version BIGINT,
    body TEXT NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (seq)
);
CREATE INDEX ix_events_actor_id_seq ON events (actor_id, seq);
CREATE INDEX ix_events_kind_seq ON events (kind, seq);
CREATE INDEX ix_events_model_id_seq ON events (model_id, seq);

CREATE TABLE idempotency_keys (
    actor_id $reference NOT NULL,
    token_id $reference NOT NULL,
    "key" TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (actor_id, token_id, "key")
);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);

CREATE TABLE jobs (
    id $serial NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    "key" TEXT,
    namespace TEXT,
    share TEXT DEFAULT '' NOT NULL,
    priority INTEGER DEFAULT '0' NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER DEFAULT '0' NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    max_failures INTEGER,
    due_at BIGINT NOT NULL,
    leased_until BIGINT,
    holder TEXT,
    progress FLOAT DEFAULT '0' NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    cancel_asked INTEGER DEFAULT '0' NOT NULL,
    failure TEXT,
    result TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    CONSTRAINT pk_jobs PRIMARY KEY (id)
);
CREATE INDEX ix_jobs_finished_at ON jobs (finished_at);
CREATE INDEX ix_jobs_last_turn ON jobs (share, kind, started_at) WHERE started_at IS NOT NULL;
CREATE UNIQUE INDEX ix_jobs_open_key ON jobs ("key", kind) WHERE state IN ('waiting', 'running');
CREATE INDEX ix_jobs_turns ON jobs (kind, state, share, priority, due_at, id);

CREATE TABLE lineage_edges (
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    relation TEXT NOT NULL,
    details TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_lineage_edges PRIMARY KEY (source, target, relation)
);
CREATE INDEX ix_lineage_edges_target_source ON lineage_edges (target, source);

CREATE TABLE manifests (
    id $serial NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    file_count INTEGER NOT NULL,
    format_facts TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    scan TEXT DEFAULT 'pending' NOT NULL,
    withheld INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_manifests PRIMARY KEY (id),
    CONSTRAINT uq_manifests_digest UNIQUE (digest)
);
CREATE INDEX ix_manifests_scan_id ON manifests (scan, id);

CREATE TABLE server_facts (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_server_facts PRIMARY KEY ("key")
);

CREATE TABLE used_id_tokens (
    issuer TEXT NOT NULL,
    token TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_used_id_tokens PRIMARY KEY (issuer, token)
);
CREATE INDEX ix_used_id_tokens_expires_at ON used_id_tokens (expires_at);

CREATE TABLE blob_senders (
    digest TEXT NOT NULL,
    actor_id $reference NOT NULL,
    scope TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    CONSTRAINT pk_blob_senders PRIMARY KEY (digest, actor_id, scope),
    CONSTRAINT fk_blob_senders_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id)
);

CREATE TABLE group_members (
    group_id $reference NOT NULL,
    actor_id $reference NOT NULL,
    CONSTRAINT pk_group_members PRIMARY KEY (group_id, actor_id),
    CONSTRAINT fk_group_members_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_group_members_group_id FOREIGN KEY(group_id) REFERENCES actors (id)
);
CREATE INDEX ix_group_members_actor_id ON group_members (actor_id);

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    actor_id $reference NOT NULL,
    created_at BIGINT NOT NULL,
    last_sign_in_at BIGINT NOT NULL,
    CONSTRAINT pk_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_identities_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id)
);
CREATE INDEX ix_identities_actor_id ON identities (actor_id);

CREATE TABLE manifest_files (
    manifest_id $reference NOT NULL,
    position INTEGER NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    CONSTRAINT pk_manifest_files PRIMARY KEY (manifest_id, position),
    CONSTRAINT fk_manifest_files_manifest_id FOREIGN KEY(manifest_id) REFERENCES manifests (id)
);
CREATE INDEX ix_manifest_files_digest ON manifest_files (digest);

CREATE TABLE namespaces (
    id $serial NOT NULL,
    name TEXT NOT NULL,
    display_name TEXT DEFAULT '' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    visibility TEXT NOT NULL,
    naming_pattern TEXT,
    reserved_names TEXT,
    revision INTEGER DEFAULT '1' NOT NULL,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    protected_aliases TEXT,
    serve_unknown INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_namespaces PRIMARY KEY (id),
    CONSTRAINT fk_namespaces_created_by FOREIGN KEY(created_by) REFERENCES actors (id),
    CONSTRAINT uq_namespaces_name UNIQUE (name)
);

CREATE TABLE notifications (
    id $serial NOT NULL,
    actor_id $reference NOT NULL,
    seq BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    read_at BIGINT,
    CONSTRAINT pk_notifications PRIMARY KEY (id),
    CONSTRAINT fk_notifications_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT uq_notifications_actor_id_seq UNIQUE (actor_id, seq)
);

CREATE TABLE sessions (
    hash TEXT NOT NULL,
    actor_id $reference NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (hash),
    CONSTRAINT fk_sessions_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id)
);
CREATE INDEX ix_sessions_actor_id ON sessions (actor_id);

CREATE TABLE sign_in_links (
    hash TEXT NOT NULL,
    actor_id $reference NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    CONSTRAINT pk_sign_in_links PRIMARY KEY (hash),
    CONSTRAINT fk_sign_in_links_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id)
);

CREATE TABLE subscriptions (
    id $serial NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    namespace TEXT,
    model_id $reference DEFAULT '0' NOT NULL,
    event_kinds TEXT,
    stages TEXT,
    secret TEXT,
    former_secret TEXT,
    former_secret_until BIGINT,
    state TEXT NOT NULL,
    state_reason TEXT DEFAULT '' NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    paused_until BIGINT,
    next_seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    CONSTRAINT pk_subscriptions PRIMARY KEY (id),
    CONSTRAINT fk_subscriptions_created_by FOREIGN KEY(created_by) REFERENCES actors (id)
);
CREATE INDEX ix_subscriptions_namespace ON subscriptions (namespace);

CREATE TABLE tokens (
    id $serial NOT NULL,
    hash TEXT NOT NULL,
    actor_id $reference NOT NULL,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    permissions TEXT,
    namespace TEXT,
    model TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    revoked_at BIGINT,
    origin TEXT DEFAULT 'unknown' NOT NULL,
    made_with $reference,
    CONSTRAINT pk_tokens PRIMARY KEY (id),
    CONSTRAINT fk_tokens_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT uq_tokens_hash UNIQUE (hash)
);
CREATE INDEX ix_tokens_actor_id ON tokens (actor_id);
CREATE INDEX ix_tokens_made_with ON tokens (made_with);

CREATE TABLE uploads (
    id TEXT NOT NULL,
    actor_id $reference NOT NULL,
    digest TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    scope TEXT DEFAULT '' NOT NULL,
    CONSTRAINT pk_uploads PRIMARY KEY (id),
    CONSTRAINT fk_uploads_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id)
);
CREATE INDEX ix_uploads_digest ON uploads (digest);

CREATE TABLE withheld_bytes (
    digest TEXT NOT NULL,
    namespace TEXT NOT NULL,
    holder TEXT NOT NULL,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    CONSTRAINT pk_withheld_bytes PRIMARY KEY (digest),
    CONSTRAINT fk_withheld_bytes_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id)
);
CREATE INDEX ix_withheld_bytes_namespace ON withheld_bytes (namespace);

CREATE TABLE datasets (
    id $serial NOT NULL,
    namespace_id $reference NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_datasets PRIMARY KEY (id),
    CONSTRAINT fk_datasets_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id),
    CONSTRAINT uq_datasets_namespace_id_name UNIQUE (namespace_id, name)
);

CREATE TABLE deliveries (
    id $serial NOT NULL,
    subscription_id $reference NOT NULL,
    seq BIGINT NOT NULL,
    lane $reference NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    due_at BIGINT NOT NULL,
    status INTEGER,
    error TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    CONSTRAINT pk_deliveries PRIMARY KEY (id),
    CONSTRAINT fk_deliveries_subscription_id FOREIGN KEY(subscription_id) REFERENCES subscriptions (id),
    CONSTRAINT uq_deliveries_subscription_id_seq UNIQUE (subscription_id, seq)
);
CREATE INDEX ix_deliveries_state_due_at ON deliveries (state, due_at);
CREATE INDEX ix_deliveries_subscription_id_lane_state_seq ON deliveries (subscription_id, lane, state, seq);

CREATE TABLE experiments (
    id $serial NOT NULL,
    namespace_id $reference NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    updated_at BIGINT NOT NULL,
    run_count BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_experiments PRIMARY KEY (id),
    CONSTRAINT fk_experiments_created_by FOREIGN KEY(created_by) REFERENCES actors (id),
    CONSTRAINT fk_experiments_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id),
    CONSTRAINT uq_experiments_namespace_id_name UNIQUE (namespace_id, name)
);

CREATE TABLE grants (
    id $serial NOT NULL,
    actor_id $reference NOT NULL,
    namespace_id $reference NOT NULL,
    model_id $reference DEFAULT '0' NOT NULL,
    role INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_grants PRIMARY KEY (id),
    CONSTRAINT fk_grants_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_grants_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id),
    CONSTRAINT uq_grants_actor_id_namespace_id_model_id UNIQUE (actor_id, namespace_id, model_id)
);
CREATE INDEX ix_grants_namespace_id_model_id ON grants (namespace_id, model_id);

CREATE TABLE models (
    id $serial NOT NULL,
    namespace_id $reference NOT NULL,
    name TEXT NOT NULL,
    display_name TEXT DEFAULT '' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    visibility TEXT NOT NULL,
    next_version BIGINT DEFAULT '1' NOT NULL,
    newest_version BIGINT,
    version_count BIGINT DEFAULT '0' NOT NULL,
    framework TEXT,
    licence TEXT,
    task TEXT,
    card_text TEXT DEFAULT '' NOT NULL,
    revision INTEGER DEFAULT '1' NOT NULL,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    updated_at BIGINT NOT NULL,
    archived_at BIGINT,
    deleted_at BIGINT,
    protected_aliases TEXT,
    CONSTRAINT pk_models PRIMARY KEY (id),
    CONSTRAINT fk_models_created_by FOREIGN KEY(created_by) REFERENCES actors (id),
    CONSTRAINT fk_models_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id),
    CONSTRAINT uq_models_namespace_id_name UNIQUE (namespace_id, name)
);
CREATE INDEX ix_models_framework ON models (framework);
CREATE INDEX ix_models_updated_at_id ON models (updated_at, id);

CREATE TABLE policies (
    id $serial NOT NULL,
    namespace_id $reference NOT NULL,
    model_id $reference DEFAULT '0' NOT NULL,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    text TEXT NOT NULL,
    reason TEXT,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    weakened TEXT,
    CONSTRAINT pk_policies PRIMARY KEY (id),
    CONSTRAINT fk_policies_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_policies_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id),
    CONSTRAINT uq_policies_namespace_id_model_id_number UNIQUE (namespace_id, model_id, number)
);

CREATE TABLE scan_trusts (
    namespace_id $reference NOT NULL,
    name TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    alone INTEGER DEFAULT '0' NOT NULL,
    confirmed_by $reference,
    CONSTRAINT pk_scan_trusts PRIMARY KEY (namespace_id, name),
    CONSTRAINT fk_scan_trusts_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_scan_trusts_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id)
);

CREATE TABLE trusted_publishers (
    id $serial NOT NULL,
    namespace_id $reference NOT NULL,
    model TEXT,
    kind TEXT NOT NULL,
    issuer TEXT NOT NULL,
    claims TEXT NOT NULL,
    role INTEGER NOT NULL,
    actor_id $reference NOT NULL,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    CONSTRAINT pk_trusted_publishers PRIMARY KEY (id),
    CONSTRAINT fk_trusted_publishers_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_trusted_publishers_created_by FOREIGN KEY(created_by) REFERENCES actors (id),
    CONSTRAINT fk_trusted_publishers_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id)
);
CREATE INDEX ix_trusted_publishers_issuer ON trusted_publishers (issuer);
CREATE INDEX ix_trusted_publishers_namespace_id ON trusted_publishers (namespace_id);

CREATE TABLE alias_moves (
    model_id $reference NOT NULL,
    alias TEXT NOT NULL,
    revision INTEGER NOT NULL,
    from_number BIGINT,
    to_number BIGINT,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    reason TEXT,
    CONSTRAINT pk_alias_moves PRIMARY KEY (model_id, alias, revision),
    CONSTRAINT fk_alias_moves_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_alias_moves_model_id FOREIGN KEY(model_id) REFERENCES models (id)
);

CREATE TABLE dataset_versions (
    id $serial NOT NULL,
    dataset_id $reference NOT NULL,
    digest TEXT NOT NULL,
    entry TEXT NOT NULL,
    profile TEXT,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    CONSTRAINT pk_dataset_versions PRIMARY KEY (id),
    CONSTRAINT fk_dataset_versions_created_by FOREIGN KEY(created_by) REFERENCES actors (id),
    CONSTRAINT fk_dataset_versions_dataset_id FOREIGN KEY(dataset_id) REFERENCES datasets (id),
    CONSTRAINT uq_dataset_versions_dataset_id_digest UNIQUE (dataset_id, digest)
);
CREATE INDEX ix_dataset_versions_digest ON dataset_versions (digest);
CREATE INDEX ix_dataset_versions_profile ON dataset_versions (profile);

CREATE TABLE model_owners (
    model_id $reference NOT NULL,
    owner TEXT NOT NULL,
    CONSTRAINT pk_model_owners PRIMARY KEY (model_id, owner),
    CONSTRAINT fk_model_owners_model_id FOREIGN KEY(model_id) REFERENCES models (id)
);
CREATE INDEX ix_model_owners_owner ON model_owners (owner);

CREATE TABLE model_redirects (
    namespace_id $reference NOT NULL,
    name TEXT NOT NULL,
    model_id $reference NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_model_redirects PRIMARY KEY (namespace_id, name),
    CONSTRAINT fk_model_redirects_model_id FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT fk_model_redirects_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id)
);
CREATE INDEX ix_model_redirects_model_id ON model_redirects (model_id);

CREATE TABLE model_tags (
    model_id $reference NOT NULL,
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_model_tags PRIMARY KEY (model_id, "key"),
    CONSTRAINT fk_model_tags_model_id FOREIGN KEY(model_id) REFERENCES models (id)
);
CREATE INDEX ix_model_tags_key_value ON model_tags ("key", value);

CREATE TABLE runs (
    id $serial NOT NULL,
    uid TEXT NOT NULL,
    namespace_id $reference NOT NULL,
    experiment_id $reference NOT NULL,
    name TEXT NOT NULL,
    parent TEXT,
    status TEXT NOT NULL,
    exit_code INTEGER,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    heard_at BIGINT NOT NULL,
    clock_skew BIGINT DEFAULT '0' NOT NULL,
    facts TEXT DEFAULT '{}' NOT NULL,
    notes TEXT DEFAULT '[]' NOT NULL,
    log_bytes BIGINT DEFAULT '0' NOT NULL,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    CONSTRAINT pk_runs PRIMARY KEY (id),
    CONSTRAINT fk_runs_created_by FOREIGN KEY(created_by) REFERENCES actors (id),
    CONSTRAINT fk_runs_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id),
    CONSTRAINT fk_runs_namespace_id FOREIGN KEY(namespace_id) REFERENCES namespaces (id),
    CONSTRAINT uq_runs_uid UNIQUE (uid)
);
CREATE INDEX ix_runs_experiment_id_id ON runs (experiment_id, id);
CREATE INDEX ix_runs_namespace_id_id ON runs (namespace_id, id);
CREATE INDEX ix_runs_parent ON runs (parent);

CREATE TABLE versions (
    id $serial NOT NULL,
    model_id $reference NOT NULL,
    number BIGINT NOT NULL,
    manifest_id $reference NOT NULL,
    digest TEXT NOT NULL,
    record_digest TEXT NOT NULL,
    record TEXT NOT NULL,
    state TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    revision INTEGER DEFAULT '1' NOT NULL,
    created_at BIGINT NOT NULL,
    created_by $reference NOT NULL,
    updated_at BIGINT NOT NULL,
    deprecation TEXT,
    quarantined INTEGER DEFAULT '0' NOT NULL,
    released TEXT,
    recall TEXT,
    CONSTRAINT pk_versions PRIMARY KEY (id),
    CONSTRAINT fk_versions_created_by FOREIGN KEY(created_by) REFERENCES actors (id),
    CONSTRAINT fk_versions_manifest_id FOREIGN KEY(manifest_id) REFERENCES manifests (id),
    CONSTRAINT fk_versions_model_id FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT uq_versions_model_id_number UNIQUE (model_id, number)
);
CREATE INDEX ix_versions_digest ON versions (digest);
CREATE INDEX ix_versions_manifest_id ON versions (manifest_id);
CREATE INDEX ix_versions_model_id_digest_record_digest ON versions (model_id, digest, record_digest, number);

CREATE TABLE watches (
    actor_id $reference NOT NULL,
    model_id $reference NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_watches PRIMARY KEY (actor_id, model_id),
    CONSTRAINT fk_watches_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_watches_model_id FOREIGN KEY(model_id) REFERENCES models (id)
);
CREATE INDEX ix_watches_model_id ON watches (model_id);

CREATE TABLE aliases (
    model_id $reference NOT NULL,
    alias TEXT NOT NULL,
    version_id $reference,
    revision INTEGER NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by $reference NOT NULL,
    CONSTRAINT pk_aliases PRIMARY KEY (model_id, alias),
    CONSTRAINT fk_aliases_model_id FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT fk_aliases_updated_by FOREIGN KEY(updated_by) REFERENCES actors (id),
    CONSTRAINT fk_aliases_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_aliases_version_id ON aliases (version_id);

CREATE TABLE attestations (
    id $serial NOT NULL,
    version_id $reference NOT NULL,
    signature TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    CONSTRAINT pk_attestations PRIMARY KEY (id),
    CONSTRAINT fk_attestations_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_attestations_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_attestations_version_id_id ON attestations (version_id, id);

CREATE TABLE cards (
    id $serial NOT NULL,
    version_id $reference NOT NULL,
    text TEXT NOT NULL,
    sections TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    CONSTRAINT pk_cards PRIMARY KEY (id),
    CONSTRAINT fk_cards_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_cards_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_cards_version_id_id ON cards (version_id, id);

CREATE TABLE checks (
    id $serial NOT NULL,
    version_id $reference NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    url TEXT DEFAULT '' NOT NULL,
    summary TEXT DEFAULT '' NOT NULL,
    details TEXT,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    CONSTRAINT pk_checks PRIMARY KEY (id),
    CONSTRAINT fk_checks_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_checks_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_checks_version_id_id ON checks (version_id, id);

CREATE TABLE evaluations (
    id $serial NOT NULL,
    version_id $reference NOT NULL,
    split TEXT DEFAULT '' NOT NULL,
    dataset TEXT DEFAULT '' NOT NULL,
    metrics TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    CONSTRAINT pk_evaluations PRIMARY KEY (id),
    CONSTRAINT fk_evaluations_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_evaluations_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_evaluations_version_id_id ON evaluations (version_id, id);

CREATE TABLE promotions (
    id $serial NOT NULL,
    model_id $reference NOT NULL,
    version_id $reference NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    record_digest TEXT NOT NULL,
    stage TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    primary_wanted INTEGER DEFAULT '1' NOT NULL,
    seen_number BIGINT,
    seen_revision INTEGER NOT NULL,
    policy_digest TEXT NOT NULL,
    reason TEXT,
    opened_at BIGINT NOT NULL,
    opened_by $reference NOT NULL,
    expires_at BIGINT,
    closed_at BIGINT,
    closed_by $reference,
    closed_reason TEXT,
    verdict TEXT,
    evidence TEXT,
    move INTEGER,
    after_primary BIGINT,
    after_all TEXT,
    undid $reference,
    CONSTRAINT pk_promotions PRIMARY KEY (id),
    CONSTRAINT fk_promotions_closed_by FOREIGN KEY(closed_by) REFERENCES actors (id),
    CONSTRAINT fk_promotions_model_id FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT fk_promotions_opened_by FOREIGN KEY(opened_by) REFERENCES actors (id),
    CONSTRAINT fk_promotions_policy_digest FOREIGN KEY(policy_digest) REFERENCES effective_policies (digest),
    CONSTRAINT fk_promotions_version_id FOREIGN KEY(version_id) REFERENCES versions (id),
    CONSTRAINT uq_promotions_model_id_stage_move UNIQUE (model_id, stage, move)
);
CREATE INDEX ix_promotions_model_id_id ON promotions (model_id, id);
CREATE INDEX ix_promotions_state_id ON promotions (state, id);

CREATE TABLE run_artifacts (
    run_id $reference NOT NULL,
    path TEXT NOT NULL,
    digest TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    media_type TEXT DEFAULT '' NOT NULL,
    at BIGINT NOT NULL,
    released TEXT,
    logged_by $reference,
    CONSTRAINT pk_run_artifacts PRIMARY KEY (run_id, path),
    CONSTRAINT fk_run_artifacts_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE INDEX ix_run_artifacts_digest ON run_artifacts (digest);

CREATE TABLE run_inputs (
    run_id $reference NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    entry TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_id $reference NOT NULL,
    CONSTRAINT pk_run_inputs PRIMARY KEY (run_id, name, digest),
    CONSTRAINT fk_run_inputs_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_run_inputs_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE INDEX ix_run_inputs_digest ON run_inputs (digest);

CREATE TABLE run_log (
    run_id $reference NOT NULL,
    position BIGINT NOT NULL,
    text TEXT NOT NULL,
    CONSTRAINT pk_run_log PRIMARY KEY (run_id, position),
    CONSTRAINT fk_run_log_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE TABLE run_metrics (
    id $serial NOT NULL,
    run_id $reference NOT NULL,
    name TEXT NOT NULL,
    last_value $double,
    last_text TEXT,
    last_step BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    least $double,
    most $double,
    count BIGINT NOT NULL,
    special_count BIGINT DEFAULT '0' NOT NULL,
    next_chunk BIGINT DEFAULT '1' NOT NULL,
    CONSTRAINT pk_run_metrics PRIMARY KEY (id),
    CONSTRAINT fk_run_metrics_run_id FOREIGN KEY(run_id) REFERENCES runs (id),
    CONSTRAINT uq_run_metrics_run_id_name UNIQUE (run_id, name)
);
CREATE INDEX ix_run_metrics_name_last_value ON run_metrics (name, last_value);

CREATE TABLE run_params (
    run_id $reference NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_run_params PRIMARY KEY (run_id, name),
    CONSTRAINT fk_run_params_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE INDEX ix_run_params_name ON run_params (name);

CREATE TABLE run_tags (
    run_id $reference NOT NULL,
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_run_tags PRIMARY KEY (run_id, "key"),
    CONSTRAINT fk_run_tags_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE INDEX ix_run_tags_key ON run_tags ("key");

CREATE TABLE run_versions (
    run_id $reference NOT NULL,
    version_id $reference NOT NULL,
    CONSTRAINT pk_run_versions PRIMARY KEY (run_id, version_id),
    CONSTRAINT fk_run_versions_run_id FOREIGN KEY(run_id) REFERENCES runs (id),
    CONSTRAINT fk_run_versions_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_run_versions_version_id ON run_versions (version_id);

CREATE TABLE run_writers (
    run_id $reference NOT NULL,
    writer TEXT NOT NULL,
    last_number BIGINT NOT NULL,
    CONSTRAINT pk_run_writers PRIMARY KEY (run_id, writer),
    CONSTRAINT fk_run_writers_run_id FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE TABLE stage_occupants (
    model_id $reference NOT NULL,
    stage TEXT NOT NULL,
    version_id $reference NOT NULL,
    since BIGINT NOT NULL,
    CONSTRAINT pk_stage_occupants PRIMARY KEY (model_id, stage, version_id),
    CONSTRAINT fk_stage_occupants_model_id FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT fk_stage_occupants_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);

CREATE TABLE version_holds (
    version_id $reference NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_version_holds PRIMARY KEY (version_id, kind, name),
    CONSTRAINT fk_version_holds_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);

CREATE TABLE version_metrics (
    version_id $reference NOT NULL,
    name TEXT NOT NULL,
    split TEXT DEFAULT '' NOT NULL,
    value FLOAT,
    CONSTRAINT pk_version_metrics PRIMARY KEY (version_id, name, split),
    CONSTRAINT fk_version_metrics_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_version_metrics_name_value ON version_metrics (name, value);

CREATE TABLE version_tags (
    version_id $reference NOT NULL,
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_version_tags PRIMARY KEY (version_id, "key"),
    CONSTRAINT fk_version_tags_version_id FOREIGN KEY(version_id) REFERENCES versions (id)
);
CREATE INDEX ix_version_tags_key_value ON version_tags ("key", value);

CREATE TABLE comments (
    id $serial NOT NULL,
    model_id $reference NOT NULL,
    version BIGINT,
    promotion_id $reference,
    author_id $reference NOT NULL,
    body TEXT NOT NULL,
    revision INTEGER DEFAULT '1' NOT NULL,
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted_at BIGINT,
    deleted_by $reference,
    CONSTRAINT pk_comments PRIMARY KEY (id),
    CONSTRAINT fk_comments_author_id FOREIGN KEY(author_id) REFERENCES actors (id),
    CONSTRAINT fk_comments_deleted_by FOREIGN KEY(deleted_by) REFERENCES actors (id),
    CONSTRAINT fk_comments_model_id FOREIGN KEY(model_id) REFERENCES models (id),
    CONSTRAINT fk_comments_promotion_id FOREIGN KEY(promotion_id) REFERENCES promotions (id)
);
CREATE INDEX ix_comments_model_id_id ON comments (model_id, id);

CREATE TABLE run_points (
    metric_id $reference NOT NULL,
    number BIGINT NOT NULL,
    count INTEGER NOT NULL,
    special_count INTEGER NOT NULL,
    first_step BIGINT NOT NULL,
    last_step BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    least $double,
    least_step BIGINT,
    least_at BIGINT,
    most $double,
    most_step BIGINT,
    most_at BIGINT,
    block $binary NOT NULL,
    CONSTRAINT pk_run_points PRIMARY KEY (metric_id, number),
    CONSTRAINT fk_run_points_metric_id FOREIGN KEY(metric_id) REFERENCES run_metrics (id)
);

CREATE TABLE votes (
    id $serial NOT NULL,
    promotion_id $reference NOT NULL,
    actor_id $reference NOT NULL,
    approves INTEGER NOT NULL,
    comment TEXT,
    policy_digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_votes PRIMARY KEY (id),
    CONSTRAINT fk_votes_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_votes_promotion_id FOREIGN KEY(promotion_id) REFERENCES promotions (id)
);
CREATE INDEX ix_votes_promotion_id ON votes (promotion_id);

CREATE TABLE waivers (
    id $serial NOT NULL,
    promotion_id $reference NOT NULL,
    rule TEXT NOT NULL,
    actor_id $reference NOT NULL,
    reason TEXT NOT NULL,
    policy_digest TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_waivers PRIMARY KEY (id),
    CONSTRAINT fk_waivers_actor_id FOREIGN KEY(actor_id) REFERENCES actors (id),
    CONSTRAINT fk_waivers_promotion_id FOREIGN KEY(promotion_id) REFERENCES promotions (id)
);
CREATE INDEX ix_waivers_promotion_id ON waivers (promotion_id);

CREATE TABLE comment_revisions (
    comment_id $reference NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT pk_comment_revisions PRIMARY KEY (comment_id, revision),
    CONSTRAINT fk_comment_revisions_comment_id FOREIGN KEY(comment_id) REFERENCES comments (id)
);
