import type { CheckRun } from '../model.ts';
import { bodyOf, idParam, ok, paged, type Call, type Reply, type Route } from '../router.ts';
import { repoMinimalShape, repoUrl } from '../shapes.ts';
import { checkRunShape, statusShape, suiteShape } from '../shapes-checks.ts';
import { asString, HttpError, isObject, notFound, type Json } from '../util.ts';

export const check_text_chars_max = 65_535;
const annotations_max = 50;
const actions_max = 3;
const conclusions = [
    'action_required',
    'cancelled',
    'failure',
    'neutral',
    'success',
    'skipped',
    'timed_out',
];

function invalidCheck(message: string): HttpError {
    return new HttpError(422, `Invalid request.\n\n${message}`);
}

function outputCheck(output: unknown): void {
    if (output === undefined) return;
    if (!isObject(output)) throw invalidCheck('"output" is not an object.');
    if (typeof output['summary'] !== 'string') throw invalidCheck('"summary" wasn\'t supplied.');
    for (const name of ['summary', 'text']) {
        const text = output[name];
        if (typeof text === 'string' && [...text].length > check_text_chars_max) {
            throw invalidCheck(
                `Only ${check_text_chars_max} characters are allowed; ${[...text].length} were supplied.`,
            );
        }
    }
    const annotations = output['annotations'];
    if (Array.isArray(annotations) && annotations.length > annotations_max) {
        throw invalidCheck(
            `No more than ${annotations_max} items are allowed; ${annotations.length} were supplied.`,
        );
    }
}

function actionsCheck(actions: unknown): void {
    if (actions === undefined) return;
    if (!Array.isArray(actions) || actions.length > actions_max)
        throw invalidCheck('No more than 3 items are allowed.');
    for (const one of actions as unknown[]) {
        const limits: [string, number][] = [
            ['label', 20],
            ['identifier', 20],
            ['description', 40],
        ];
        for (const [name, max] of limits) {
            const text = isObject(one) ? one[name] : undefined;
            if (typeof text !== 'string') throw invalidCheck(`"${name}" wasn't supplied.`);
            if ([...text].length > max)
                throw invalidCheck(
                    `Only ${max} characters are allowed; ${[...text].length} were supplied.`,
                );
        }
    }
}

/** Rules shared by create and update. A conclusion alone means completed. */
function apply(run: CheckRun, body: Json, nowMs: number): void {
    outputCheck(body['output']);
    actionsCheck(body['actions']);
    const conclusion = asString(body['conclusion']);
    if (conclusion !== undefined && !conclusions.includes(conclusion)) {
        throw invalidCheck(`"${conclusion}" is not a valid conclusion.`);
    }
    const status = conclusion !== undefined ? 'completed' : asString(body['status']);
    if (status === 'completed' && conclusion === undefined && run.conclusion === null) {
        throw invalidCheck('"conclusion" is required when "status" is "completed".');
    }
    if (status !== undefined && !['queued', 'in_progress', 'completed'].includes(status)) {
        throw invalidCheck(`"${status}" is not a valid status.`);
    }
    run.name = asString(body['name']) ?? run.name;
    run.externalId = asString(body['external_id']) ?? run.externalId;
    run.detailsUrl = asString(body['details_url']) ?? run.detailsUrl;
    if (status !== undefined) run.status = status;
    run.conclusion = run.status === 'completed' ? (conclusion ?? run.conclusion) : null;
    run.completedAt = run.status === 'completed' ? (timeOf(body['completed_at']) ?? nowMs) : null;
    run.startedAt = timeOf(body['started_at']) ?? run.startedAt;
    if (Array.isArray(body['actions'])) run.actions = body['actions'] as Json[];
    const output = body['output'];
    if (isObject(output)) {
        const text = asString(output['text']) ?? null;
        run.output = {
            title: asString(output['title']) ?? run.output.title,
            summary: asString(output['summary']) ?? null,
            text,
        };
        if (Array.isArray(output['annotations']))
            run.annotations.push(...(output['annotations'] as Json[]));
    }
    run.revisions.push({
        at: nowMs,
        status: run.status,
        conclusion: run.conclusion,
        output: { ...run.output },
    });
}

function timeOf(value: unknown): number | undefined {
    const at = typeof value === 'string' ? Date.parse(value) : NaN;
    return Number.isNaN(at) ? undefined : at;
}

function create(call: Call): Reply {
    const { repo, forge } = call;
    const body = bodyOf(call);
    const name = asString(body['name']);
    const sha = asString(body['head_sha']);
    if (name === undefined) throw invalidCheck('"name" wasn\'t supplied.');
    if (sha === undefined) throw invalidCheck('"head_sha" wasn\'t supplied.');
    if (!/^[0-9a-f]{40}$/.test(sha)) throw new HttpError(422, `No commit found for SHA: ${sha}`);
    const branch = [...repo.git.refs].find(
        ([ref, tip]) => tip === sha && ref.startsWith('refs/heads/'),
    );
    const suite = forge.people.suite(repo, sha, branch?.[0].slice(11) ?? null, null);
    const run: CheckRun = {
        id: forge.world.id('check', 49_000_000_001),
        suite,
        name,
        sha,
        status: 'queued',
        conclusion: null,
        externalId: '',
        detailsUrl: null,
        startedAt: call.nowMs,
        completedAt: null,
        annotations: [],
        output: { title: null, summary: null, text: null },
        actions: [],
        revisions: [],
        app: call.token.viaApp ? 'ours' : 'actions',
    };
    apply(run, body, call.nowMs);
    repo.checkRuns.set(run.id, run);
    const shape = checkRunShape(repo, run, forge.world.app, forge.origin);
    forge.events.checkRun('created', repo, run, call.token.actor);
    if (run.status === 'completed') forge.events.checkRun('completed', repo, run, call.token.actor);
    return ok(shape, 201);
}

function runOf(call: Call): CheckRun {
    const run = call.repo.checkRuns.get(idParam(call, 'check'));
    if (!run) throw notFound();
    return run;
}

function update(call: Call): Reply {
    const { repo, forge } = call;
    const run = runOf(call);
    if (run.app === 'ours' && !call.token.viaApp)
        throw new HttpError(403, 'Resource not accessible by integration');
    const wasDone = run.status === 'completed';
    apply(run, bodyOf(call), call.nowMs);
    if (run.status === 'completed' && !wasDone)
        forge.events.checkRun('completed', repo, run, call.token.actor);
    return ok(checkRunShape(repo, run, forge.world.app, forge.origin));
}

function listForRef(call: Call): Reply {
    const { repo, forge } = call;
    const ref = call.params['ref'] ?? '';
    const sha = repo.git.resolve(ref);
    if (!sha) throw new HttpError(422, `No commit found for SHA: ${ref}`);
    const name = call.query.get('check_name');
    const status = call.query.get('status');
    const app = call.query.get('app_id');
    const all = [...repo.checkRuns.values()].filter(
        (run) =>
            run.sha === sha &&
            (name === null || run.name === name) &&
            (status === null || run.status === status) &&
            (app === null || Number(app) === (run.app === 'ours' ? forge.world.app.id : 15368)),
    );
    const latest =
        call.query.get('filter') === 'all'
            ? all
            : all.filter(
                  (run) => !all.some((other) => other.name === run.name && other.id > run.id),
              );
    return paged(
        call,
        latest.map((run) => checkRunShape(repo, run, forge.world.app, forge.origin)),
        (page) => ({ total_count: latest.length, check_runs: page }),
    );
}

async function suites(call: Call): Promise<Reply> {
    const { repo, forge } = call;
    const sha = repo.git.resolve(call.params['ref'] ?? '') ?? '';
    const suite = repo.suites.get(sha);
    const commit = await repo.git.commit(sha);
    if (!suite || !commit) return ok({ total_count: 0, check_suites: [] });
    const shape = suiteShape(repo, suite, commit, forge.world.app, forge.origin);
    return ok({
        total_count: 1,
        check_suites: [{ ...shape, repository: repoMinimalShape(repo, forge.origin) }],
    });
}

function combined(call: Call): Reply {
    const { repo, forge } = call;
    const sha = repo.git.resolve(call.params['ref'] ?? '');
    if (!sha) throw notFound();
    const latest = new Map(
        repo.statuses
            .filter((one) => one.sha === sha)
            .map((one) => [one.context.toLowerCase(), one]),
    );
    const states = [...latest.values()].map((one) => one.state);
    const isBad = states.some((state) => state === 'error' || state === 'failure');
    const isPending = states.length === 0 || states.includes('pending');
    const url = repoUrl(repo, forge.origin);
    return ok({
        state: isBad ? 'failure' : isPending ? 'pending' : 'success',
        sha,
        total_count: latest.size,
        statuses: [...latest.values()].map((one) => statusShape(repo, one, forge.origin)),
        repository: repoMinimalShape(repo, forge.origin),
        commit_url: `${url}/commits/${sha}`,
        url: `${url}/commits/${sha}/status`,
    });
}

const base = '/repos/:owner/:repo';

export const checkRoutes: Route[] = [
    {
        method: 'POST',
        template: `${base}/check-runs`,
        auth: 'token',
        needs: 'checks:write',
        handle: create,
    },
    {
        method: 'PATCH',
        template: `${base}/check-runs/:check`,
        auth: 'token',
        needs: 'checks:write',
        handle: update,
    },
    {
        method: 'GET',
        template: `${base}/check-runs/:check`,
        auth: 'token',
        needs: 'checks:read',
        handle: (call) =>
            ok(checkRunShape(call.repo, runOf(call), call.forge.world.app, call.forge.origin)),
    },
    {
        method: 'GET',
        template: `${base}/commits/*ref/check-runs`,
        auth: 'token',
        needs: 'checks:read',
        handle: listForRef,
    },
    {
        method: 'GET',
        template: `${base}/commits/*ref/check-suites`,
        auth: 'token',
        needs: 'checks:read',
        handle: suites,
    },
    {
        method: 'GET',
        template: `${base}/commits/*ref/status`,
        auth: 'token',
        needs: 'statuses:read',
        handle: combined,
    },
];
