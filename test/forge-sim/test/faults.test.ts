import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { inputs, inTime, Rig } from './helper.ts';
import type { Json } from '../util.ts';

const dispatches = 'POST *dispatches';

describe('faults of the API', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());
    afterEach(async () => {
        await rig.sim.clearFaults();
        await rig.sim.control('POST', '/limits/reset');
    });

    const answers: [
        kind:
            'error500' | 'html502' | 'unavailable503' | 'unauthorized' | 'forbidden' | 'not-found',
        number,
        RegExp,
    ][] = [
        ['error500', 500, /json/],
        ['html502', 502, /html/],
        ['unavailable503', 503, /json/],
        ['unauthorized', 401, /json/],
        ['forbidden', 403, /json/],
        ['not-found', 404, /json/],
    ];
    for (const [kind, status, type] of answers) {
        it(`answers ${status} for ${kind}, once, and does nothing`, async () => {
            const before = (await rig.sim.runs()).length;
            await rig.sim.fault({ on: 'api', kind, route: dispatches, count: 1 });
            const answer = await rig.dispatch(inputs('f'));
            assert.equal(answer.status, status);
            assert.match(answer.headers.get('content-type') ?? '', type);
            assert.equal((await rig.sim.runs()).length, before);
            assert.equal((await rig.dispatch(inputs('g'))).status, 200);
        });
    }

    it('loses the answer after the effect, and the run can be found by its name', async () => {
        for (const kind of ['reset-after', 'html502-after'] as const) {
            await rig.sim.fault({ on: 'api', kind, route: dispatches, count: 1 });
            const answer = await rig.dispatch(inputs(`lost-${kind}`)).catch(() => undefined);
            assert.equal(answer?.status, kind === 'reset-after' ? undefined : 502);
            const list = await rig.call(
                'GET',
                '/repos/acme/infra/actions/runs?event=workflow_dispatch',
            );
            const titles = (list.body['workflow_runs'] as Json[]).map(
                (run) => run['display_title'],
            );
            assert.ok(titles.includes(`plan vpc/dev/lost-${kind}`));
        }
    });

    it('cuts before the effect, too', async () => {
        const before = (await rig.sim.runs()).length;
        await rig.sim.fault({ on: 'api', kind: 'reset-before', route: dispatches, count: 1 });
        await assert.rejects(rig.dispatch(inputs('never')));
        assert.equal((await rig.sim.runs()).length, before);
    });

    it('reads stale: a run exists but is neither found nor listed for a while', async () => {
        await inTime(async (ms) => {
            await rig.sim.fault({ on: 'api', kind: 'stale', count: 1, ms });
            const made = await rig.dispatch(inputs('stale'));
            const path = `/repos/acme/infra/actions/runs/${made.body['workflow_run_id']}`;
            const { status } = await rig.call('GET', path);
            return {
                soon: () => assert.equal(status, 404),
                later: async () => assert.equal((await rig.call('GET', path)).status, 200),
            };
        });
    });

    const limits: [Json, number, (headers: Headers) => boolean][] = [
        [{ hint: 'retry-after', seconds: 1 }, 403, (headers) => headers.get('retry-after') === '1'],
        [
            { hint: 'retry-after', seconds: 1, status: 429 },
            429,
            (headers) => headers.get('retry-after') === '1',
        ],
        [
            { hint: 'reset', seconds: 1 },
            403,
            (headers) =>
                headers.get('retry-after') === null && headers.get('x-ratelimit-remaining') === '0',
        ],
        [
            { hint: 'none' },
            403,
            (headers) =>
                headers.get('retry-after') === null && headers.get('x-ratelimit-remaining') !== '0',
        ],
    ];
    for (const [fault, status, isRight] of limits) {
        it(`tells a secondary limit as ${JSON.stringify(fault)}`, async () => {
            await rig.sim.fault({
                on: 'api',
                kind: 'secondary',
                route: dispatches,
                count: 1,
                ...fault,
            });
            const answer = await rig.dispatch(inputs('limited'));
            assert.equal(answer.status, status);
            assert.match(String(answer.body['message']), /secondary rate limit/);
            assert.ok(isRight(answer.headers));
        });
    }

    it('exhausts the primary quota until its reset', async () => {
        await inTime(async (ms) => {
            await rig.sim.fault({
                on: 'api',
                kind: 'primary',
                route: dispatches,
                count: 1,
                seconds: ms / 1000,
            });
            const answer = await rig.dispatch(inputs('primary'));
            const told = [answer.status, answer.headers.get('x-ratelimit-remaining')];
            const next = await rig.dispatch(inputs('primary'));
            return {
                soon: () => assert.deepEqual([...told, next.status], [403, '0', 403]),
                later: async () =>
                    assert.equal((await rig.dispatch(inputs('primary'))).status, 200),
            };
        });
    });

    it('lets the webhook overtake the answer', async () => {
        await rig.sim.fault({
            on: 'api',
            kind: 'late-answer',
            route: dispatches,
            count: 1,
            ms: 4000,
        });
        rig.hook.got = [];
        const order: string[] = [];
        const answering = rig.dispatch(inputs('late')).then(({ status }) => order.push(`${status}`));
        while (order.length === 0 && rig.hook.of('workflow_run', 'requested').length === 0)
            await new Promise((done) => setTimeout(done, 5));
        order.push('webhook');
        await answering;
        assert.deepEqual(order, ['webhook', '200']);
    });

    it('gives half a body', async () => {
        await rig.sim.fault({
            on: 'api',
            kind: 'truncated',
            route: 'GET /repos/acme/infra',
            count: 1,
        });
        const answer = await rig.call('GET', '/repos/acme/infra');
        assert.throws(() => {
            JSON.parse(answer.text);
        });
    });

    it('fires by probability, the same way for the same seed', async () => {
        const pattern = async () => {
            await rig.sim.settings({ seed: 7 });
            await rig.sim.fault({
                on: 'api',
                kind: 'error500',
                route: 'GET /app',
                probability: 0.5,
            });
            const seen: number[] = [];
            for (let index = 0; index < 20; index++) {
                seen.push(
                    (
                        await rig.call('GET', '/app', undefined, {
                            authorization: `Bearer ${rig.jwt}`,
                        })
                    ).status,
                );
            }
            await rig.sim.clearFaults();
            return seen;
        };
        const first = await pattern();
        assert.deepEqual(await pattern(), first);
        assert.ok(first.includes(500) && first.includes(200));
    });
});

describe('faults of webhooks', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start({ delays: { queueMs: 5, runMs: 5 } });
    });
    after(() => rig.stop());
    afterEach(async () => {
        await rig.sim.clearFaults();
        rig.hook.got = [];
        rig.hook.status = 202;
        rig.hook.delayMs = 0;
    });
    const guids = () => rig.hook.of('workflow_run').map((one) => one.headers['x-github-delivery']);

    it('duplicates with the same guid and the same bytes', async () => {
        await rig.sim.fault({ on: 'webhook', kind: 'duplicate', event: 'workflow_run.completed' });
        await rig.dispatch(inputs('d'));
        await rig.sim.idle();
        assert.equal(guids().length, 4);
        assert.equal(new Set(guids()).size, 3);
        const [one, two] = rig.hook.of('workflow_run', 'completed');
        assert.deepEqual(one?.raw, two?.raw);
    });

    it('reorders within its window', async () => {
        await rig.sim.fault({ on: 'webhook', kind: 'reorder', event: 'workflow_run', ms: 120 });
        for (let index = 0; index < 10; index++) await rig.dispatch(inputs(`o-${index}`));
        await rig.sim.idle();
        const order = ['requested', 'in_progress', 'completed'];
        const perRun = Map.groupBy(
            rig.hook.of('workflow_run'),
            (one) => (one.body['workflow_run'] as Json)['id'],
        );
        const isShuffled = [...perRun.values()].some((list) =>
            list.some((one, index) => one.body['action'] !== order[index]),
        );
        assert.ok(isShuffled);
        assert.equal(rig.hook.of('workflow_run').length, 30);
    });

    it('drops with a failure record that can be redelivered under the same guid', async () => {
        await rig.sim.fault({
            on: 'webhook',
            kind: 'drop',
            event: 'workflow_run.completed',
            count: 1,
        });
        await rig.dispatch(inputs('dropped'));
        await rig.sim.idle();
        assert.equal(rig.hook.of('workflow_run', 'completed').length, 0);
        const as = { authorization: `Bearer ${rig.jwt}` };
        const failed = await rig.call(
            'GET',
            '/app/hook/deliveries?status=failure&per_page=100',
            undefined,
            as,
        );
        const [record] = failed.body as unknown as Json[];
        assert.equal(record?.['action'], 'completed');
        const again = await rig.call(
            'POST',
            `/app/hook/deliveries/${record?.['id']}/attempts`,
            undefined,
            as,
        );
        assert.equal(again.status, 202);
        await rig.sim.idle();
        const [got] = rig.hook.of('workflow_run', 'completed');
        assert.equal(got?.headers['x-github-delivery'], record?.['guid']);
        const all = await rig.call('GET', '/app/hook/deliveries?per_page=100', undefined, as);
        const attempts = (all.body as unknown as Json[]).filter(
            (one) => one['guid'] === record?.['guid'],
        );
        assert.deepEqual(
            attempts.map((one) => one['redelivery']),
            [true, false],
        );
    });

    it('drops without a trace', async () => {
        const before = (await rig.sim.deliveries()).length;
        await rig.sim.fault({ on: 'webhook', kind: 'drop-silent', event: 'workflow_*' });
        await rig.dispatch(inputs('silent'));
        await rig.sim.idle();
        assert.equal(rig.hook.got.length, 0);
        assert.equal((await rig.sim.deliveries()).length, before);
    });

    it('signs wrongly, not at all, or alters a byte', async () => {
        for (const kind of ['bad-signature', 'no-signature', 'altered-byte'] as const) {
            rig.hook.got = [];
            await rig.sim.fault({ on: 'webhook', kind, event: 'workflow_run.requested' });
            await rig.dispatch(inputs(kind));
            await rig.sim.idle();
            const [one] = rig.hook.got.filter(
                (got) => got.headers['x-github-event'] === 'workflow_run',
            );
            const { createHmac } = await import('node:crypto');
            const right =
                'sha256=' +
                createHmac('sha256', 'a webhook secret')
                    .update(one?.raw ?? '')
                    .digest('hex');
            assert.notEqual(one?.headers['x-hub-signature-256'], right, kind);
            await rig.sim.clearFaults();
        }
    });

    it('records the answer of the receiver, and gives up after its limit', async () => {
        rig.hook.status = 500;
        await rig.dispatch(inputs('500'));
        await rig.sim.idle();
        assert.equal((await rig.sim.deliveries()).at(-1)?.status_code, 500);
        rig.hook.status = 202;
        rig.hook.delayMs = 400;
        await rig.sim.settings({ webhook_timeout_ms: 100 });
        await rig.sim.ping();
        await rig.sim.idle();
        assert.equal((await rig.sim.deliveries()).at(-1)?.status, 'timed out');
        await rig.sim.settings({ webhook_timeout_ms: 10_000 });
    });

    it('sends any body it is given, signed', async () => {
        await rig.sim.sendWebhook('made_up', { action: 'strange', zen: '`$(id)`' });
        await rig.sim.idle();
        assert.equal(rig.hook.of('made_up')[0]?.body['zen'], '`$(id)`');
        assert.match(String(rig.hook.of('made_up')[0]?.headers['x-hub-signature-256']), /^sha256=/);
    });

    it('sends forms when the hook is configured so', async () => {
        const as = { authorization: `Bearer ${rig.jwt}` };
        await rig.call('PATCH', '/app/hook/config', { content_type: 'form' }, as);
        await rig.sim.ping();
        await rig.sim.idle();
        assert.equal(
            rig.hook.of('ping')[0]?.headers['content-type'],
            'application/x-www-form-urlencoded',
        );
        await rig.call('PATCH', '/app/hook/config', { content_type: 'json' }, as);
    });
});

describe('the written limits, when enforced', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());
    afterEach(async () => {
        await rig.sim.settings({ enforce: {}, api_latency_ms: 0 });
        await rig.sim.control('POST', '/limits/reset');
    });

    it('allow 900 points a minute, five for a mutation', async () => {
        await rig.sim.settings({ enforce: { points: 12 } });
        const statuses: number[] = [];
        for (let index = 0; index < 4; index++)
            statuses.push((await rig.dispatch(inputs(`p${index}`))).status);
        assert.deepEqual(statuses, [200, 200, 200, 403]);
    });

    it('allow so many calls at once', async () => {
        await rig.sim.settings({ enforce: { concurrent: 5 }, api_latency_ms: 3000 });
        const all = await Promise.all(
            Array.from({ length: 8 }, () => rig.call('GET', '/repos/acme/infra')),
        );
        assert.equal(all.filter((one) => one.status === 403).length, 3);
    });

    it('allow so many creations a minute', async () => {
        await rig.sim.openPull('acme/infra', { head: 'feature', files: { a: 'b' } });
        await rig.sim.settings({ enforce: { content: 3 } });
        const statuses: number[] = [];
        for (let index = 0; index < 4; index++) {
            statuses.push(
                (
                    await rig.call('POST', '/repos/acme/infra/issues/1/comments', {
                        body: `c${index}`,
                    })
                ).status,
            );
        }
        assert.deepEqual(statuses, [201, 201, 201, 403]);
    });
});

describe('the referee', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());

    it('counts duplicate runs, second comments and calls while limited', async () => {
        await rig.sim.openPull('acme/infra', { head: 'feature', files: { a: 'b' } });
        for (const id of ['one', 'two', 'two', '']) await rig.dispatch(inputs(id));
        for (const body of ['first', 'second'])
            await rig.call('POST', '/repos/acme/infra/issues/1/comments', { body });
        await rig.sim.fault({
            on: 'api',
            kind: 'secondary',
            route: 'GET /repos/acme/infra',
            count: 1,
            seconds: 60,
        });
        await rig.call('GET', '/repos/acme/infra');
        await new Promise((done) => setTimeout(done, 1080));
        await rig.call('GET', '/repos/acme/infra', undefined, { 'x-github-api-version': '' });
        const verdict = await rig.sim.referee(true);
        assert.deepEqual(Object.keys(verdict.runs.duplicates), ['two']);
        assert.deepEqual(
            [verdict.runs.total, verdict.runs.intents, verdict.runs.withoutIntent],
            [4, 2, 1],
        );
        assert.deepEqual(verdict.comments.perPull, { 'acme/infra#1': 2 });
        assert.equal(verdict.comments.pullsWithMoreThanOne, 1);
        assert.equal(verdict.calls.whileLimited, 1);
        assert.equal(verdict.calls.missingVersion, 1);
        assert.equal(verdict.faultsFired['secondary'], 1);
        assert.equal(
            verdict.calls.byRoute['POST /repos/:owner/:repo/actions/workflows/:file/dispatches'],
            4,
        );
        assert.deepEqual(verdict.comments.bodies?.map((one) => one.revisions[0]?.body).slice(-2), [
            'first',
            'second',
        ]);
    });

    it('finds secrets in what people can read', async () => {
        const before = await rig.sim.referee();
        assert.deepEqual(before.leaks, []);
        await rig.sim.openPull('acme/infra', { head: 'leaky', files: { l: 'l' } });
        const made = await rig.call('POST', '/repos/acme/infra/issues/2/comments', {
            body: `see ${rig.token}`,
        });
        await rig.call('DELETE', `/repos/acme/infra/issues/comments/${made.body['id']}`);
        const { leaks } = await rig.sim.referee();
        assert.deepEqual(leaks, [
            { where: `comment ${made.body['id']}`, what: 'installation token' },
        ]);
    });
});
