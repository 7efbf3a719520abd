import type { Run } from '../model.ts';
import { bodyOf, idParam, ok, paged, type Call, type Reply, type Route } from '../router.ts';
import { jobShape, runShape, runUrls, workflowShape } from '../shapes-checks.ts';
import { asString, HttpError, isObject, notFound, type Json } from '../util.ts';
import { inputs_max, inputs_max_ghes } from '../workflow.ts';

const filtered_max = 1000;

async function dispatch(call: Call): Promise<Reply> {
    const { forge, repo, token } = call;
    const body = bodyOf(call);
    const ref = asString(body['ref']);
    if (ref === undefined) {
        throw new HttpError(422, 'Invalid request.\n\n"ref" wasn\'t supplied.');
    }
    const inputs = body['inputs'] ?? {};
    if (!isObject(inputs)) {
        throw new HttpError(
            422,
            "Invalid request.\n\nFor 'properties/inputs', the value is not an object.",
        );
    }
    const isDotcom = forge.dispatchStyle === 'dotcom';
    if (forge.dispatchStyle === 'ghes-strict' && body['return_run_details'] !== undefined) {
        throw new HttpError(
            422,
            'Invalid request.\n\n"return_run_details" is not a permitted key.',
        );
    }
    const runs = forge.runs;
    runs.dispatching++;
    runs.dispatchingMax = Math.max(runs.dispatchingMax, runs.dispatching);
    try {
        const run = await runs.dispatch(
            repo,
            call.params['file'] ?? '',
            ref,
            inputs,
            token.actor,
            isDotcom ? inputs_max : inputs_max_ghes,
        );
        return isDotcom
            ? dispatchReply(call, run, body['return_run_details'] === true)
            : { status: 204 };
    } finally {
        runs.dispatching--;
    }
}

function dispatchReply(call: Call, run: Run, isDetailed: boolean): Reply {
    const isNewVersion = call.headers['x-github-api-version'] === '2026-03-10';
    if (!isDetailed && !isNewVersion) return { status: 204 };
    if (call.forge.lies.has('empty-dispatch')) return { status: 204 };
    const { url, html } = runUrls(run, call.forge.origin);
    const id = call.forge.lies.has('wrong-dispatch') ? String(run.id) : run.id;
    return ok({ workflow_run_id: id, run_url: url, html_url: html });
}

function createdFilter(text: string): (atMs: number) => boolean {
    const seconds = (part: string) =>
        Math.floor(Date.parse(part.length === 10 ? part + 'T00:00:00Z' : part) / 1000);
    const range = /^(.+)\.\.(.+)$/.exec(text);
    if (range) {
        const low = range[1] === '*' ? -Infinity : seconds(range[1] ?? '');
        const high = range[2] === '*' ? Infinity : seconds(range[2] ?? '');
        return (at) => at >= low && at <= high;
    }
    const match = /^(>=|<=|>|<)?(.+)$/.exec(text);
    const bound = seconds(match?.[2] ?? '');
    if (Number.isNaN(bound)) throw new HttpError(422, 'Invalid created filter');
    switch (match?.[1]) {
        case '>=':
            return (at) => at >= bound;
        case '<=':
            return (at) => at <= bound;
        case '>':
            return (at) => at > bound;
        case '<':
            return (at) => at < bound;
        default:
            return (at) => at >= bound && at < bound + (text.length === 10 ? 86_400 : 1);
    }
}

function runFilter(query: URLSearchParams): (run: Run) => boolean {
    const created = query.get('created');
    const isCreated = created === null ? undefined : createdFilter(created);
    const actor = query.get('actor')?.toLowerCase();
    const equals = (name: string, value: (run: Run) => string | null) => {
        const wanted = query.get(name);
        return (run: Run) => wanted === null || value(run) === wanted;
    };
    const status = query.get('status');
    const checks = [
        equals('event', (run) => run.event),
        equals('branch', (run) => run.ref),
        equals('head_sha', (run) => run.headSha),
        equals('check_suite_id', (run) => String(run.suite.id)),
        (run: Run) => actor === undefined || run.actor.login.toLowerCase() === actor,
        (run: Run) => status === null || run.status === status || run.conclusion === status,
        (run: Run) => isCreated === undefined || isCreated(Math.floor(run.createdAt / 1000)),
    ];
    return (run) => checks.every((check) => check(run));
}

async function runList(call: Call, only: (run: Run) => boolean): Promise<Reply> {
    const matches = runFilter(call.query);
    const found = [...call.repo.runs.values()]
        .reverse()
        .filter((run) => run.listedAt <= call.nowMs && only(run) && matches(run))
        .slice(0, filtered_max);
    const reply = paged(call, found);
    const page = await Promise.all((reply.body as Run[]).map((run) => shapeOf(call, run)));
    return { ...reply, body: { total_count: found.length, workflow_runs: page } };
}

async function shapeOf(call: Call, run: Run): Promise<Json> {
    const commit = await run.repo.git.commit(run.headSha);
    if (!commit) throw notFound();
    const shape = runShape(run, commit, call.forge.origin);
    if (call.query.get('exclude_pull_requests') === 'true') shape['pull_requests'] = [];
    return shape;
}

function runOf(call: Call): Run {
    const run = call.repo.runs.get(idParam(call, 'run'));
    if (!run || run.readableAt > call.nowMs) throw notFound();
    return run;
}

function jobs(call: Call): Reply {
    const run = runOf(call);
    const all = run.jobs.map((job) => jobShape(run, job, call.forge.origin));
    return paged(call, all, (page) => ({ total_count: all.length, jobs: page }));
}

function rerun(call: Call): Reply {
    call.forge.runs.rerun(runOf(call), call.token.actor);
    return ok({}, 201);
}

async function workflow(call: Call): Promise<Reply> {
    const { repo, forge } = call;
    const row = await forge.runs.rowOf(repo, call.params['file'] ?? '');
    const tip = repo.git.branch(repo.defaultBranch) ?? '';
    const parsed = await forge.world.workflow(repo, row.path, tip);
    return ok(workflowShape(repo, row, parsed?.name ?? row.path, forge.origin));
}

function pendingDeployments(call: Call): Reply {
    const run = runOf(call);
    if (run.status !== 'waiting') return ok([]);
    const names = [
        ...new Set(run.jobs.map((job) => job.environment).filter((name) => name !== undefined)),
    ];
    return ok(
        names.map((name) => ({
            environment: { id: call.repo.environments.get(name)?.id ?? 1, name, node_id: 'EN_1' },
            wait_timer: 0,
            wait_timer_started_at: null,
            current_user_can_approve: false,
            reviewers: [],
        })),
    );
}

const base = '/repos/:owner/:repo/actions';

export const actionsRoutes: Route[] = [
    {
        method: 'POST',
        template: `${base}/workflows/:file/dispatches`,
        auth: 'token',
        needs: 'actions:write',
        handle: dispatch,
    },
    {
        method: 'GET',
        template: `${base}/runs`,
        auth: 'token',
        needs: 'actions:read',
        handle: (call) => runList(call, () => true),
    },
    {
        method: 'GET',
        template: `${base}/workflows/:file/runs`,
        auth: 'token',
        needs: 'actions:read',
        handle: async (call) => {
            const row = await call.forge.runs.rowOf(call.repo, call.params['file'] ?? '');
            return runList(call, (run) => run.workflow === row);
        },
    },
    {
        method: 'GET',
        template: `${base}/workflows/:file`,
        auth: 'token',
        needs: 'actions:read',
        handle: workflow,
    },
    {
        method: 'GET',
        template: `${base}/runs/:run`,
        auth: 'token',
        needs: 'actions:read',
        handle: async (call) => ok(await shapeOf(call, runOf(call))),
    },
    {
        method: 'GET',
        template: `${base}/runs/:run/jobs`,
        auth: 'token',
        needs: 'actions:read',
        handle: jobs,
    },
    {
        method: 'GET',
        template: `${base}/runs/:run/pending_deployments`,
        auth: 'token',
        needs: 'actions:read',
        handle: pendingDeployments,
    },
    {
        method: 'POST',
        template: `${base}/runs/:run/cancel`,
        auth: 'token',
        needs: 'actions:write',
        handle: (call) => {
            call.forge.runs.cancel(runOf(call));
            return ok({}, 202);
        },
    },
    {
        method: 'POST',
        template: `${base}/runs/:run/force-cancel`,
        auth: 'token',
        needs: 'actions:write',
        handle: (call) => {
            call.forge.runs.cancel(runOf(call));
            return ok({}, 202);
        },
    },
    {
        method: 'POST',
        template: `${base}/runs/:run/rerun`,
        auth: 'token',
        needs: 'actions:write',
        handle: rerun,
    },
    {
        method: 'POST',
        template: `${base}/runs/:run/rerun-failed-jobs`,
        auth: 'token',
        needs: 'actions:write',
        handle: rerun,
    },
];
