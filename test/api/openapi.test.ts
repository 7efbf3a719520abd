/* docs/openapi.yaml and the server say the same: every operation is called, and every answer of every test is one that it describes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { affected, eventually, House, upload, type Repo, type Value } from './house.ts';
import { operations, wrongIn } from './spec.ts';

const plan =
    'on:\n  workflow_dispatch:\n    inputs:\n      component: {type: string}\n      stack: {type: string}\njobs: {a: {runs-on: x, steps: []}}\n';

describe('the judge', () => {
    const good = {
        request: 'r',
        status: 404,
        success: false,
        errorTag: 'NotFound',
        errorMessage: 'no',
        data: null,
        traceId: 't',
    };
    const wrong: [string, Value, string][] = [
        ['a missing field', { ...good, traceId: undefined }, '/nothing'],
        ['a status as text', { ...good, status: '404' }, '/nothing'],
        ['a tag that is not in the list', { ...good, errorTag: 'Oops' }, '/nothing'],
        ['data that is a list', { ...good, data: [] }, '/nothing'],
        ['success beside an error', { ...good, success: true }, '/nothing'],
        ['another status than HTTP has', { ...good, status: 400 }, '/nothing'],
        ['an error that the operation does not have', good, '/api/v1/locks'],
    ];
    it('finds nothing wrong with a right answer', () => {
        assert.deepEqual(
            wrongIn('GET', '/nothing', {
                status: 404,
                headers: { 'content-type': 'application/json' },
                text: JSON.stringify(good),
            }),
            [],
        );
    });
    it('sees a field that a thing must have', () => {
        const lock = {
            id: '1',
            workspaceId: 'w',
            key: 'k',
            lockMessage: '',
            properties: {},
            actor: 'a',
            token: 1,
        };
        const times = {
            createdAt: '2026-08-21T10:00:00Z',
            updatedAt: null,
            expiresAt: null,
            deletedAt: null,
        };
        const answer = (data: Value) => ({
            status: 200,
            headers: { 'content-type': 'application/json' },
            text: JSON.stringify({ request: 'r', status: 200, success: true, traceId: 't', data }),
        });
        assert.deepEqual(wrongIn('POST', '/api/v1/locks', answer({ ...lock, ...times })), []);
        assert.match(wrongIn('POST', '/api/v1/locks', answer(lock)).join(), /createdAt/);
        assert.match(
            wrongIn(
                'POST',
                '/api/v1/locks',
                answer({ ...lock, ...times, expiresAt: 'soon' }),
            ).join(),
            /expiresAt/,
        );
        assert.match(
            wrongIn(
                'GET',
                '/api/v1/locks',
                answer({ items: [{ ...lock }], nextCursor: null }),
            ).join(),
            /createdAt/,
        );
    });
    for (const [name, body, path] of wrong)
        it(`sees ${name}`, () => {
            const answer = {
                status: 404,
                headers: { 'content-type': 'application/json' },
                text: JSON.stringify(body),
            };
            assert.notDeepEqual(wrongIn('GET', path, answer), []);
        });
});

for (const kind of databases)
    describe(`the description, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('tour', { '.github/workflows/plan.yaml': plan });
        });
        after(() => house?.close());

        it('has every operation exercised', async () => {
            const session = await house.session(repo);
            await tourOfTheCli(house, repo, session);
            await tourOfBatches(house, repo);
            await tourOfTheHouse(house, repo);
            await tourOfActions(house, repo);
            await tourOfPeople(house, repo);
            const missed = operations.map((one) => one.id).filter((id) => !house.seen.has(id));
            assert.deepEqual(missed, []);
        });

        const unknown: [string, string, number][] = [
            ['GET', '/nowhere', 404],
            ['GET', '/api', 404],
            ['GET', '/api/v1', 404],
            ['GET', '/api/v1/', 404],
            ['GET', '/api/v1/locks/', 404],
            ['GET', '/api/v1//locks', 404],
            ['GET', '/API/V1/locks', 404],
            ['GET', '/api/v1/locks/../tokens', 404],
            ['GET', '/api/v1/locks%2f', 404],
            ['POST', '/api/v2/locks', 404],
            ['GET', '/.env', 404],
            ['GET', '/webhooks', 404],
            ['PUT', '/api/v1/locks', 405],
            ['PATCH', '/api/v1/locks', 405],
            ['DELETE', '/healthz', 405],
            ['GET', '/webhooks/github', 405],
            ['GET', '/api/v1/auth/github-oidc', 405],
        ];
        for (const [method, path, status] of unknown)
            it(`answers ${method} ${path} with ${status} in the envelope`, async () => {
                const reply = await house.call(method, path, { token: house.admin });
                assert.equal(reply.status, status, reply.text);
                assert.equal(
                    reply.body['errorTag'],
                    status === 404 ? 'NotFound' : 'MethodNotAllowed',
                );
                if (status === 405) assert.match(String(reply.headers['allow']), /[A-Z]+/);
            });

        it('gives a trace id of the caller back, and none that is not sane', async () => {
            const named = await house.call('GET', '/healthz', {
                headers: { 'x-request-id': 'build-42.a_b' },
            });
            assert.equal(named.body['traceId'], 'build-42.a_b');
            for (const bad of ['a b', 'x'.repeat(65), '"', '\u00e4', '<script>']) {
                const reply = await house.call('GET', '/healthz', {
                    headers: { 'x-request-id': bad },
                });
                assert.match(reply.body['traceId'], /^req_/, bad);
            }
        });

        it('answers HEAD like GET, without a body', async () => {
            const reply = await house.call('HEAD', '/healthz');
            assert.equal(reply.status, 200);
            assert.equal(reply.text, '');
        });
    });

async function tourOfTheCli(house: House, repo: Repo, session: string): Promise<void> {
    const call = (method: string, path: string, body: Value) =>
        house.ok(method, path, body, { token: session });
    await call('POST', '/api/v1/affected-stacks', upload(repo, [affected('vpc', 'dev')]));
    await call('POST', '/api/v1/instances', {
        instances: [{ component: 'vpc', stack: 'dev', component_type: 'terraform' }],
    });
    const at = `/api/v1/repos/acme/${repo.name}/instances`;
    await call('PATCH', `${at}?stack=dev&component=vpc`, { command: 'plan', exit_code: 0 });
    const old = await call('PATCH', `${at}/dev/vpc`, { status: 'in_sync' });
    assert.ok(old.headers['deprecation']);
    for (const path of ['/api/v1/locks', '/api/locks']) {
        await call('POST', path, { key: `acme/${repo.name}/dev/vpc`, ttl: 60, message: 'a tour' });
        await house.ok('GET', '/api/v1/locks');
        await call('DELETE', path, { key: `acme/${repo.name}/dev/vpc` });
    }
    await call('POST', '/api/v1/atmos/exec', {
        command: 'terraform plan',
        exit_code: 0,
        execution_id: 'e1',
    });
    const stored = await call('POST', '/api/v1/atmos/exec/data', {
        execution_id: 'e1',
        data: { version: 1 },
    });
    const read = await house.ok('GET', new URL(stored.body['url']).pathname);
    assert.deepEqual(read.data['data'], { version: 1 });
}

async function tourOfBatches(house: House, repo: Repo): Promise<void> {
    const order = {
        repo: repo.full_name,
        stack: 'dev',
        component: 'vpc',
        workflow: 'plan.yaml',
        inputs: { component: 'vpc', stack: 'dev' },
    };
    await house.ok('POST', '/api/v1/dispatch', { ...order, dryRun: true });
    await house.ok('POST', '/api/v1/dispatch', order);
    const [batch] = await eventually(async () => {
        const found = await house.all('/api/v1/batches');
        assert.ok(found.length > 0);
        return found;
    });
    const at = `/api/v1/batches/${String(batch!['id'])}`;
    await house.ok('GET', at);
    await house.ok('GET', `${at}/nodes`);
    await house.ok('GET', `/api/v1/changes/${String(batch!['change']['id'])}`);
    await house.ok('GET', `${at}/graph`);
    await house.ok('GET', `${at}/nodes/0`);
    await house.ok('GET', `${at}/explain`);
    await house.ok('GET', `${at}/nodes/0/explain`);
    const [run] = await eventually(async () => {
        const found = await house.all('/api/v1/runs');
        assert.ok(found[0]?.['forgeRunId']);
        return found;
    });
    await house.ok('GET', `/api/v1/runs/${String(run!['id'])}`);
    await house.ok('GET', `/api/v1/runs/${String(run!['id'])}/output`);
    const asked: [string, Value?][] = [
        [`${at}/nodes/0/skip-wait`, { token: 1 }],
        [`${at}/nodes/0/cancel`],
        [`${at}/cancel`],
        [`${at}/retry`],
        [`${at}/release`],
        [`${at}/parts`],
        [`${at}/nodes/0/rerun`],
        [`${at}/rerun`, { stack: 'dev', component: 'vpc' }],
    ];
    for (const [path, body] of asked) {
        // Whether there is anything left to do depends on how far the run has come: both answers are described.
        const reply = await house.call('POST', path, {
            token: house.admin,
            ...(body ? { body } : {}),
        });
        assert.ok([200, 202, 409].includes(reply.status), reply.text);
    }
}

async function tourOfTheHouse(house: House, repo: Repo): Promise<void> {
    await house.ok('GET', '/api/v1/home');
    await house.ok('GET', '/api/v1/onboarding');
    await house.ok('GET', '/api/v1/settings/repository');
    await house.ok('GET', '/api/v1/audit/export');
    await house.ok('GET', `/api/v1/instances/${repo.lane}?stack=dev&component=vpc`);
    for (const path of [
        'workspaces',
        'repositories',
        'installations',
        'instances',
        'uploads',
        'facts',
        'audit',
        'tokens',
    ]) {
        const { data } = await house.ok('GET', `/api/v1/${path}`);
        assert.ok((data['items'] as Value[]).length > 0, `${path} has nothing to show`);
    }
    const [installation] = await house.all('/api/v1/installations');
    await house.ok('GET', `/api/v1/installations/${String(installation!['id'])}/budget`);
    assert.match((await house.ok('GET', '/metrics')).text, /^signalbox_budget_remaining\{installation="\d+"\} \d+$/m);
    const at = `/api/v1/repositories/${repo.lane}`;
    await house.ok('GET', at);
    await house.ok('GET', `${at}/settings`);
    await house.ok('PATCH', `${at}/settings`, { strict_plans: true });
    await house.ok('GET', `${at}/permissions`);
    const { data: row } = await house.ok('POST', `${at}/permissions`, {
        name: 'Deployments Create',
        branch: 'main',
    });
    await house.ok('DELETE', `${at}/permissions/${String(row['id'])}`);
    const made = await house.token();
    await house.ok('DELETE', `/api/v1/tokens/${made.id}`);
    const facts = await house.all('/api/v1/facts');
    const applied = facts.find((fact) => fact['state'] === 'applied');
    await house.ok('GET', `/api/v1/facts/${String(applied!['id'])}`);
    await house.ok('POST', `/api/v1/facts/${String(applied!['id'])}/replay`);
    assert.equal((await house.deliver('ping', { zen: 'x' })).status, 202);
    const pull = await house.sim.openPull(repo.full_name, { head: 'tour', files: { 'a.tf': '#' } });
    await eventually(() => house.ok('GET', `${at}/pulls/${pull.number}/explain`));
    const resumed = await house.call('POST', `${at}/pulls/${pull.number}/resume`, {
        token: house.admin,
    });
    assert.equal(resumed.status, 409, resumed.text);
    // A stream has no end to wait for; what it says is in live.test.ts.
    const stream = await house.call('GET', '/api/v1/live?batch=nowhere', { token: house.admin });
    assert.equal(stream.status, 404);
    await house.ok('GET', '/healthz');
    await house.ok('GET', '/readyz');
    assert.match((await house.ok('GET', '/metrics')).text, /^signalbox_http_requests_total/m);
    // The App is configured, so there is nothing to set up; the real thing is in secrets.test.ts.
    await house.call('GET', '/setup');
    await house.call('GET', '/setup/callback?code=x&state=y');
}

async function tourOfActions(house: House, repo: Repo): Promise<void> {
    const at = `/api/v1/repositories/${repo.lane}`;
    const things: [string, Value][] = [
        ['secrets', { value: 'a-toured-secret' }],
        ['runners', { endpoint: 'https://runner.example.com/dispatch', tokenSecret: 'tour' }],
        ['actions', { trigger: { type: 'noop' } }],
    ];
    for (const [kind, body] of things) {
        await house.ok('PUT', `${at}/${kind}/tour`, body);
        const { data } = await house.ok('GET', `${at}/${kind}`);
        assert.equal((data['items'] as Value[]).length, 1);
    }
    await house.ok('GET', `${at}/actions/tour`);
    const { data: run } = await house.ok('POST', `${at}/actions/tour/runs`, {});
    await house.ok('GET', '/api/v1/action-runs');
    const one = `/api/v1/action-runs/${String(run['id'])}`;
    await house.ok('GET', one);
    for (const [method, path] of [
        ['DELETE', one],
        ['POST', `${one}/cancel`],
    ] as const)
        assert.equal((await house.call(method, path, { token: house.admin })).status, 409);
    // What a runner may say is in action-runs.test.ts.
    for (const path of ['', '/acme/tour/envs/default'])
        assert.equal(
            (await house.call('POST', `${path}/action-runs/${String(run['id'])}/callback`, { body: {} })).status,
            401,
        );
    for (const [kind] of things) await house.ok('DELETE', `${at}/${kind}/tour`);
}

async function tourOfPeople(house: House, repo: Repo): Promise<void> {
    await house.throughGithub('somebody');
    assert.equal((await house.call('GET', '/api/v1/sign-in')).data['needsWelcome'], true);
    const link = `/api/v1/welcome?code=${house.welcomeCode()}`;
    assert.equal((await house.call('GET', link)).data['role'], 'owner');
    await house.welcome();
    const browser = await house.signIn();
    const mine = (method: string, path: string, body?: unknown) =>
        house.ok(method, path, body, { token: undefined, browser });
    await mine('GET', '/api/v1/session');
    await mine('POST', '/api/v1/session/workspace', { workspaceId: house.workspace });
    await mine('GET', '/api/v1/sessions');
    const other = await house.signIn();
    const sessions = (await mine('GET', '/api/v1/sessions')).data['items'] as Value[];
    const older = sessions.find((one) => !one['current'])!;
    await house.ok('DELETE', `/api/v1/sessions/${String(older['id'])}`, undefined, {
        token: undefined,
        browser: other,
    });
    const [next] = [await house.signIn()];
    const my = (method: string, path: string, body?: unknown) =>
        house.ok(method, path, body, { token: undefined, browser: next });
    await my('PUT', '/api/v1/account/password', {
        old: 'correct horse battery',
        new: 'battery horse correct',
    });
    const invitation = (await my('POST', '/api/v1/invitations', { role: 'admin' })).data;
    await my('GET', '/api/v1/invitations');
    await my('DELETE', `/api/v1/invitations/${String(invitation['id'])}`);
    const second = (await my('POST', '/api/v1/invitations', {})).data;
    const guest = await house.welcome('guest', String(second['url']).split('#code=')[1]);
    const at = `/api/v1/members/${String(guest.me['person'].id)}`;
    await my('GET', '/api/v1/members');
    await my('PATCH', at, { role: 'admin' });
    await house.ok('DELETE', '/api/v1/account/membership', undefined, {
        token: undefined,
        browser: guest,
    });
    assert.equal((await house.call('DELETE', at, { token: house.admin })).status, 404);
    await my('GET', `/api/v1/repositories/${repo.lane}/rights`);
    await my('DELETE', '/api/v1/session');
}
