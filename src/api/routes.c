#include "api/call.h"

/*
 * The whole API. Dispatch, rights, limits, metrics and the test that compares with
 * docs/openapi.yaml read from here.
 */
#define V1 "/api/v1"
const struct route routes[] = {
    /* what the atmos CLI calls */
    {HTTP_POST, V1 "/auth/github-oidc", api_exchange, RIGHT_NOTHING, .json = true,
     .doc = "Exchange a GitHub Actions OIDC token for a session token."},
    {HTTP_POST, V1 "/affected-stacks", api_affected, RIGHT_SESSION, "Affected Stacks Create",
     BODY_UPLOAD, true, .doc = "Upload the affected stacks of a commit."},
    {HTTP_POST, V1 "/instances", api_instances, RIGHT_SESSION, "Instances Create", BODY_UPLOAD,
     true, .doc = "Upload the inventory of instances."},
    {HTTP_PATCH, V1 "/repos/{owner}/{repo}/instances", api_report, RIGHT_SESSION,
     "Instances Update", .json = true, .doc = "Report the result of a plan or apply."},
    {HTTP_PATCH, V1 "/repos/{owner}/{repo}/instances/{stack}/{component*}", api_report_old,
     RIGHT_SESSION, "Instances Update", .json = true,
     .doc = "The same, as the CLI before 1.196 sends it."},
    {HTTP_POST, V1 "/locks", api_lock, RIGHT_SESSION, "Locks Create", .json = true,
     .on_loop = lock_on_loop, .doc = "Take a lock."},
    {HTTP_DELETE, V1 "/locks", api_unlock, RIGHT_SESSION, "Locks Delete", .json = true,
     .on_loop = lock_on_loop, .doc = "Release a lock."},
    {HTTP_POST, "/api/locks", api_lock, RIGHT_SESSION, "Locks Create", .json = true,
     .on_loop = lock_on_loop, .doc = "Take a lock (older path)."},
    {HTTP_DELETE, "/api/locks", api_unlock, RIGHT_SESSION, "Locks Delete", .json = true,
     .on_loop = lock_on_loop, .doc = "Release a lock (older path)."},
    {HTTP_POST, V1 "/atmos/exec", api_exec, RIGHT_SESSION, NULL, BODY_UPLOAD, true,
     .doc = "Record one execution of the CLI."},
    {HTTP_POST, V1 "/atmos/exec/data", api_exec_data, RIGHT_SESSION, NULL, BODY_UPLOAD, true,
     .doc = "Store the large part of an execution record."},
    {HTTP_GET, V1 "/atmos/exec/data/{id}", api_exec_read, RIGHT_READ,
     .doc = "The large part of an execution record."},

    /* GitHub */
    {HTTP_POST, "/webhooks/github", api_webhook, RIGHT_NOTHING, NULL, BODY_WEBHOOK,
     .on_loop = webhook_on_loop, .doc = "Receive a delivery."},

    /* the house */
    {HTTP_GET, "/healthz", api_health, RIGHT_NOTHING, .on_loop = always_on_loop,
     .doc = "The process is alive."},
    {HTTP_GET, "/readyz", api_ready, RIGHT_NOTHING, .doc = "The process can work."},
    {HTTP_GET, "/metrics", api_metrics, RIGHT_NOTHING, .doc = "Prometheus metrics."},
    {HTTP_GET, "/setup", api_setup, RIGHT_NOTHING, .doc = "Page that creates the GitHub App."},
    {HTTP_GET, "/setup/callback", api_setup_callback, RIGHT_NOTHING,
     .doc = "GitHub comes back here with the code."},

    /* reading */
    {HTTP_GET, V1 "/workspaces", api_list, RIGHT_READ, .list = query_workspaces,
     .doc = "The workspace of the token."},
    {HTTP_GET, V1 "/repositories", api_list, RIGHT_READ, .list = query_repositories,
     .doc = "Repositories."},
    {HTTP_GET, V1 "/repositories/{repositoryId}", api_one, RIGHT_READ, .one = query_repository,
     .doc = "One repository."},
    {HTTP_GET, V1 "/batches", api_list, RIGHT_READ, .list = query_batches,
     .doc = "Batches, newest first."},
    {HTTP_GET, V1 "/batches/{batchId}", api_one, RIGHT_READ, .one = query_batch,
     .doc = "One batch with counts."},
    {HTTP_GET, V1 "/batches/{batchId}/nodes", api_list, RIGHT_READ, .list = query_nodes,
     .doc = "Nodes of a batch."},
    {HTTP_GET, V1 "/batches/{batchId}/explain", api_explain_batch, RIGHT_READ,
     .doc = "Why a batch, or a node of it, stands as it does."},
    {HTTP_GET, V1 "/batches/{batchId}/nodes/{position}/explain", api_explain_node, RIGHT_READ,
     .doc = "Why a node stands as it does."},
    {HTTP_GET, V1 "/repositories/{repositoryId}/pulls/{number}/explain", api_explain_pull,
     RIGHT_READ, .doc = "Why a pull request stands as it does."},
    {HTTP_GET, V1 "/runs", api_list, RIGHT_READ, .list = query_runs, .doc = "Runs, newest first."},
    {HTTP_GET, V1 "/runs/{runId}", api_one, RIGHT_READ, .one = query_run, .doc = "One run."},
    {HTTP_GET, V1 "/instances", api_list, RIGHT_READ, .list = query_instances, .doc = "Instances."},
    {HTTP_GET, V1 "/locks", api_list, RIGHT_READ, .list = query_locks, .doc = "Active locks."},
    {HTTP_GET, V1 "/uploads", api_list, RIGHT_READ, .list = query_uploads,
     .doc = "Uploads, newest first."},
    {HTTP_GET, V1 "/facts", api_list, RIGHT_READ, .list = query_facts,
     .doc = "What came in and what became of it, newest first."},
    {HTTP_GET, V1 "/audit", api_list, RIGHT_ADMIN, .list = query_audit,
     .doc = "Audit, newest first."},
    {HTTP_GET, V1 "/tokens", api_list, RIGHT_ADMIN, .list = query_tokens, .doc = "API tokens."},
    {HTTP_GET, V1 "/repositories/{repositoryId}/settings", api_settings_get, RIGHT_READ,
     .doc = "Settings of a repository."},
    {HTTP_GET, V1 "/repositories/{repositoryId}/permissions", api_permissions, RIGHT_READ,
     .doc = "Permission rows."},

    /* what people do */
    {HTTP_POST, V1 "/batches/{batchId}/cancel", api_cancel, RIGHT_OPERATE, .doc = "Stop a batch."},
    {HTTP_POST, V1 "/batches/{batchId}/retry", api_retry, RIGHT_OPERATE,
     .doc = "Send the failed nodes again."},
    {HTTP_POST, V1 "/batches/{batchId}/nodes/{position}/rerun", api_rerun, RIGHT_OPERATE,
     .doc = "Run one node again."},
    {HTTP_POST, V1 "/batches/{batchId}/rerun", api_rerun_instance, RIGHT_OPERATE, .json = true,
     .doc = "Run the nodes of one instance again."},
    {HTTP_POST, V1 "/dispatch", api_dispatch, RIGHT_OPERATE, .json = true,
     .doc = "Dispatch a workflow by hand."},

    /* admins */
    {HTTP_POST, V1 "/repositories", api_import, RIGHT_ADMIN, .json = true,
     .doc = "Import a repository by hand."},
    {HTTP_PATCH, V1 "/repositories/{repositoryId}/settings", api_settings_set, RIGHT_ADMIN,
     .json = true, .doc = "Change settings."},
    {HTTP_POST, V1 "/repositories/{repositoryId}/permissions", api_permission_add, RIGHT_ADMIN,
     .json = true, .doc = "Add a permission row."},
    {HTTP_DELETE, V1 "/repositories/{repositoryId}/permissions/{permissionId}",
     api_permission_remove, RIGHT_ADMIN, .doc = "Remove a permission row."},
    {HTTP_POST, V1 "/tokens", api_token_create, RIGHT_ADMIN, .json = true,
     .doc = "Create an API token."},
    {HTTP_DELETE, V1 "/tokens/{tokenId}", api_token_revoke, RIGHT_ADMIN,
     .doc = "Revoke an API token."},
    {HTTP_POST, V1 "/facts/{factId}/replay", api_replay, RIGHT_ADMIN, .doc = "Apply a fact again."},
};
const size_t route_count = sizeof routes / sizeof routes[0];
_Static_assert(sizeof routes / sizeof routes[0] <= ROUTES_MAX,
               "raise ROUTES_MAX: it sizes the counters");
