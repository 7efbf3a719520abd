/*
 * config: the settings of `signalbox serve` as one table (name, type, default, bounds, doc). From
 * it come the file, the environment, the command line, `--help`, and `--print-settings`. Later
 * wins: default, file, environment (SIGNALBOX_NAME), command line (--name=value). Settings of one
 * repository are elsewhere: domain/settings.h.
 */
#ifndef SIGNALBOX_CONFIG_H
#define SIGNALBOX_CONFIG_H
#include "base/arena.h"
#include "base/err.h"

/* name                      kind    default            min  max        documentation */
#define SERVE_SETTINGS(X) \
    X(listen,                   TEXT,   "127.0.0.1:8080",  0,   0,         "Address and port to serve, or unix:/path. Port 0: any free one.") \
    X(database,                 TEXT,   "signalbox.db",    0,   0,         "SQLite file, or postgres://… for many servers.") \
    X(public_url,               TEXT,   "",                0,   0,         "What people and GitHub reach this server under. Default: http://listen.") \
    X(secret_key_file,          TEXT,   "",                0,   0,         "32 random bytes that seal what is stored and sign sessions. Default: made beside the SQLite file; servers that share a PostgreSQL must share it.") \
    X(workspace,                TEXT,   "",                0,   0,         "Workspace id (ws_…). Default: the first one in the database, made at the first start.") \
    X(github_api,               TEXT,   "https://api.github.com", 0, 0,    "REST base; GitHub Enterprise Server: https://HOST/api/v3.") \
    X(github_web,               TEXT,   "https://github.com", 0, 0,        "Where people use GitHub (set-up page).") \
    X(setup_code,               SECRET, "",                0,   0,         "What /setup asks for. Default: made at each start and printed in the log.") \
    X(github_app_id,            NUMBER, "0",               0,   INT64_MAX, "Id of the GitHub App, when it was not made by the set-up page.") \
    X(github_app_slug,          TEXT,   "",                0,   0,         "Its slug: the part of its address after /apps/.") \
    X(github_private_key_file,  TEXT,   "",                0,   0,         "Its private key, PEM.") \
    X(github_webhook_secret,    SECRET, "",                0,   0,         "Its webhook secret.") \
    X(github_webhook_secret_before, SECRET, "",            0,   0,         "The secret before that, accepted while rotating.") \
    X(github_client_id,         TEXT,   "",                0,   0,         "Its client id (Iv…), to sign in with GitHub.") \
    X(github_client_secret,     SECRET, "",                0,   0,         "A client secret of it.") \
    X(github_sign_in,           TEXT,   "invited",         0,   0,         "Who may sign in with GitHub: invited (members, and whom somebody invited by name), or installed (also whoever has access to an installation of the App: as member. Only with an App that is not public).") \
    X(github_api_version,       TEXT,   "2022-11-28",      0,   0,         "X-GitHub-Api-Version.") \
    X(github_pace,              NUMBER, "100",             0,   100,       "Percent of GitHub's written limits that this server and those that share its database use of one installation: 900 points a minute (a change 5, a read 1), 80 new comments and reviews a minute, 500 an hour, 90 calls at once. 0: only what GitHub tells (an Enterprise Server that keeps no limits).") \
    X(github_minute_ms,         NUMBER, "60000",           100, 3600000,   "How long a minute of those limits is; another value is for measurements against a stand-in.") \
    X(oidc_issuers,             TEXT,   "https://token.actions.githubusercontent.com", 0, 0, "Accepted issuers of workflow tokens, separated by blanks.") \
    X(oidc_audiences,           TEXT,   "atmos-pro.com",   0,   0,         "Accepted audiences, separated by blanks. The atmos CLI asks for atmos-pro.com.") \
    X(runner_hosts,             TEXT,   "",                0,   0,         "Hosts of runners that may have private addresses and plain http, separated by blanks; *.example.com means all below it. Every other runner must be on the public internet, with https.") \
    X(ca_file,                  TEXT,   "",                0,   0,         "More certificate authorities (PEM), for an Enterprise Server or a proxy.") \
    X(trusted_proxies,          TEXT,   "",                0,   0,         "Reverse proxies whose X-Forwarded-For is believed: addresses and ranges (10.0.0.0/8, ::1), separated by blanks; unix: whoever comes by the socket of listen. Who guesses passwords is then known by the address that they name, and not by theirs.") \
    X(workers,                  NUMBER, "8",               1,   256,       "Threads for requests that read the database.") \
    X(readers,                  NUMBER, "3",               1,   64,        "Read connections to the database.") \
    X(upload_bytes_max,         NUMBER, "33554432",        8388608, 268435456, "Largest upload.") \
    X(live_streams_max,         NUMBER, "2000",            0,   100000,    "Streams of changes (open pages of the dashboard) at once. 0: none; pages then ask every few seconds.") \
    X(live_streams_person_max,  NUMBER, "50",              1,   100000,    "Streams of one person or token at once.") \
    X(log_level,                TEXT,   "info",            0,   0,         "debug, info, warn or error.") \
    X(log_format,               TEXT,   "text",            0,   0,         "text (key=value) or json.") \
    X(lease_ms,                 NUMBER, "6000",            1000, 60000,    "PostgreSQL: how long a lane stays with a server that says nothing.") \
    X(sweep_ms,                 NUMBER, "60000",           200, 3600000,   "How often runs without news are looked for.") \
    X(silent_ms,                NUMBER, "120000",          200, 3600000,   "A run without news for so long is asked about.") \
    X(find_settle_ms,           NUMBER, "20000",           500, 600000,    "How long a run may stay unlisted after a dispatch whose answer was lost.") \
    X(heal_deliveries,          NUMBER, "1",               0,   1,         "Ask GitHub for deliveries that failed (0: never).")

struct config {
#define X(name, ...) str name;
    SERVE_SETTINGS(X)
#undef X
};

/*
 * Everything lives in mem. argv without the program's name and the subcommand; ERR_INVALID names
 * the setting, where it came from and its bounds.
 */
bool config_read(struct arena *mem, int argc, char **argv, struct config *out,
                 struct err *e) MUST_CHECK;
int64_t config_number(str value);           /* of a NUMBER that config_read has checked */
str config_help(struct arena *mem);         /* for --help */
str config_print(struct arena *mem);        /* a documented file with the defaults */

#endif
