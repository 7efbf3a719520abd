import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inputs, Rig, type Answer } from '../forge-sim/test/helper.ts';
import type { Json } from '../forge-sim/util.ts';
import { routes } from '../forge-sim/routes/index.ts';
import { derive, deriveTo } from './derive.ts';

const prism_path = fileURLToPath(new URL('./node_modules/.bin/prism', import.meta.url));
const violation_header = 'sl-violations';

function freePort(): Promise<number> {
    return new Promise((done) => {
        const server = createServer().listen(0, '127.0.0.1', () => {
            const { port } = server.address() as AddressInfo;
            server.close(() => done(port));
        });
    });
}

/** Prism between client and simulator: it judges requests and answers by GitHub's own description. */
class Proxy {
    url = '';
    private child: ChildProcess | undefined;
    private dir = mkdtempSync(join(tmpdir(), 'forge-conformance-'));

    async start(upstream: string): Promise<void> {
        const file = join(this.dir, 'github.json');
        deriveTo(file);
        const port = await freePort();
        const argv = [
            prism_path,
            'proxy',
            file,
            upstream,
            '-h',
            '127.0.0.1',
            '-p',
            String(port),
            '-v',
            'warn',
        ];
        this.child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] });
        this.url = `http://127.0.0.1:${port}`;
        for (let tries = 0; tries < 600; tries++) {
            const isUp = await fetch(this.url + '/rate_limit', {
                headers: { 'user-agent': 'probe' },
            }).then(
                () => true,
                () => false,
            );
            if (isUp) return;
            await new Promise((done) => setTimeout(done, 200));
        }
        throw new Error('Prism did not start');
    }

    stop(): void {
        this.child?.kill();
        rmSync(this.dir, { recursive: true, force: true });
    }
}

interface Violation {
    location: string[];
    severity: string;
    code: string;
    message: string;
}

function violationsOf(answer: Answer): Violation[] {
    const text = answer.headers.get(violation_header);
    return text === null ? [] : (JSON.parse(text) as Violation[]);
}

describe("GitHub's own REST description", () => {
    let rig: Rig;
    let head = '';
    let run = 0;
    let check = 0;
    let comment = 0;
    const proxy = new Proxy();
    const base = '/repos/acme/infra';

    before(async () => {
        rig = await Rig.start({ coreLimit: 100_000 });
        await proxy.start(rig.sim.ready.api);
        await rig.sim.addUser('acme/infra', 'mona', 'maintain');
        await rig.sim.addEnvironment('acme/infra', 'production', ['mona']);
        head = (
            await rig.sim.openPull('acme/infra', {
                head: 'feature',
                files: { 'stacks/dev.yaml': 'x: 1\n' },
            })
        ).head_sha;
        await rig.sim.label('acme/infra', 1, 'no-apply');
        await rig.sim.idle();
    });
    after(async () => {
        proxy.stop();
        await rig.stop();
    });
    afterEach(() => rig.sim.lie());

    const through = (
        method: string,
        path: string,
        body?: unknown,
        headers: Record<string, string> = {},
    ) =>
        rig.call(method, proxy.url + path, body, {
            accept: 'application/vnd.github+json, application/json;q=0.9',
            ...headers,
        });
    const asApp = () => ({ authorization: `Bearer ${rig.jwt}` });

    async function agreed(status: number, answering: Promise<Answer>): Promise<Answer> {
        const answer = await answering;
        assert.deepEqual(violationsOf(answer), [], answer.text.slice(0, 300));
        assert.equal(answer.status, status, answer.text.slice(0, 300));
        return answer;
    }

    it('agrees with what the token of a person reads', async () => {
        await rig.sim.browserOf('mona');
        await rig.sim.addUser('acme/infra', 'mona', 'write');
        const { app } = await rig.sim.settings();
        const back = 'http://127.0.0.1:9/auth/github/callback';
        const query = `client_id=${app.client_id}&redirect_uri=${encodeURIComponent(back)}`;
        const seen = await fetch(`${rig.sim.ready.api}/login/oauth/authorize?${query}`, {
            redirect: 'manual',
        });
        const code = new URL(seen.headers.get('location')!).searchParams.get('code');
        const given = await fetch(`${rig.sim.ready.api}/login/oauth/access_token`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({
                client_id: app.client_id,
                client_secret: app.client_secret,
                code,
            }),
        });
        const { access_token: token } = (await given.json()) as { access_token: string };
        const asPerson = { authorization: `Bearer ${token}` };
        await agreed(200, through('GET', '/user', undefined, asPerson));
        await agreed(200, through('GET', '/user/installations', undefined, asPerson));
    });

    it('agrees with the calls of the App itself', async () => {
        const tokens = `/app/installations/${rig.repo.installation_id}/access_tokens`;
        await agreed(200, through('GET', '/app', undefined, asApp()));
        await agreed(200, through('GET', '/app/installations', undefined, asApp()));
        await agreed(
            200,
            through('GET', `/app/installations/${rig.repo.installation_id}`, undefined, asApp()),
        );
        await agreed(201, through('POST', tokens, {}, asApp()));
        await agreed(
            201,
            through(
                'POST',
                tokens,
                { repository_ids: [rig.repo.id], permissions: { checks: 'write' } },
                asApp(),
            ),
        );
        await agreed(200, through('GET', `${base}/installation`, undefined, asApp()));
        await agreed(200, through('GET', '/installation/repositories'));
        await agreed(200, through('GET', '/rate_limit'));
        await agreed(200, through('GET', '/app/hook/config', undefined, asApp()));
        await agreed(200, through('PATCH', '/app/hook/config', { content_type: 'json' }, asApp()));
    });

    it('agrees with the delivery log', async () => {
        const list = await agreed(
            200,
            through('GET', '/app/hook/deliveries?per_page=5', undefined, asApp()),
        );
        const id = (list.body as unknown as Json[])[0]?.['id'];
        await agreed(
            200,
            through('GET', '/app/hook/deliveries?status=failure', undefined, asApp()),
        );
        await agreed(200, through('GET', `/app/hook/deliveries/${id}`, undefined, asApp()));
        await agreed(
            202,
            through('POST', `/app/hook/deliveries/${id}/attempts`, undefined, asApp()),
        );
    });

    it('agrees with reading the repository', async () => {
        await agreed(200, through('GET', base));
        await agreed(200, through('GET', `${base}/branches`));
        await agreed(200, through('GET', `${base}/branches/main`));
        await agreed(200, through('GET', `${base}/commits/main`));
        await agreed(200, through('GET', `${base}/commits/${head}/pulls`));
        await agreed(200, through('GET', `${base}/contents/README.md?ref=main`));
        await agreed(
            200,
            through('GET', `${base}/contents/${encodeURIComponent('stacks/dev.yaml')}`),
        );
        await agreed(200, through('GET', `${base}/contents/stacks`));
        await agreed(404, through('GET', `${base}/contents/gone.yaml`));
        await agreed(200, through('GET', `${base}/git/ref/${encodeURIComponent('heads/main')}`));
        await agreed(200, through('GET', `${base}/compare/main...feature`));
        await agreed(200, through('GET', `${base}/collaborators/mona/permission`));
        await agreed(200, through('GET', `${base}/environments`));
        await agreed(404, through('GET', '/repos/acme/gone'));
    });

    it('agrees with dispatching and with runs', async () => {
        const dispatch = `${base}/actions/workflows/plan.yaml/dispatches`;
        const made = await agreed(
            200,
            through('POST', dispatch, {
                ref: 'main',
                inputs: inputs('c-1'),
                return_run_details: true,
            }),
        );
        run = Number(made.body['workflow_run_id']);
        await agreed(204, through('POST', dispatch, { ref: 'main', inputs: inputs('c-2') }));
        await agreed(422, through('POST', dispatch, { ref: 'gone', inputs: inputs('c-3') }));
        await rig.sim.idle();
        await agreed(200, through('GET', `${base}/actions/workflows/plan.yaml`));
        await agreed(200, through('GET', `${base}/actions/runs/${run}`));
        await agreed(200, through('GET', `${base}/actions/runs/${run}/jobs`));
        const created = encodeURIComponent('>=2020-01-01T00:00:00Z');
        await agreed(
            200,
            through(
                'GET',
                `${base}/actions/runs?event=workflow_dispatch&created=${created}&per_page=10`,
            ),
        );
        await agreed(
            200,
            through('GET', `${base}/actions/workflows/plan.yaml/runs?status=success`),
        );
        await agreed(409, through('POST', `${base}/actions/runs/${run}/cancel`));
        await rig.sim.script({ match: { workflow: 'plan.yaml' }, runMs: 60_000, count: 1 });
        await agreed(201, through('POST', `${base}/actions/runs/${run}/rerun`));
        await agreed(202, through('POST', `${base}/actions/runs/${run}/cancel`));
        await rig.sim.idle();
        await agreed(201, through('POST', `${base}/actions/runs/${run}/rerun-failed-jobs`));
        const gated = await agreed(
            200,
            through('POST', `${base}/actions/workflows/apply.yaml/dispatches`, {
                ref: 'main',
                inputs: inputs('c-4'),
                return_run_details: true,
            }),
        );
        const waiting = gated.body['workflow_run_id'];
        await agreed(200, through('GET', `${base}/actions/runs/${waiting}`));
        await agreed(200, through('GET', `${base}/actions/runs/${waiting}/jobs`));
        await agreed(200, through('GET', `${base}/actions/runs/${waiting}/pending_deployments`));
    });

    it('agrees with checks and statuses', async () => {
        const made = await agreed(
            201,
            through('POST', `${base}/check-runs`, {
                name: 'Signalbox',
                head_sha: head,
                status: 'in_progress',
                external_id: 'batch-1',
                output: { title: 'Planning', summary: 'two of three' },
            }),
        );
        check = Number(made.body['id']);
        await agreed(
            200,
            through('PATCH', `${base}/check-runs/${check}`, {
                conclusion: 'action_required',
                output: { title: 'Held', summary: 'too many' },
                actions: [{ label: 'Release', description: 'Let it go', identifier: 'release' }],
            }),
        );
        await agreed(200, through('GET', `${base}/check-runs/${check}`));
        await agreed(
            200,
            through('GET', `${base}/commits/${head}/check-runs?check_name=Signalbox`),
        );
        await agreed(200, through('GET', `${base}/commits/${head}/check-suites`));
        await agreed(
            201,
            through('POST', `${base}/statuses/${head}`, {
                state: 'success',
                context: 'signalbox',
                description: 'done',
            }),
        );
        await agreed(200, through('GET', `${base}/commits/${head}/status`));
    });

    it('agrees with pull requests, comments and reviews', async () => {
        await agreed(200, through('GET', `${base}/pulls?state=open&head=acme:feature`));
        await agreed(200, through('GET', `${base}/pulls/1`));
        await agreed(200, through('GET', `${base}/issues/1`));
        await agreed(200, through('GET', '/meta'));
        await agreed(200, through('GET', `${base}/pulls/1/files`));
        const made = await agreed(
            201,
            through('POST', `${base}/issues/1/comments`, { body: 'status' }),
        );
        comment = Number(made.body['id']);
        await agreed(
            200,
            through('PATCH', `${base}/issues/comments/${comment}`, { body: 'better' }),
        );
        await agreed(200, through('GET', `${base}/issues/comments/${comment}`));
        await agreed(200, through('GET', `${base}/issues/1/comments?per_page=100`));
        await agreed(
            422,
            through('POST', `${base}/issues/1/comments`, { body: 'x'.repeat(65_537) }),
        );
        await agreed(
            201,
            through('POST', `${base}/issues/comments/${comment}/reactions`, { content: 'eyes' }),
        );
        await agreed(
            200,
            through('POST', `${base}/issues/comments/${comment}/reactions`, { content: 'eyes' }),
        );
        const review = await agreed(
            200,
            through('POST', `${base}/pulls/1/reviews`, { event: 'APPROVE', body: 'fine' }),
        );
        await agreed(200, through('GET', `${base}/pulls/1/reviews`));
        await agreed(
            200,
            through('PUT', `${base}/pulls/1/reviews/${review.body['id']}/dismissals`, {
                message: 'stale',
            }),
        );
        await agreed(204, through('DELETE', `${base}/issues/comments/${comment}`));
        await agreed(
            404,
            through('PATCH', `${base}/issues/comments/${comment}`, { body: 'too late' }),
        );
    });

    it('agrees with releases, limits and the manifest', async () => {
        const { id } = await rig.sim.release('acme/infra', { tag: 'v1' });
        await agreed(200, through('GET', `${base}/releases/${id}`));
        await rig.sim.fault({
            on: 'api',
            kind: 'secondary',
            route: 'GET /repos/acme/infra',
            count: 1,
            status: 429,
            seconds: 1,
        });
        await agreed(429, through('GET', base));
        const form = new URLSearchParams({
            manifest: JSON.stringify({
                name: 'From Manifest',
                url: 'http://127.0.0.1/',
                redirect_url: 'http://127.0.0.1/back',
            }),
        });
        const page = await fetch(`${rig.sim.ready.api}/settings/apps/new?state=s1`, {
            method: 'POST',
            body: form,
            redirect: 'manual',
            headers: { 'user-agent': 'browser' },
        });
        const back = new URL(page.headers.get('location') ?? '');
        assert.equal(back.searchParams.get('state'), 's1');
        await agreed(
            201,
            through('POST', `/app-manifests/${back.searchParams.get('code')}/conversions`),
        );
    });

    const lies: [
        what: string,
        lie: 'thin-comment' | 'wrong-dispatch',
        act: () => Promise<Answer>,
        complaint: RegExp,
    ][] = [
        [
            'a comment without its required fields',
            'thin-comment',
            () => through('POST', `${base}/issues/1/comments`, { body: 'thin' }),
            /required property/,
        ],
        [
            'a run id of the wrong type',
            'wrong-dispatch',
            () =>
                through('POST', `${base}/actions/workflows/plan.yaml/dispatches`, {
                    ref: 'main',
                    inputs: inputs('lie'),
                    return_run_details: true,
                }),
            /must be integer/,
        ],
    ];
    for (const [what, lie, act, complaint] of lies) {
        it(`notices ${what}`, async () => {
            assert.deepEqual(violationsOf(await act()), []);
            await rig.sim.lie(lie);
            assert.match(JSON.stringify(violationsOf(await act())), complaint);
        });
    }

    const wrong: [what: string, act: () => Promise<Answer>][] = [
        [
            'a dispatch without ref',
            () => through('POST', `${base}/actions/workflows/plan.yaml/dispatches`, { inputs: {} }),
        ],
        [
            'a check with an unknown conclusion',
            () =>
                through('POST', `${base}/check-runs`, {
                    name: 'x',
                    head_sha: head,
                    conclusion: 'great',
                }),
        ],
        ['a comment without body', () => through('POST', `${base}/issues/1/comments`, {})],
    ];
    for (const [what, act] of wrong) {
        it(`notices our own request: ${what}`, async () => {
            const found = violationsOf(await act());
            assert.ok(
                found.some((one) => one.location[0] === 'request'),
                JSON.stringify(found),
            );
        });
    }
});

describe('the derived description', () => {
    it('differs from the packaged one only by the listed kinds of patch', () => {
        const kinds = new Set(
            derive().patches.map((patch) => patch.replace(/^[a-z]+ \/.*: answer \d+/, 'answer')),
        );
        assert.deepEqual(
            [...kinds],
            [
                'components.parameters.created: format date-time removed',
                'get /app/installations: account allOf became anyOf',
                'answer added',
            ],
        );
    });
});

describe('the route table of the simulator', () => {
    const shapeOf = (path: string) => path.replace(/[{:*][A-Za-z_]+\}?/g, '_');
    const ours = new Map(
        routes.map((route) => [`${route.method} ${shapeOf(route.template)}`, route] as const),
    );
    const described = Object.entries(derive().description.paths).flatMap(([path, item]) =>
        Object.entries(item).map(
            ([method, operation]) =>
                [`${method.toUpperCase()} ${shapeOf(path)}`, operation] as const,
        ),
    );

    it('has only routes that GitHub describes, but for a known few', () => {
        const known = new Set(described.map(([name]) => name));
        const own = [...ours.keys()].filter((name) => !known.has(name));
        assert.deepEqual(own.sort(), [
            'GET /login/oauth/authorize',
            'GET /repos/_/_/contents',
            'POST /login/oauth/access_token',
            'POST /organizations/_/settings/apps/new',
            'POST /settings/apps/new',
        ]);
    });

    it('counts as content creation what GitHub says triggers notifications', () => {
        for (const [name, operation] of described) {
            const route = ours.get(name);
            if (!route) continue;
            const isContent = operation['x-github']?.triggersNotification ?? false;
            assert.equal(route.content ?? false, isContent, name);
        }
    });
});
