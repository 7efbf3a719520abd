/*
 * Every verb against a server: what it asks, what it prints, and which exit code each kind of
 * answer gives.
 */
#include "rig.h"

#include "base/clock.h"
#include "base/io.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIST(item) "{\"items\":[" item "],\"nextCursor\":null}"
#define LOCK                                                                                       \
    "{\"id\":\"lock_1\",\"key\":\"k\",\"lockMessage\":\"m\",\"actor\":\"ci\",\"token\":7,"         \
    "\"createdAt\":\"2026-11-21T11:00:00Z\",\"expiresAt\":\"2026-11-21T12:05:00Z\"}"
#define BATCH                                                                                      \
    "{\"id\":\"b1\",\"repository\":\"acme/infra\",\"change\":{\"key\":\"pr-7\",\"number\":7,"      \
    "\"title\":\"Add\"},\"event\":\"pull_request\",\"activity\":\"merged\",\"headSha\":"           \
    "\"0123456789abcdef\",\"state\":\"running\",\"verdict\":\"\",\"error\":\"\",\"actor\":"        \
    "\"ann\","                                                                                     \
    "\"nodeCount\":3,\"createdAt\":\"2026-11-21T11:58:00Z\",\"counts\":{\"failure\":1,"            \
    "\"success\":2}}"
#define NODE                                                                                       \
    "{\"position\":4,\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"p.yaml\",\"state\":"  \
    "\"failure\",\"errorText\":\"exit 1\",\"runUrl\":\"https://x/1\",\"changedAt\":null}"
#define REPO                                                                                       \
    "{\"id\":12,\"owner\":\"Acme\",\"name\":\"infra\",\"defaultBranch\":\"main\",\"forge\":"       \
    "\"github\",\"host\":\"github.com\",\"installationId\":5,\"forgeId\":99,\"createdAt\":null}"
#define FIND_REPO                                                                                  \
    {                                                                                              \
        "GET /api/v1/repositories?limit=500", LIST(REPO), 0, NULL                                  \
    }

#define ACTION                                                                                     \
    "{\"name\":\"grow\",\"source\":\"api\",\"definition\":{\"parameters\":[{\"name\":\"by\","          \
    "\"type\":\"number\"},{\"name\":\"who\"}],\"trigger\":{\"type\":\"atmos-workflow\","                 \
    "\"workflow\":\"w\",\"stack\":\"s\"},\"timeout\":60},\"createdAt\":null,\"updatedAt\":null,"       \
    "\"updatedBy\":\"ann\"}"
#define ACTION_RUN                                                                                 \
    "{\"id\":\"u1\",\"repository\":\"acme/infra\",\"action\":\"grow\",\"state\":\"running\","          \
    "\"error\":null,\"parameters\":{\"by\":3},\"metadata\":null,\"actor\":\"ann\","                    \
    "\"createdAt\":null,\"endedAt\":null}"
#define MEMBER                                                                                     \
    "{\"id\":\"per_1\",\"login\":\"Mona\",\"name\":\"Mona L.\",\"source\":\"github\",\"role\":"       \
    "\"admin\",\"createdAt\":null,\"invitedBy\":\"ann\",\"seenAt\":\"2026-11-21T11:58:00Z\"}"
/* Made for the time of the tests, where they run. */
#define ACTION_FILE "test_cli_flows_action.yaml"

static const struct flow {
    const char *words[14];
    struct step step[4];
    const char *out; /* of a pipe */
} FLOWS[] = {
    {{"lock", "k", "--ttl", "5m", "--message", "m"},
     {{"POST /api/v1/locks {\"key\":\"k\",\"ttl\":300,\"lockMessage\":\"m\"}", LOCK, 0, NULL}},
     "key\tk\nexpires\t2026-11-21T12:05:00Z\ntoken\t7\nid\tlock_1\n"},
    {{"lock", "-c", "vpc", "-s", "prod", "-r", "Acme/infra", "-t", "30s"},
     {{"POST /api/v1/locks {\"key\":\"acme/infra/prod/vpc\",\"ttl\":30,\"lockMessage\":\"\"}", LOCK,
       0, NULL}},
     "key\tk\nexpires\t2026-11-21T12:05:00Z\ntoken\t7\nid\tlock_1\n"},
    {{"unlock", "k"},
     {{"DELETE /api/v1/locks {\"key\":\"k\"}", LOCK, 0, NULL}},
     "key\tk\nexpires\t2026-11-21T12:05:00Z\ntoken\t7\nid\tlock_1\n"},
    {{"unlock", "--component", "vpc", "--stack", "prod", "--repo", "Acme/infra"},
     {{"DELETE /api/v1/locks {\"key\":\"acme/infra/prod/vpc\"}", LOCK, 0, NULL}},
     "key\tk\nexpires\t2026-11-21T12:05:00Z\ntoken\t7\nid\tlock_1\n"},
    {{"locks"},
     {{"GET /api/v1/locks?limit=50", LIST(LOCK), 0, NULL}},
     "k\tm\tci\t7\t2026-11-21T11:00:00Z\t2026-11-21T12:05:00Z\n"},
    {{"locks", "a b", "--limit", "3"},
     {{"GET /api/v1/locks?key=a%20b&limit=3", LIST(LOCK), 0, NULL}},
     "k\tm\tci\t7\t2026-11-21T11:00:00Z\t2026-11-21T12:05:00Z\n"},
    {{"locks", "--repo", "Acme/infra"},
     {{"GET /api/v1/locks?prefix=acme%2Finfra%2F&limit=50", LIST(""), 0, NULL}},
     ""},
    {{"batches", "--repo", "acme/infra", "--change", "pr-7", "--state", "running", "--sha", "01"},
     {{"GET /api/v1/batches?repo=acme%2Finfra&change=pr-7&state=running&head_sha=01&limit=50",
       LIST(BATCH), 0, NULL}},
     "b1\tacme/"
     "infra\t7\tpull_request\tmerged\t0123456789abcdef\t3\trunning\t\t2026-11-21T11:58:00Z\n"},
    {{"batch", "b1"},
     {{"GET /api/v1/batches/b1", BATCH, 0, NULL}},
     "batch\tb1\nrepository\tacme/"
     "infra\nchange\tpr-7\ntitle\tAdd\nauthor\t\nurl\t\nevent\tpull_request\n"
     "activity\tmerged\nhead\t0123456789abcdef\nstate\trunning\nverdict\t\nerror\t\nactor\tann\nrep"
     "laced by\t\n"
     "created\t2026-11-21T11:58:00Z\nstarted\t\nended\t\ncount.failure\t1\ncount.success\t2\n"},
    {{"batch", "b1", "--nodes", "--state", "failure"},
     {{"GET /api/v1/batches/b1/nodes?state=failure&limit=50", LIST(NODE), 0, NULL}},
     "4\tprod\tvpc\tp.yaml\tfailure\t\texit 1\thttps://x/1\n"},
    {{"explain", "b1/4"},
     {{"GET /api/v1/batches/b1/nodes/4/explain",
       "{\"reasons\":[{\"code\":\"failed\",\"text\":\"vpc in prod failed\",\"change\":\"mend "
       "it\",\"since\":\"2026-11-21T11:58:00Z\",\"until\":null,\"numbers\":{},\"url\":null}]}",
       0, NULL}},
     "1\tfailed\t2026-11-21T11:58:00Z\t\tvpc in prod failed\tmend it\t\n"},
    {{"cancel", "b1"}, {{"POST /api/v1/batches/b1/cancel", "{\"batch\":\"b1\"}", 0, NULL}}, ""},
    {{"retry", "b1"}, {{"POST /api/v1/batches/b1/retry", "{\"batch\":\"b1\"}", 0, NULL}}, ""},
    {{"budget"},
     {{"GET /api/v1/installations?limit=50",
       LIST("{\"id\":5,\"account\":\"acme\",\"remaining\":4000,\"limit\":5000,\"safe\":2900,\"claimed\":100,"
            "\"waiting\":1,\"resetAt\":\"2026-11-21T12:05:00Z\"}"),
       0, NULL}},
     "5\tacme\t4000\t5000\t2900\t100\t1\t2026-11-21T12:05:00Z\n"},
    {{"release", "b1"}, {{"POST /api/v1/batches/b1/release", "{\"batch\":\"b1\"}", 0, NULL}}, ""},
    {{"release", "b1", "--parts"}, {{"POST /api/v1/batches/b1/parts", "{\"batch\":\"b1\"}", 0, NULL}}, ""},
    {{"resume", "acme/INFRA#12"},
     {FIND_REPO, {"POST /api/v1/repositories/12/pulls/12/resume", "{\"pull\":12}", 0, NULL}},
     ""},
    {{"batch", "b2"},
     {{"GET /api/v1/batches/b2",
       "{\"id\":\"b2\",\"state\":\"held\",\"holds\":[{\"kind\":\"threshold\",\"text\":\"would dispatch 247 "
       "stacks, the threshold is 50\",\"wayOut\":\"raise it\"},{\"kind\":\"draft\",\"text\":\"a\\u001bdraft\"}]}",
       0, NULL}},
     "batch\tb2\nrepository\t\nchange\t\ntitle\t\nauthor\t\nurl\t\nevent\t\nactivity\t\nhead\t\nstate\theld\n"
     "verdict\t\nerror\t\nactor\t\nreplaced by\t\ncreated\t\nstarted\t\nended\t\n"
     "hold.threshold\twould dispatch 247 stacks, the threshold is 50\nhold.draft\ta\ufffddraft\n"},
    {{"batch", "b3"},
     {{"GET /api/v1/batches/b3",
       "{\"id\":\"b3\",\"state\":\"running\",\"holds\":[],\"released\":[{\"kind\":\"threshold\",\"text\":\"threshold: "
       "would dispatch 247 stacks, the threshold is 50\",\"by\":\"al\\u001bice\",\"at\":\"2026-11-21T14:02:00Z\"}]}",
       0, NULL}},
     "batch\tb3\nrepository\t\nchange\t\ntitle\t\nauthor\t\nurl\t\nevent\t\nactivity\t\nhead\t\nstate\trunning\n"
     "verdict\t\nerror\t\nactor\t\nreplaced by\t\ncreated\t\nstarted\t\nended\t\n"
     "released.threshold\tal\ufffdice\t2026-11-21T14:02:00Z\tthreshold: would dispatch 247 stacks, the threshold is 50\n"},
    {{"rerun", "b1", "4"}, {{"POST /api/v1/batches/b1/nodes/4/rerun", "{}", 0, NULL}}, ""},
    {{"rerun", "b1", "-c", "vpc", "-s", "prod", "-f", "p.yaml"},
     {{"POST /api/v1/batches/b1/rerun "
       "{\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"p.yaml\"}",
       "{}", 0, NULL}},
     ""},
    {{"skip-wait", "b1", "4"},
     {{"GET /api/v1/batches/b1/nodes/4",
       "{\"position\":4,\"state\":\"locked\",\"lock\":{\"token\":7,\"actor\":\"bo\",\"lockMessage\":"
       "\"hands off\"}}",
       0, NULL},
      {"POST /api/v1/batches/b1/nodes/4/skip-wait {\"token\":7}",
       "{\"batch\":\"b1\",\"node\":4,\"lockEnded\":true}", 0, NULL}},
     ""},
    {{"skip-wait", "b1", "-c", "vpc", "-s", "prod", "-f", "p.yaml"},
     {{"GET /api/v1/batches/b1/nodes?state=locked&limit=500",
       "{\"items\":["
       "{\"position\":2,\"stack\":\"dev\",\"component\":\"vpc\",\"workflow\":\"p.yaml\"},"
       "{\"position\":3,\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"a.yaml\"},"
       "{\"position\":4,\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"p.yaml\"},"
       "{\"position\":5,\"stack\":\"prod\",\"component\":\"vpc/a\",\"workflow\":\"p.yaml\"}],"
       "\"nextCursor\":null}",
       0, NULL},
      {"GET /api/v1/batches/b1/nodes/4",
       "{\"position\":4,\"state\":\"locked\",\"lock\":{\"token\":7}}", 0, NULL},
      {"POST /api/v1/batches/b1/nodes/4/skip-wait {\"token\":7}",
       "{\"batch\":\"b1\",\"node\":4,\"lockEnded\":true}", 0, NULL}},
     ""},
    {{"dispatch", "-r", "acme/infra", "-s", "prod", "-c", "vpc", "-f", "p.yaml", "--input", "a=b=c",
      "--input=d=", "--sha=01"},
     {{"POST /api/v1/dispatch "
       "{\"inputs\":{\"a\":\"b=c\",\"d\":\"\"},\"repo\":\"acme/infra\",\"stack\":\"prod\","
       "\"component\":\"vpc\",\"workflow\":\"p.yaml\",\"sha\":\"01\",\"withDependents\":false,"
       "\"dryRun\":false}",
       "{\"batch\":\"b9\",\"dispatches\":1}", 0, NULL}},
     "b9\n"},
    {{"dispatch", "-r", "acme/infra", "-s", "prod", "-c", "vpc", "-f", "p.yaml",
      "--with-dependents", "--dry-run"},
     {{"POST /api/v1/dispatch "
       "{\"inputs\":{},\"repo\":\"acme/infra\",\"stack\":\"prod\",\"component\":\"vpc\","
       "\"workflow\":\"p.yaml\",\"withDependents\":true,\"dryRun\":true}",
       "{\"dryRun\":true,\"dispatches\":1,\"apiCalls\":6,\"forecastMs\":90000,\"order\":[{"
       "\"stack\":\"prod\","
       "\"component\":\"vpc\",\"workflow\":\"p.yaml\",\"level\":0,\"expectedMs\":90000}]}",
       0, NULL}},
     "0\tprod\tvpc\tp.yaml\t90000\n"},
    {{"runs", "-r", "a/b", "-s", "prod", "-c", "vpc", "--command=plan", "--state=failure", "-b",
      "b1", "-n", "2"},
     {{"GET "
       "/api/v1/"
       "runs?repo=a%2Fb&stack=prod&component=vpc&command=plan&state=failure&batch=b1&limit=2",
       LIST("{\"id\":\"run_1\",\"repository\":\"a/"
            "b\",\"stack\":\"prod\",\"component\":\"vpc\",\"command\":\"plan\","
            "\"state\":\"failure\",\"exitCode\":1,\"attempt\":2,\"createdAt\":null,\"url\":\"u\"}"),
       0, NULL}},
     "run_1\ta/b\tprod\tvpc\tplan\tfailure\t1\t2\t\tu\n"},
    {{"run", "run_1"},
     {{"GET /api/v1/runs/run_1", "{\"id\":\"run_1\",\"inputs\":{\"a\":\"b\"},\"exitCode\":0}", 0,
       NULL}},
     "run\trun_"
     "1\nbatch\t\nposition\t\nrepository\t\nstack\t\ncomponent\t\nworkflow\t\nref\t\nsha\t\ninputs"
     "\t{\"a\":\"b\"}\n"
     "trigger\t\nguessed\t\nreported\t\nstate\t\nexit "
     "code\t0\nattempt\t\ntoken\t\nurl\t\nerror\t\ncounts\t\ncreated\t\n"
     "dispatched\t\nstarted\t\nended\t\n"},
    {{"instances", "-r", "a/b", "-s", "prod", "-c", "vpc", "--drift", "drifted", "--orphaned",
      "false"},
     {{"GET "
       "/api/v1/"
       "instances?repo=a%2Fb&stack=prod&component=vpc&drift=drifted&orphaned=false&limit=50",
       LIST("{\"repository\":\"a/"
            "b\",\"stack\":\"prod\",\"component\":\"vpc\",\"driftStatus\":\"drifted\",\"enabled\":"
            "true,"
            "\"lastCommand\":\"plan\",\"lastExitCode\":2,\"lastRunAt\":null}"),
       0, NULL}},
     "a/b\tprod\tvpc\tdrifted\tyes\tplan\t2\t\n"},
    {{"uploads", "-r", "a/b", "--sha", "01"},
     {{"GET /api/v1/uploads?repo=a%2Fb&head_sha=01&limit=50",
       LIST("{\"id\":\"up_1\",\"repository\":\"a/"
            "b\",\"headSha\":\"01\",\"baseSha\":\"00\",\"state\":\"joined\","
            "\"instances\":2,\"affected\":1,\"receivedAt\":null,\"note\":null}"),
       0, NULL}},
     "up_1\ta/b\t01\t00\tjoined\t2\t1\t\t\n"},
    {{"repo", "list"},
     {{"GET /api/v1/repositories?limit=50", LIST(REPO), 0, NULL}},
     "12\tAcme\tinfra\tmain\tgithub\tgithub.com\t5\t\n"},
    {{"repo", "show", "acme/INFRA"},
     {FIND_REPO,
      {"GET /api/v1/repositories/12", REPO, 0, NULL},
      {"GET /api/v1/repositories/12/settings", "{\"comment\":true}", 0, NULL}},
     "id\t12\nowner\tAcme\nname\tinfra\nbranch\tmain\nforge\tgithub\nhost\tgithub.com\nforge "
     "id\t99\ninstallation\t5\n"
     "since\t\nsettings.comment\ttrue\n"},
    {{"repo", "show", "12"},
     {{"GET /api/v1/repositories/12",
       "{\"id\":12,\"settingsFile\":{\"settings\":{\"threshold\":80,\"threshold_hold\":true},\"wrong\":\"there is no "
       "setting foo\"}}",
       0, NULL},
      {"GET /api/v1/repositories/12/settings", "{\"threshold\":80}", 0, NULL}},
     "id\t12\nowner\t\nname\t\nbranch\t\nforge\t\nhost\t\nforge id\t\ninstallation\t\nsince\t\n"
     "settings.threshold\t80\nfile\tthreshold, threshold_hold\nfile wrong\tthere is no setting foo\n"},
    {{"repo", "set", "12", "strict_plans=on", "dispatch_concurrency=5"},
     {{"PATCH /api/v1/repositories/12/settings {\"strict_plans\":true,\"dispatch_concurrency\":5}",
       "{\"strict_plans\":true}", 0, NULL}},
     "settings.strict_plans\ttrue\n"},
    {{"repo", "permissions", "acme/infra"},
     {FIND_REPO,
      {"GET /api/v1/repositories/12/permissions?limit=50",
       LIST("{\"id\":3,\"name\":\"Locks "
            "Create\",\"workflow\":\"*\",\"branch\":\"main\",\"environment\":\"*\",\"createdAt\":"
            "null,"
            "\"createdBy\":\"ann\"}"),
       0, NULL}},
     "3\tLocks Create\t*\tmain\t*\t\tann\n"},
    {{"repo", "permissions", "12", "--add", "Locks Create", "--branch", "main", "--workflow",
      "a.*"},
     {{"POST /api/v1/repositories/12/permissions {\"name\":\"Locks "
       "Create\",\"workflow\":\"a.*\",\"branch\":\"main\"}",
       "{\"id\":4}", 0, NULL}},
     "4\n"},
    {{"repo", "permissions", "12", "--remove", "4"},
     {{"DELETE /api/v1/repositories/12/permissions/4", NULL, 0, NULL}},
     ""},
    {{"repo", "add", "acme/infra", "--forge-id", "99", "--installation", "5"},
     {{"POST /api/v1/repositories "
       "{\"owner\":\"acme\",\"name\":\"infra\",\"forgeId\":99,\"installationId\":5}",
       REPO, 0, NULL}},
     "12\n"},
    {{"token", "create", "--name", "ci", "--repo", "acme/infra", "--ttl", "90d"},
     {FIND_REPO,
      {"POST /api/v1/tokens {\"name\":\"ci\",\"repositoryId\":12,\"ttl\":7776000}",
       "{\"id\":\"tok_1\",\"role\":\"member\",\"token\":\"sbx_new\"}", 0, NULL}},
     "sbx_new\n"},
    {{"token", "list", "--all"},
     {{"GET /api/v1/tokens?limit=500",
       LIST("{\"id\":\"tok_1\",\"name\":\"ci\",\"role\":\"member\",\"repositoryId\":null,"
            "\"createdAt\":null,"
            "\"createdBy\":\"ann\",\"expiresAt\":null,\"usedAt\":null,\"revokedAt\":null}"),
       0, NULL}},
     "tok_1\tci\tmember\t\t\tann\t\t\t\n"},
    {{"secrets", "set", "t", "--repo", "Acme/infra", "--value", "v", "--description", "d"},
     {FIND_REPO,
      {"PUT /api/v1/repositories/12/secrets/t {\"value\":\"v\",\"description\":\"d\"}", "{}", 0, NULL}},
     ""},
    {{"secrets", "set-value", "t", "--repo", "Acme/infra", "--value", "v"},
     {FIND_REPO, {"PUT /api/v1/repositories/12/secrets/t {\"value\":\"v\"}", "{}", 0, NULL}},
     ""},
    {{"secrets", "list", "--repo", "Acme/infra"},
     {FIND_REPO,
      {"GET /api/v1/repositories/12/secrets?limit=50",
       LIST("{\"name\":\"t\",\"description\":\"d\",\"createdAt\":null,\"updatedAt\":null,"
            "\"updatedBy\":\"ann\"}"),
       0, NULL}},
     "t\td\t\t\tann\n"},
    {{"secrets", "rm", "t", "--repo", "Acme/infra"},
     {FIND_REPO, {"DELETE /api/v1/repositories/12/secrets/t", NULL, 0, NULL}},
     ""},
    {{"runners", "set", "eu-1", "--repo", "Acme/infra", "--endpoint", "https://r.example/dispatch",
      "--token-secret", "t"},
     {FIND_REPO,
      {"PUT /api/v1/repositories/12/runners/eu-1 "
       "{\"endpoint\":\"https://r.example/dispatch\",\"tokenSecret\":\"t\"}",
       "{}", 0, NULL}},
     ""},
    {{"runners", "list", "--repo", "Acme/infra"},
     {FIND_REPO,
      {"GET /api/v1/repositories/12/runners?limit=50",
       LIST("{\"name\":\"eu-1\",\"endpoint\":\"https://r.example/dispatch\",\"tokenSecret\":\"t\","
            "\"tokenIsSet\":true,\"updatedAt\":null,\"updatedBy\":\"ann\"}"),
       0, NULL}},
     "eu-1\thttps://r.example/dispatch\tt\tyes\t\tann\n"},
    {{"runners", "rm", "eu-1", "--repo", "Acme/infra"},
     {FIND_REPO, {"DELETE /api/v1/repositories/12/runners/eu-1", NULL, 0, NULL}},
     ""},
    {{"actions", "list", "--repo", "Acme/infra"},
     {FIND_REPO, {"GET /api/v1/repositories/12/actions?limit=50", LIST(ACTION), 0, NULL}},
     "grow\tapi\tatmos-workflow\tw\ts\t\tann\n"},
    {{"actions", "show", "grow", "--repo", "Acme/infra"},
     {FIND_REPO, {"GET /api/v1/repositories/12/actions/grow", ACTION, 0, NULL}},
     "action\tgrow\ntitle\t\ndescription\t\nsource\tapi\n"
     "parameters\t[{\"name\":\"by\",\"type\":\"number\"},{\"name\":\"who\"}]\n"
     "trigger\t{\"type\":\"atmos-workflow\",\"workflow\":\"w\",\"stack\":\"s\"}\n"
     "timeout\t60\ncreated\t\nchanged\t\nby\tann\n"},
    {{"actions", "set", "grow", "--repo", "Acme/infra", "--file", ACTION_FILE},
     {FIND_REPO,
      {"PUT /api/v1/repositories/12/actions/grow {\"trigger\":{\"type\":\"noop\"}}", "{}", 0, NULL}},
     ""},
    {{"actions", "rm", "grow", "--repo", "Acme/infra"},
     {FIND_REPO, {"DELETE /api/v1/repositories/12/actions/grow", NULL, 0, NULL}},
     ""},
    {{"actions", "run", "grow", "--repo", "Acme/infra", "--param", "by=3", "--param", "who=3"},
     {FIND_REPO,
      {"GET /api/v1/repositories/12/actions/grow", ACTION, 0, NULL},
      {"POST /api/v1/repositories/12/actions/grow/runs {\"parameters\":{\"by\":3,\"who\":\"3\"}}",
       ACTION_RUN, 0, NULL}},
     "u1\n"},
    {{"action-runs", "list", "--repo", "Acme/infra", "--state", "running"},
     {{"GET /api/v1/action-runs?repo=Acme%2Finfra&state=running&limit=50", LIST(ACTION_RUN), 0, NULL}},
     "u1\tacme/infra\tgrow\trunning\t\t\tann\t\n"},
    {{"action-runs", "show", "u1"},
     {{"GET /api/v1/action-runs/u1", ACTION_RUN, 0, NULL}},
     "run\tu1\nrepository\tacme/infra\naction\tgrow\nparameters\t{\"by\":3}\nstate\trunning\n"
     "error\t\nmetadata\t\nby\tann\ncreated\t\ntaken\t\nended\t\nover at\t\nstop asked\t\n"
     "stop asked by\t\n"},
    {{"action-runs", "cancel", "u1"},
     {{"POST /api/v1/action-runs/u1/cancel", ACTION_RUN, 0, NULL}},
     ""},
    {{"members", "list"},
     {{"GET /api/v1/members?limit=50", LIST(MEMBER), 0, NULL}},
     "per_1\tMona\tMona L.\tgithub\tadmin\t\tann\t2026-11-21T11:58:00Z\n"},
    {{"members", "invite", "--role", "admin", "--login", "mona"},
     {{"POST /api/v1/invitations {\"role\":\"admin\",\"login\":\"mona\"}",
       "{\"id\":\"inv_1\",\"url\":\"https://s/welcome#code=c\"}", 0, NULL}},
     "https://s/welcome#code=c\n"},
    {{"members", "invitations"},
     {{"GET /api/v1/invitations?limit=50",
       LIST("{\"id\":\"inv_1\",\"role\":\"owner\",\"login\":null,\"createdAt\":null,\"createdBy\":"
            "\"ann\",\"expiresAt\":null,\"url\":null}"),
       0, NULL}},
     "inv_1\towner\t\t\tann\t\t\n"},
    {{"members", "uninvite", "inv_1"}, {{"DELETE /api/v1/invitations/inv_1", NULL, 0, NULL}}, ""},
    {{"members", "role", "mona", "member"},
     {{"GET /api/v1/members?limit=500", LIST(MEMBER), 0, NULL},
      {"PATCH /api/v1/members/per_1 {\"role\":\"member\"}", MEMBER, 0, NULL}},
     ""},
    {{"members", "rm", "per_1"}, {{"DELETE /api/v1/members/per_1", NULL, 0, NULL}}, ""},
    {{"token", "revoke", "tok_1"}, {{"DELETE /api/v1/tokens/tok_1", NULL, 0, NULL}}, ""},
};

static size_t steps_of(const struct flow *f)
{
    size_t n = 0;
    while (n < COUNT(f->step) && f->step[n].request)
        n++;
    return n;
}

static void every_verb_asks_what_the_contract_says(void **state)
{
    for (size_t i = 0; i < COUNT(FLOWS); i++) {
        const struct flow *f = &FLOWS[i];
        char wanted[4096] = "";
        size_t n = steps_of(f);
        for (size_t k = 0; k < n; k++)
            snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s\n",
                     f->step[k].request);
        script(f->step, n);
        int code = run_words(f->words);
        if (code || strcmp(rig.asked, wanted) != 0 || strcmp(rig.out, f->out) != 0)
            fail_msg("flow %zu (%s): exit %d, %s\nasked:\n%swanted:\n%sprinted:\n%swanted:\n%s", i,
                     f->words[0], code, rig.err, rig.asked, wanted, rig.out, f->out);
        assert_int_equal(rig.authorized, rig.requests);
    }
}

static bool has_flow(const struct verb *v)
{
    for (size_t i = 0; i < COUNT(FLOWS); i++) {
        int words;
        if (verb_find(str_of(FLOWS[i].words[0]), str_of(FLOWS[i].words[1]), &words) == v)
            return true;
    }
    return v->run == verb_doctor || verb_is_alone(v);
}

static void no_verb_is_without_a_flow(void **state)
{
    for (const struct verb *v = verbs; v->name; v++)
        if (!has_flow(v))
            fail_msg("%s has none", v->name);
}

/* ---- refusals ---- */

static const struct {
    int status;
    const char *tag;
    int code;
    size_t tries;
} REFUSALS[] = {
    {400, "ValidationError", 2, 1},
    {401, "InvalidToken", 3, 1},
    {401, "TokenExpired", 3, 1},
    {403, "PermissionDenied", 3, 1},
    {404, "NotFound", 4, 1},
    {404, "LockNotFound", 4, 1},
    {405, "MethodNotAllowed", 2, 1},
    {408, "RequestTimeout", 7, 1},
    {409, "Conflict", 5, 1},
    {413, "PayloadTooLarge", 6, 1},
    {415, "UnsupportedMediaType", 2, 1},
    {431, "HeadersTooLarge", 6, 1},
    {500, "InternalError", 9, 1},
    {502, "UpstreamError", 8, 1},
    {503, "Unavailable", 7, 3},
    {503, "StorageUnavailable", 7, 3},
    {409, "SomethingNewer", 5, 1},
    {418, "SomethingNewer", 2, 1},
    {599, "SomethingNewer", 9, 1},
};

static void every_refusal_has_its_exit_code_for_every_verb(void **state)
{
    char body[256];
    for (size_t i = 0; i < COUNT(FLOWS); i++)
        for (size_t k = 0; k < COUNT(REFUSALS); k++) {
            snprintf(body, sizeof body,
                     "{\"success\":false,\"errorTag\":\"%s\",\"errorMessage\":\"no, "
                     "because\",\"data\":null,"
                     "\"traceId\":\"req_42\"}",
                     REFUSALS[k].tag);
            SCRIPT({.status = REFUSALS[k].status, .envelope = body});
            int code = run_words(FLOWS[i].words);
            if (code != REFUSALS[k].code || rig.requests != REFUSALS[k].tries || rig.out[0] ||
                !strstr(rig.err, "no, because\n") || !strstr(rig.err, "\ntrace id: req_42\n"))
                fail_msg("%s, %s: exit %d instead of %d, asked %zu times\n%s%s", FLOWS[i].words[0],
                         REFUSALS[k].tag, code, REFUSALS[k].code, rig.requests, rig.err, rig.out);
        }
}

static void what_was_not_in_order_is_listed(void **state)
{
    SCRIPT({.status = 400,
            .envelope = "{\"success\":false,\"errorTag\":\"ValidationError\",\"errorMessage\":"
                        "\"not like this\","
                        "\"data\":{\"validationErrors\":[\"first "
                        "\\u001b[31m\",\"second\"]},\"traceId\":\"req_9\"}"});
    assert_int_equal(run("repo", "set", "12", "strict_plans=on", NULL), 2);
    assert_string_equal(
        rig.err,
        "signalbox: not like this\n  - first \xef\xbf\xbd[31m\n  - second\ntrace id: req_9\n");
}

static void a_server_that_is_not_there_is_exit_7(void **state)
{
    rig_env("SIGNALBOX_URL", "http://127.0.0.1:1");
    for (size_t i = 0; i < COUNT(FLOWS); i++) {
        assert_int_equal(run_words(FLOWS[i].words), 7);
        assert_has(rig.err, "the server at http://127.0.0.1:1 cannot be reached");
        assert_string_equal(rig.out, "");
    }
}

static void what_is_no_signalbox_is_exit_8(void **state)
{
    static const char *const bodies[] = {"<html>It works</html>", "[]", "{}", "",
                                         "{\"success\":true"};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        SCRIPT({.envelope = bodies[i]});
        assert_int_equal(run("locks", NULL), 8);
        assert_has(rig.err, "is no Signalbox");
    }
}

static void success_must_be_said_and_not_only_sent(void **state)
{
    SCRIPT({.envelope = "{\"success\":false,\"errorTag\":\"NotFound\",\"errorMessage\":\"gone\"}"});
    assert_int_equal(run("locks", NULL), 4);
}

/* Cut short it would ask for something else. */
static void what_is_long_is_sent_whole(void **state)
{
    static char name[20000];
    memset(name, '"', sizeof name - 1); /* six bytes each in a path or a text */
    SCRIPT({.data = LIST("")});
    run("rerun", "b1", "-c", name, "-s", "prod", NULL);
    assert_true(rig.asked_len > 2 * (sizeof name - 1));
    assert_true(str_ends(str_of(rig.asked), STR("\\\"\"}\n")));
}

/* ---- repeating ---- */

static void a_busy_server_is_asked_again_and_a_command_stays_the_same_command(void **state)
{
    static const char busy[] =
        "{\"success\":false,\"errorTag\":\"Unavailable\",\"errorMessage\":\"busy\"}";
    SCRIPT({.status = 503, .envelope = busy}, {.status = 503, .envelope = busy},
           {.data = "{\"batch\":\"b1\"}"});
    assert_int_equal(run("cancel", "b1", NULL), 0);
    assert_int_equal(rig.requests, 3);
    assert_int_equal(rig.keyed, 3);
    assert_true(rig.same_key);
    assert_true(rig.slept_ms > 0);
}

static void two_calls_are_two_commands(void **state)
{
    char key[64];
    SCRIPT({.data = "{}"});
    run("cancel", "b1", NULL);
    snprintf(key, sizeof key, "%s", rig.last_key);
    run("cancel", "b1", NULL);
    assert_string_not_equal(key, rig.last_key);
}

static void a_command_that_is_still_worked_on_is_said(void **state)
{
    SCRIPT({.status = 202,
            .envelope = "{\"success\":true,\"data\":{\"factId\":7,\"state\":\"pending\"}}"});
    assert_int_equal(run("retry", "b1", NULL), 0);
    assert_has(rig.err, "still working on it");
}

/* ---- answers that are lost ---- */

struct gone {
    int listener;
    atomic_int calls;
};

/* Reads what comes, and hangs up. */
static void *hang_up(void *arg)
{
    struct gone *g = arg;
    int fd;
    char bytes[4096];
    while ((fd = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (read(fd, bytes, sizeof bytes) > 0)
            atomic_fetch_add(&g->calls, 1);
        close(fd);
    }
    return NULL;
}

static void only_what_may_happen_twice_is_sent_twice(void **state)
{
    struct gone g = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    pthread_t thread;
    char url[64];
    assert_int_equal(bind(g.listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(g.listener, 8), 0);
    assert_int_equal(getsockname(g.listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(pthread_create(&thread, NULL, hang_up, &g), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", ntohs(at.sin_port));
    rig_env("SIGNALBOX_URL", url);

    assert_int_equal(run("lock", "k", "--ttl", "5m", NULL), 8);
    assert_has(rig.err, "It may have taken effect: look before you try again");
    assert_int_equal(atomic_exchange(&g.calls, 0), 1);
    assert_int_equal(run("token", "create", "--name", "x", NULL), 8);
    assert_int_equal(atomic_exchange(&g.calls, 0), 1);
    assert_int_equal(run("cancel", "b1", NULL), 8);
    assert_has(rig.err, "Trying again does no harm");
    assert_int_equal(atomic_exchange(&g.calls, 0), 3);

    shutdown(g.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(g.listener);
}

/* ---- the lock that is held ---- */

static void a_lock_that_is_held_shows_its_holder(void **state)
{
    SCRIPT({.status = 409,
            .envelope = "{\"success\":false,\"errorTag\":\"LockAlreadyExists\",\"errorMessage\":"
                        "\"k is locked\","
                        "\"context\":{\"locked_by\":\"ann\",\"expires_at\":\"2026-11-21T12:05:"
                        "00Z\",\"message\":\"mig\"},"
                        "\"data\":null,\"traceId\":\"req_3\"}"},
           {.data = LIST(LOCK)});
    assert_int_equal(run("lock", "k", "--ttl", "5m", NULL), 5);
    assert_string_equal(rig.err,
                        "signalbox: k is locked\ntrace id: req_3\n  message  m\n  by       ci\n"
                        "  expires  2026-11-21T12:05:00Z (in 5 min)\n  token    7\n");
    assert_has(rig.asked, "GET /api/v1/locks?key=k&limit=1\n");
    assert_string_equal(rig.out, "");
}

static void an_instance_that_waits_for_no_lock_or_twice_ends_none(void **state)
{
    static const char twice[] =
        "{\"items\":[{\"position\":3,\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"a.yaml\"},"
        "{\"position\":4,\"stack\":\"prod\",\"component\":\"vpc\",\"workflow\":\"p.yaml\"}],"
        "\"nextCursor\":null}";
    SCRIPT({.data = twice}, {.data = twice});
    assert_int_equal(run("skip-wait", "b1", "-c", "eks", "-s", "prod", NULL), 5);
    assert_has(rig.err, "eks in prod does not wait for a lock in this batch");
    assert_has(rig.err, "signalbox explain b1 --component eks --stack prod");
    assert_int_equal(run("skip-wait", "b1", "-c", "vpc", "-s", "prod", NULL), 5);
    assert_has(rig.err, "2 nodes of this instance wait for a lock: give the workflow, too");
    assert_string_equal(rig.asked, "GET /api/v1/batches/b1/nodes?state=locked&limit=500\n");
}

static void a_holder_that_cannot_be_read_is_shown_from_the_refusal(void **state)
{
    static const char refusal[] =
        "{\"success\":false,\"errorTag\":\"LockAlreadyExists\",\"errorMessage\":\"k is locked\","
        "\"context\":{\"locked_by\":\"ann\",\"expires_at\":\"2026-11-21T12:00:30Z\",\"message\":"
        "\"mig\"}}";
    SCRIPT({.status = 409, .envelope = refusal});
    assert_int_equal(run("lock", "k", "--ttl", "5m", NULL), 5);
    assert_has(rig.err,
               "  message  mig\n  by       ann\n  expires  2026-11-21T12:00:30Z (in 30s)\n");
}

/* ---- pages ---- */

static void pages_are_put_together_up_to_the_limit(void **state)
{
    SCRIPT({.data = "{\"items\":[{\"id\":1}],\"nextCursor\":\"c1\"}"},
           {.data = "{\"items\":[{\"id\":2}],\"nextCursor\":\"c2\"}"},
           {.data = "{\"items\":[{\"id\":3}],\"nextCursor\":null}"});
    assert_int_equal(run("repo", "list", "--all", "--json", NULL), 0);
    assert_string_equal(rig.out,
                        "{\"items\":[{\"id\":1},{\"id\":2},{\"id\":3}],\"nextCursor\":null}\n");
    assert_string_equal(
        rig.asked,
        "GET /api/v1/repositories?limit=500\nGET /api/v1/repositories?limit=500&cursor=c1\n"
        "GET /api/v1/repositories?limit=500&cursor=c2\n");
    assert_int_equal(run("repo", "list", "--limit", "2", NULL), 0);
    assert_int_equal(rig.requests, 2);
    assert_has(rig.asked, "?limit=1&cursor=c1");
    assert_string_equal(rig.err, ""); /* who gave a limit knows of it */
}

static void a_list_that_is_cut_short_says_so(void **state)
{
    char data[2048] = "{\"items\":[";
    for (int i = 0; i < 50; i++)
        snprintf(data + strlen(data), sizeof data - strlen(data), "%s{\"id\":%d}", i ? "," : "", i);
    snprintf(data + strlen(data), sizeof data - strlen(data), "],\"nextCursor\":\"c1\"}");
    SCRIPT({.data = data});
    assert_int_equal(run("repo", "list", NULL), 0);
    assert_int_equal(rig.requests, 1);
    assert_string_equal(rig.err, "These are the first 50; there are more: --limit 200, or --all\n");
}

static void a_server_that_turns_in_circles_is_left(void **state)
{
    SCRIPT({.data = "{\"items\":[],\"nextCursor\":\"c1\"}"});
    assert_int_equal(run("repo", "list", "--all", NULL), 0);
    assert_int_equal(rig.requests, 1);
    SCRIPT({.data = "{\"items\":[{\"id\":1}],\"nextCursor\":\"c1\"}"});
    assert_int_equal(run("repo", "list", "--all", NULL), 0);
    assert_int_equal(rig.requests, 2);
}

/* ---- tokens ---- */

static void a_new_token_goes_into_the_file_and_nowhere_else(void **state)
{
    char path[] = "/tmp/signalbox-cli-token-XXXXXX", text[64] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    SCRIPT({.data = "{\"id\":\"tok_1\",\"role\":\"admin\",\"token\":\"sbx_new\",\"expiresAt\":"
                    "\"2027-01-01T00:00:00Z\"}"});
    assert_int_equal(
        run("token", "create", "--name", "x", "--role", "admin", "--output", path, NULL), 0);
    assert_string_equal(rig.out, "");
    assert_lacks(rig.err, "sbx_new");
    assert_has(rig.err, "Token tok_1 (admin), until 2027-01-01T00:00:00Z");
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    close(fd);
    unlink(path);
    assert_string_equal(text, "sbx_new\n");
    SCRIPT({.data = "{\"id\":\"tok_1\",\"token\":\"two\\nlines\"}"});
    assert_int_equal(run("token", "create", "--name", "x", NULL), 8);
    assert_string_equal(rig.out, "");
}

/* ---- doctor ---- */

#define WELL                                                                                       \
    {.data = "{\"ok\":true}"}, {.data = "{\"ready\":true,\"oldestFactMs\":0}"},                    \
        {.data = LIST("{\"id\":\"ws_1\",\"name\":\"main\"}")},                                     \
    {                                                                                              \
        .data = LIST("")                                                                           \
    }
#define NO_SETUP                                                                                   \
    {                                                                                              \
        .status = 409,                                                                             \
        .envelope = "{\"success\":false,\"errorTag\":\"Conflict\",\"errorMessage\":\"already\"}"   \
    }

static void doctor_says_what_is_well(void **state)
{
    SCRIPT(WELL, NO_SETUP, {.data = LIST(REPO)}, {.data = LIST("")});
    rig.start_ms = clock_utc_ms(); /* the stub tells the machine's own time */
    assert_int_equal(run("doctor", NULL), 0);
    assert_has(rig.out, "ok\tclock\t");
    assert_has(rig.out, "ok\tserver\t");
    assert_has(rig.out, "ok\treadiness\t");
    assert_has(rig.out, "ok\ttoken\tfrom SIGNALBOX_TOKEN: an admin's of workspace main\n");
    assert_has(rig.out, "ok\tGitHub App\tis set up\n");
    assert_has(rig.out, "ok\trepositories\t1, all with the App\n");
    assert_has(rig.out, "ok\tfacts\t");
    assert_string_equal(
        rig.asked,
        "GET /healthz\nGET /readyz\nGET /api/v1/workspaces\nGET /api/v1/tokens?limit=1\nGET "
        "/setup\n"
        "GET /api/v1/repositories?limit=500\nGET /api/v1/facts?state=set_aside&limit=1\n");
    assert_int_equal(rig.authorized, 4); /* healthz, readyz and setup are asked without */
}

static void doctor_says_what_to_mend(void **state)
{
    SCRIPT(WELL, {.envelope = "<html>"}, {.data = LIST("")},
           {.data = LIST("{\"id\":9,\"kind\":\"upload\",\"note\":\"bad\"}")});
    rig.start_ms = clock_utc_ms();
    assert_int_equal(run("doctor", NULL), 5);
    assert_has(rig.out, "wrong\tGitHub App\tthere is none yet: open http://127.0.0.1:");
    assert_has(rig.out, "wrong\trepositories\tthere is none: install the App on one");
    assert_has(
        rig.out,
        "note\tfacts\tsomething that came in could not be applied (upload, number 9): bad\n");

    rig_env("SIGNALBOX_TOKEN", NULL);
    assert_int_equal(run("doctor", NULL), 3);
    assert_has(rig.out, "wrong\ttoken\tthere is no token");

    rig_env("SIGNALBOX_URL", "http://127.0.0.1:1");
    assert_int_equal(run("doctor", NULL), 7);
    assert_has(rig.out, "wrong\tserver\t");
}

static void doctor_notes_what_is_not_wrong_but_odd(void **state)
{
    rig.start_ms = clock_utc_ms();
    SCRIPT({.data = "{\"ok\":true}"}, {.data = "{\"ready\":true,\"oldestFactMs\":120000}"},
           {.data = LIST("{\"name\":\"main\"}")},
           {.status = 403,
            .envelope =
                "{\"success\":false,\"errorTag\":\"PermissionDenied\",\"errorMessage\":\"no\"}"},
           NO_SETUP,
           {.data = LIST("{\"id\":1,\"owner\":\"a\",\"name\":\"b\",\"installationId\":null}")},
           {.data = LIST("")});
    assert_int_equal(run("doctor", NULL), 0);
    assert_has(rig.out, "note\treadiness\tready, but what came in waits for 2 min");
    assert_has(rig.out, "ok\ttoken\tfrom SIGNALBOX_TOKEN: a member's of workspace main\n");
    assert_has(rig.out, "note\trepositories\t1, of which 1 have no installation");
}

static void output_that_is_lost_is_a_failure(void **state)
{
    rig.full = true;
    SCRIPT({.data = LIST(LOCK)});
    assert_int_equal(run("locks", NULL), 9);
    assert_has(rig.err, "the output could not be written");
}

static void doctor_notices_clocks_that_disagree(void **state)
{
    SCRIPT(WELL, NO_SETUP, {.data = LIST(REPO)}, {.data = LIST("")});
    rig.start_ms = clock_utc_ms() + 2 * 3600 * 1000;
    assert_int_equal(run("doctor", NULL), 5);
    assert_has(rig.out, "wrong\tclock\tthis machine and the server are 2 h apart");
}

static int setup(void **state)
{
    struct err e = {0};
    return io_replace_file(ACTION_FILE, STR("trigger: { type: noop }\n"), 0600, &e)
               ? rig_setup(state)
               : -1;
}

static int teardown(void **state)
{
    unlink(ACTION_FILE);
    return rig_teardown(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, rig_fresh)
    const struct CMUnitTest tests[] = {
        T(every_verb_asks_what_the_contract_says),
        T(no_verb_is_without_a_flow),
        T(every_refusal_has_its_exit_code_for_every_verb),
        T(what_was_not_in_order_is_listed),
        T(a_server_that_is_not_there_is_exit_7),
        T(what_is_no_signalbox_is_exit_8),
        T(success_must_be_said_and_not_only_sent),
        T(what_is_long_is_sent_whole),
        T(a_busy_server_is_asked_again_and_a_command_stays_the_same_command),
        T(only_what_may_happen_twice_is_sent_twice),
        T(two_calls_are_two_commands),
        T(a_command_that_is_still_worked_on_is_said),
        T(a_lock_that_is_held_shows_its_holder),
        T(an_instance_that_waits_for_no_lock_or_twice_ends_none),
        T(a_holder_that_cannot_be_read_is_shown_from_the_refusal),
        T(pages_are_put_together_up_to_the_limit),
        T(a_list_that_is_cut_short_says_so),
        T(a_server_that_turns_in_circles_is_left),
        T(a_new_token_goes_into_the_file_and_nowhere_else),
        T(doctor_says_what_is_well),
        T(doctor_says_what_to_mend),
        T(doctor_notes_what_is_not_wrong_but_odd),
        T(output_that_is_lost_is_a_failure),
        T(doctor_notices_clocks_that_disagree),
    };
    return cmocka_run_group_tests_name("cli flows", tests, setup, teardown);
}
