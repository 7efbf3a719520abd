import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'node:test';
import { appJwt } from '../client.ts';
import type { Json } from '../util.ts';
import { inputs, Rig, type Answer } from './helper.ts';

describe('who may call', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());

    it('refuses a caller without a User-Agent', async () => {
        const answer = await rig.call('GET', '/repos/acme/infra', undefined, { 'user-agent': '' });
        assert.equal(answer.status, 403);
        assert.match(answer.text, /User-Agent/);
    });

    it('gives tokens of both lengths', async () => {
        const short = await rig.newToken(undefined, { 'x-github-stateless-s2s-token': 'disabled' });
        const long = await rig.newToken(undefined, { 'x-github-stateless-s2s-token': 'enabled' });
        assert.equal(short.length, 40);
        assert.ok(long.length > 500, `${long.length}`);
        for (const token of [short, long]) {
            const answer = await rig.call('GET', '/repos/acme/infra', undefined, {
                authorization: `token ${token}`,
            });
            assert.equal(answer.status, 200);
        }
    });

    it('refuses App JWTs that are wrong in one way each', async () => {
        const { app } = await rig.sim.settings();
        const now = Math.floor(Date.now() / 1000);
        const good = appJwt(app.id, app.private_key);
        const [head = '', body = ''] = good.split('.');
        const none = Buffer.from('{"alg":"none"}').toString('base64url');
        const cases: [string, string, number][] = [
            ['a good one', good, 200],
            ['expired', appJwt(app.id, app.private_key, { exp: now - 10 }), 401],
            [
                'more than ten minutes ahead',
                appJwt(app.id, app.private_key, { exp: now + 3600 }),
                401,
            ],
            ['issued in the future', appJwt(app.id, app.private_key, { iat: now + 300 }), 401],
            ['of another App', appJwt(1, app.private_key), 401],
            ['with a broken signature', `${head}.${body}.AAAA`, 401],
            ['with algorithm none', `${none}.${body}.`, 401],
            ['that is an installation token', rig.token, 401],
        ];
        for (const [what, token, status] of cases) {
            const answer = await rig.call('GET', '/app', undefined, {
                authorization: `Bearer ${token}`,
            });
            assert.equal(answer.status, status, what);
        }
    });

    it('hides what a token was not made for', async () => {
        const other = await rig.sim.createRepo({ owner: 'acme', name: 'other', files: { a: 'b' } });
        const narrow = await rig.newToken({
            repository_ids: [other.id],
            permissions: { checks: 'read' },
        });
        const as = { authorization: `Bearer ${narrow}` };
        assert.equal((await rig.call('GET', '/repos/acme/infra', undefined, as)).status, 404);
        const denied = await rig.call(
            'POST',
            '/repos/acme/other/check-runs',
            { name: 'x', head_sha: other.head },
            as,
        );
        assert.equal(denied.status, 403);
        assert.equal(denied.headers.get('x-accepted-github-permissions'), 'checks=write');
    });

    it('stops a suspended installation and forgets a deleted token', async () => {
        const id = rig.repo.installation_id ?? 0;
        await rig.sim.installation(id, 'suspend');
        assert.equal((await rig.call('GET', '/repos/acme/infra')).status, 403);
        await rig.sim.installation(id, 'unsuspend');
        assert.equal((await rig.call('GET', '/repos/acme/infra')).status, 200);
        assert.equal((await rig.call('DELETE', '/installation/token')).status, 204);
        assert.equal((await rig.call('GET', '/repos/acme/infra')).status, 401);
        rig.token = await rig.newToken();
    });
});

describe('reading a repository', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());

    it('gives files as base64 and raw, with the blob sha git knows', async () => {
        const answer = await rig.call('GET', '/repos/acme/infra/contents/stacks/dev.yaml?ref=main');
        assert.equal(
            Buffer.from(String(answer.body['content']), 'base64').toString(),
            'vars: {}\n',
        );
        assert.equal(
            answer.body['sha'],
            createHash('sha1').update('blob 9\0vars: {}\n').digest('hex'),
        );
        const raw = await rig.call('GET', '/repos/acme/infra/contents/stacks/dev.yaml', undefined, {
            accept: 'application/vnd.github.raw+json',
        });
        assert.equal(raw.text, 'vars: {}\n');
        assert.equal((await rig.call('GET', '/repos/acme/infra/contents/gone.yaml')).status, 404);
        const folder = await rig.call('GET', '/repos/acme/infra/contents/stacks');
        assert.deepEqual(
            (folder.body as unknown as Json[]).map((one) => one['name']),
            ['dev.yaml'],
        );
    });

    it('answers 304 to a matching ETag and does not count it', async () => {
        const first = await rig.call('GET', '/repos/acme/infra');
        const tag = first.headers.get('etag') ?? '';
        const again = await rig.call('GET', '/repos/acme/infra', undefined, {
            'if-none-match': tag,
        });
        assert.equal(again.status, 304);
        const used = (answer: Answer) => Number(answer.headers.get('x-ratelimit-used'));
        const next = await rig.call('GET', '/repos/acme/infra');
        assert.equal(used(next), used(first) + 1);
    });

    it('redirects the old name after a rename, and answers by id', async () => {
        await rig.sim.rename('acme/infra', 'infra-two');
        const moved = await rig.call('GET', '/repos/acme/infra/branches/main');
        assert.equal(moved.status, 301);
        const target = moved.headers.get('location') ?? '';
        assert.match(target, new RegExp(`/repositories/${rig.repo.id}/branches/main$`));
        const followed = await rig.call('GET', target);
        assert.equal(followed.body['name'], 'main');
        await rig.sim.rename('acme/infra-two', 'infra');
    });

    it('pages lists by Link', async () => {
        await rig.sim.settings({ delays: { queueMs: 0, runMs: 1 } });
        for (let index = 0; index < 5; index++) await rig.dispatch(inputs(`p-${index}`));
        const seen: unknown[] = [];
        let path =
            '/repos/acme/infra/actions/workflows/plan.yaml/runs?event=workflow_dispatch&per_page=2';
        for (let guard = 0; path !== '' && guard < 9; guard++) {
            const page = await rig.call('GET', path);
            assert.equal(page.body['total_count'], 5);
            seen.push(...(page.body['workflow_runs'] as Json[]).map((run) => run['display_title']));
            path = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
        }
        assert.equal(new Set(seen).size, 5);
    });

    it('filters runs by time, actor, branch and state', async () => {
        const count = async (query: string) =>
            (await rig.call('GET', `/repos/acme/infra/actions/runs?${query}`)).body['total_count'];
        await rig.sim.idle();
        const soon = new Date(Date.now() + 60_000).toISOString().slice(0, 19) + 'Z';
        const past = new Date(Date.now() - 60_000).toISOString().slice(0, 19) + 'Z';
        assert.equal(await count(`created=${encodeURIComponent('>=' + past)}`), 5);
        assert.equal(await count(`created=${encodeURIComponent('>=' + soon)}`), 0);
        assert.equal(await count(`created=${past}..${soon}`), 5);
        assert.equal(await count('actor=signalbox-test[bot]'), 5);
        assert.equal(await count('actor=octocat'), 0);
        assert.equal(await count('branch=main&status=success'), 5);
        assert.equal(await count('status=in_progress'), 0);
    });
});

describe('writing on a pull request', () => {
    let rig: Rig;
    let head = '';
    before(async () => {
        rig = await Rig.start();
        const pull = await rig.sim.openPull('acme/infra', {
            head: 'feature',
            files: { 'stacks/dev.yaml': 'x: 1\n' },
        });
        head = pull.head_sha;
    });
    after(() => rig.stop());

    it('keeps comments within 65,536 characters, whatever their bytes', async () => {
        const post = (body: string) =>
            rig.call('POST', '/repos/acme/infra/issues/1/comments', { body });
        assert.equal((await post('é'.repeat(65_536))).status, 201);
        const long = await post('x'.repeat(65_537));
        assert.equal(long.status, 422);
        assert.match(JSON.stringify(long.body), /maximum is 65536 characters/);
        assert.equal((await post('')).status, 422);
    });

    it('edits, and answers 404 once deleted', async () => {
        const made = await rig.call('POST', '/repos/acme/infra/issues/1/comments', { body: 'one' });
        const path = `/repos/acme/infra/issues/comments/${made.body['id']}`;
        assert.equal((made.body['performed_via_github_app'] as Json)['slug'], 'signalbox-test');
        assert.equal((await rig.call('PATCH', path, { body: 'two' })).body['body'], 'two');
        const reaction = () => rig.call('POST', `${path}/reactions`, { content: 'eyes' });
        assert.equal((await reaction()).status, 201);
        assert.equal((await reaction()).status, 200);
        assert.equal((await rig.call('DELETE', path)).status, 204);
        assert.equal((await rig.call('PATCH', path, { body: 'three' })).status, 404);
    });

    const wrong: [string, Json][] = [
        ['without a name', { name: undefined }],
        ['with an unknown conclusion', { conclusion: 'great' }],
        ['completed without conclusion', { status: 'completed' }],
        [
            'with a summary one character too long',
            { output: { title: 't', summary: 'x'.repeat(65_536) } },
        ],
        ['with output but no summary', { output: { title: 't' } }],
        [
            'with four actions',
            {
                actions: Array.from({ length: 4 }, () => ({
                    label: 'a',
                    description: 'b',
                    identifier: 'c',
                })),
            },
        ],
        [
            'with a label of 21 characters',
            { actions: [{ label: 'x'.repeat(21), description: 'b', identifier: 'c' }] },
        ],
    ];
    for (const [what, change] of wrong) {
        it(`refuses a check ${what}`, async () => {
            const answer = await rig.call('POST', '/repos/acme/infra/check-runs', {
                name: 'Signalbox',
                head_sha: head,
                ...change,
            });
            assert.equal(answer.status, 422);
        });
    }

    it('takes a check through its states and lists it at the commit', async () => {
        const made = await rig.call('POST', '/repos/acme/infra/check-runs', {
            name: 'Signalbox',
            head_sha: head,
            external_id: 'batch-1',
            output: { title: 'Waiting', summary: 'x'.repeat(65_535) },
        });
        assert.equal(made.body['status'], 'queued');
        const done = await rig.call('PATCH', `/repos/acme/infra/check-runs/${made.body['id']}`, {
            conclusion: 'neutral',
        });
        assert.deepEqual([done.body['status'], done.body['conclusion']], ['completed', 'neutral']);
        const list = await rig.call(
            'GET',
            `/repos/acme/infra/commits/${head}/check-runs?check_name=Signalbox`,
        );
        assert.equal(list.body['total_count'], 1);
    });

    it('finds the pull by commit and by head, and tells its mergeability', async () => {
        const byCommit = await rig.call('GET', `/repos/acme/infra/commits/${head}/pulls`);
        assert.equal((byCommit.body as unknown as Json[])[0]?.['number'], 1);
        const byHead = await rig.call(
            'GET',
            '/repos/acme/infra/pulls?state=open&head=acme:feature',
        );
        assert.equal((byHead.body as unknown as Json[]).length, 1);
        const one = await rig.call('GET', '/repos/acme/infra/pulls/1');
        assert.deepEqual([one.body['mergeable'], one.body['changed_files']], [true, 1]);
    });

    it('collapses roles as GitHub does', async () => {
        await rig.sim.addUser('acme/infra', 'mona', 'maintain');
        const mona = await rig.call('GET', '/repos/acme/infra/collaborators/mona/permission');
        assert.deepEqual([mona.body['permission'], mona.body['role_name']], ['write', 'maintain']);
        await rig.sim.control('POST', '/repos/acme%2Finfra/users', {
            login: 'stranger',
            permission: 'none',
        });
        const stranger = await rig.call(
            'GET',
            '/repos/acme/infra/collaborators/stranger/permission',
        );
        assert.equal(stranger.body['permission'], 'none');
        assert.equal(
            (await rig.call('GET', '/repos/acme/infra/collaborators/nobody/permission')).status,
            404,
        );
    });

    it('limits a status to 140 characters', async () => {
        const post = (description: string) =>
            rig.call('POST', `/repos/acme/infra/statuses/${head}`, {
                state: 'success',
                context: 'signalbox',
                description,
            });
        assert.equal((await post('x'.repeat(140))).status, 201);
        assert.equal((await post('x'.repeat(141))).status, 422);
    });

    it('leaves a review, which needs a text unless it approves', async () => {
        const post = (body: Json) => rig.call('POST', '/repos/acme/infra/pulls/1/reviews', body);
        assert.equal((await post({ event: 'APPROVE' })).body['state'], 'APPROVED');
        assert.equal((await post({ event: 'REQUEST_CHANGES' })).status, 422);
        assert.equal((await rig.sim.pull('acme/infra', 1)).reviews.length, 1);
    });
});

describe('runs', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());
    const idOf = (answer: Answer) => Number(answer.body['workflow_run_id']);

    it('follow the newest script that matches', async () => {
        await rig.sim.script({ match: { component: 'vpc' }, conclusion: 'failure' });
        await rig.sim.script({
            match: { component: 'vpc', stack: 'prod*' },
            conclusion: 'timed_out',
            count: 1,
        });
        for (const stack of ['prod-1', 'prod-2', 'dev'])
            await rig.dispatch(inputs(stack, { stack }));
        await rig.dispatch(inputs('other', { component: 'rds' }));
        await rig.sim.idle();
        const ends = (await rig.sim.runs()).map((run) => run.conclusion);
        assert.deepEqual(ends, ['timed_out', 'failure', 'failure', 'success']);
    });

    it('cancel with 202 and later effect, and 409 when over', async () => {
        await rig.sim.script({ match: { component: 'slow' }, runMs: 5000 });
        const id = idOf(await rig.dispatch(inputs('c-1', { component: 'slow' })));
        const path = `/repos/acme/infra/actions/runs/${id}`;
        assert.equal((await rig.call('POST', `${path}/cancel`)).status, 202);
        await rig.sim.idle();
        assert.equal((await rig.call('GET', path)).body['conclusion'], 'cancelled');
        assert.equal((await rig.call('POST', `${path}/cancel`)).status, 409);
    });

    it('re-run under the same id with a higher attempt and no second requested', async () => {
        const id = idOf(await rig.dispatch(inputs('again')));
        await rig.sim.idle();
        const path = `/repos/acme/infra/actions/runs/${id}`;
        assert.equal((await rig.call('POST', `${path}/rerun-failed-jobs`)).status, 201);
        await rig.sim.idle();
        assert.equal((await rig.call('GET', path)).body['run_attempt'], 2);
        const events = rig.hook
            .of('workflow_run')
            .filter((one) => (one.body['workflow_run'] as Json)['id'] === id);
        assert.deepEqual(
            events.map((one) => one.body['action']),
            ['requested', 'in_progress', 'completed', 'in_progress', 'completed'],
        );
    });

    it('wait for a protected environment until somebody approves', async () => {
        await rig.sim.addEnvironment('acme/infra', 'production', ['mona']);
        const id = idOf(await rig.dispatch(inputs('gate', { component: 'rds' }), 'apply.yaml'));
        await rig.sim.idle();
        const path = `/repos/acme/infra/actions/runs/${id}`;
        assert.equal((await rig.call('GET', path)).body['status'], 'waiting');
        const pending = await rig.call('GET', `${path}/pending_deployments`);
        assert.equal(
            ((pending.body as unknown as Json[])[0]?.['environment'] as Json)['name'],
            'production',
        );
        await rig.sim.run(id, 'approve');
        await rig.sim.idle();
        assert.equal((await rig.call('GET', path)).body['conclusion'], 'success');
        const jobs = await rig.call('GET', `${path}/jobs`);
        assert.equal((jobs.body['jobs'] as Json[])[0]?.['conclusion'], 'success');
    });

    it('obey a concurrency group: the pending one is cancelled by a newer', async () => {
        const text =
            'on: { workflow_dispatch: { inputs: { n: {} } } }\nrun-name: "${{ format(\'n {0}\', inputs.n) }}"\n' +
            'concurrency: lane\njobs: { a: { runs-on: x } }\n';
        await rig.sim.pushFiles('acme/infra', 'main', { '.github/workflows/lane.yaml': text });
        await rig.sim.script({ match: { inputs: { n: '1' } }, runMs: 3_600_000 });
        const first = idOf(await rig.dispatch({ n: '1' }, 'lane.yaml'));
        for (const n of ['2', '3']) await rig.dispatch({ n }, 'lane.yaml');
        await rig.sim.run(first, 'finish', { conclusion: 'success' });
        await rig.sim.idle();
        const runs = (await rig.sim.runs()).filter((run) => run.workflow.endsWith('lane.yaml'));
        assert.deepEqual(
            runs.map((run) => [run.display_title, run.conclusion]),
            [
                ['n 1', 'success'],
                ['n 2', 'cancelled'],
                ['n 3', 'success'],
            ],
        );
    });

    it('run a real program with the environment of a runner', async () => {
        const program =
            'test "$GITHUB_ACTIONS" = true && test -n "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" && echo "run $GITHUB_RUN_ID $INPUT_STACK"';
        await rig.sim.script({ match: { component: 'real' }, exec: ['/bin/sh', '-c', program] });
        await rig.sim.script({ match: { component: 'broken' }, exec: ['/bin/sh', '-c', 'exit 3'] });
        const id = idOf(await rig.dispatch(inputs('x', { component: 'real' })));
        await rig.dispatch(inputs('y', { component: 'broken' }));
        await rig.sim.idle();
        const runs = await rig.sim.runs();
        const real = runs.find((run) => run.id === id);
        assert.equal(real?.log, `run ${id} dev\n`);
        assert.deepEqual([real?.conclusion, runs.at(-1)?.conclusion], ['success', 'failure']);
    });
});

describe('git over HTTP', () => {
    let rig: Rig;
    let dir = '';
    before(async () => {
        rig = await Rig.start();
        dir = mkdtempSync(join(tmpdir(), 'forge-clone-'));
    });
    after(async () => {
        rmSync(dir, { recursive: true, force: true });
        await rig.stop();
    });

    const git = promisify(execFile);
    const address = (password: string) =>
        `${rig.sim.ready.api.replace('://', `://x-access-token:${password}@`)}/acme/infra.git`;

    it('clones with a token, pushes, and the forge notices', async () => {
        const env = {
            ...process.env,
            GIT_TERMINAL_PROMPT: '0',
            GIT_CONFIG_NOSYSTEM: '1',
            HOME: dir,
        };
        await assert.rejects(
            git('git', ['clone', '-q', address('wrong'), join(dir, 'no')], { env }),
        );
        const work = join(dir, 'work');
        await git('git', ['clone', '-q', '--depth', '1', address(rig.token), work], { env });
        assert.equal(readFileSync(join(work, 'stacks/dev.yaml'), 'utf8'), 'vars: {}\n');
        const at = ['-C', work, '-c', 'user.name=Mona', '-c', 'user.email=mona@example.test'];
        await git('git', [...at, 'checkout', '-q', '-b', 'by-hand'], { env });
        await git('git', [...at, 'commit', '-q', '--allow-empty', '-m', 'By hand'], { env });
        await git('git', [...at, 'push', '-q', 'origin', 'by-hand'], { env });
        await rig.sim.idle();
        const [push] = rig.hook.of('push');
        assert.equal(push?.body['ref'], 'refs/heads/by-hand');
        const read = await rig.call('GET', '/repos/acme/infra/commits/by-hand');
        assert.equal((read.body['commit'] as Json)['message'], 'By hand');
    });
});

describe('a pull request from a fork', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());

    it('has another head repository, and its branch is not ours to dispatch', async () => {
        await rig.sim.openPull('acme/infra', {
            head: 'main',
            fork: 'stranger',
            files: { 'stacks/dev.yaml': 'x: 1\n' },
            sender: 'stranger',
        });
        await rig.sim.pushToPull(
            'acme/infra',
            1,
            { 'stacks/dev.yaml': 'x: 2\n' },
            { sender: 'stranger' },
        );
        await rig.sim.idle();
        assert.equal(rig.hook.of('push').length, 0);
        const [sync] = rig.hook.of('pull_request', 'synchronize');
        const head = (sync?.body['pull_request'] as Json)['head'] as Json;
        assert.equal((head['repo'] as Json)['full_name'], 'stranger/infra');
        assert.equal((head['repo'] as Json)['fork'], true);
        assert.notEqual((head['repo'] as Json)['id'], rig.repo.id);
        assert.equal((await rig.sim.repo('acme/infra')).head, rig.repo.head);
    });
});
