/** What an installation may spend, what is told of it, and what is counted. */
import { strict as assert } from 'node:assert';
import { after, afterEach, before, describe, it } from 'node:test';
import { appJwt, type LimitsOf } from '../client.ts';
import type { Odd } from '../limits.ts';
import { inputs, Rig } from './helper.ts';

const minutes = (count: number) => count * 60_000;

describe('the budget of an installation', () => {
    let rig: Rig;
    let id = 0;
    const own = async (): Promise<LimitsOf> =>
        (await rig.sim.limits()).callers[`installation ${id}`] as LimitsOf;
    const told = async () => {
        const { headers } = await rig.call('GET', '/repos/acme/infra');
        return ['limit', 'remaining', 'reset'].map((name) => headers.get(`x-ratelimit-${name}`));
    };
    before(async () => {
        rig = await Rig.start();
        id = rig.repo.installation_id ?? 0;
    });
    after(() => rig.stop());
    afterEach(async () => {
        await rig.sim.control('DELETE', '/faults');
        await rig.sim.control('POST', '/limits/reset');
        await rig.sim.settings({ enforce: {}, api_latency_ms: 0 });
    });

    it('is what the scenario says, told in every answer and by GET /rate_limit, which is free', async () => {
        const before = Date.now();
        const set = await rig.sim.setBudget(id, {
            limit: 1000,
            remaining: 400,
            reset_ms: minutes(5),
        });
        assert.deepEqual([set.limit, set.remaining], [1000, 400]);
        for (let index = 0; index < 2; index++) {
            const { body } = await rig.call('GET', '/rate_limit');
            const { core } = body['resources'] as { core: Record<string, number> };
            assert.deepEqual([core['limit'], core['remaining']], [1000, 400]);
        }
        const [limit, remaining, reset] = await told();
        assert.deepEqual([limit, remaining], ['1000', '399']);
        const resetMs = Number(reset) * 1000;
        assert.ok(resetMs >= before + minutes(5) && resetMs <= Date.now() + minutes(5) + 1000);
    });

    it('belongs to that installation alone', async () => {
        await rig.sim.setBudget(id, { limit: 60, remaining: 0, reset_ms: minutes(5) });
        assert.equal((await rig.call('GET', '/repos/acme/infra')).status, 403);
        const as = { authorization: `Bearer ${rig.jwt}` };
        const app = await rig.call('GET', '/app', undefined, as);
        assert.deepEqual([app.status, app.headers.get('x-ratelimit-limit')], [200, '5000']);
    });

    it('counts windows: first, lowest, dispatches, and what came when nothing was left', async () => {
        await rig.sim.setBudget(id, { limit: 10, remaining: 3, reset_ms: minutes(5) });
        await rig.call('GET', '/repos/acme/infra');
        const statuses = [];
        for (const run of ['one', 'two', 'three'])
            statuses.push((await rig.dispatch(inputs(run))).status);
        assert.deepEqual(statuses, [200, 200, 403]);
        const { windows, overdrawn, refused } = await own();
        const { opened_ms, closes_ms, ...window } = windows.at(-1) ?? assert.fail();
        assert.ok(closes_ms - opened_ms === minutes(5));
        assert.deepEqual(window, {
            limit: 10,
            remaining_first: 3,
            remaining_lowest: 0,
            calls: 3,
            dispatches: 2,
            remaining_lowest_after_dispatch: 0,
            overdrawn: 1,
        });
        assert.equal(overdrawn, 1);
        assert.deepEqual(refused, { primary: 1, secondary: 0 });
    });

    it('comes back in windows that may be short', async () => {
        await rig.sim.setBudget(id, { limit: 7, remaining: 0, reset_ms: 1, window_ms: 400 });
        const seen = new Set<number>();
        for (const end = Date.now() + 60_000; Date.now() < end && seen.size < 3;) {
            await rig.call('GET', '/repos/acme/infra');
            for (const one of (await own()).windows) seen.add(one.opened_ms);
        }
        const [, ...later] = (await own()).windows;
        assert.ok(later.length >= 2);
        for (const one of later.slice(1))
            assert.deepEqual([one.remaining_first, one.closes_ms - one.opened_ms], [7, 400]);
    });

    it('shows each call in its order', async () => {
        await rig.sim.setBudget(id, { limit: 10, remaining: 1, reset_ms: minutes(1) });
        await rig.call('GET', '/repos/acme/infra');
        await rig.call('GET', '/repos/acme/infra');
        const { calls } = await rig.sim.limits(true);
        const ours = calls?.filter((one) => one.caller === `installation ${id}`).slice(-2);
        assert.deepEqual(
            ours?.map((one) => [one.route, one.remaining, one.refused]),
            [
                ['GET /repos/:owner/:repo', 0, false],
                ['GET /repos/:owner/:repo', 0, true],
            ],
        );
    });

    it('counts a call while limited only when the refusal had been answered', async () => {
        const route = 'GET /repos/acme/infra';
        await rig.sim.fault({ on: 'api', kind: 'secondary', route, count: 1, seconds: 600 });
        await rig.sim.settings({ api_latency_ms: 1500 });
        const get = () => rig.call('GET', '/repos/acme/infra');
        const both = await Promise.all([get(), get()]);
        assert.deepEqual(both.map((one) => one.status).sort(), [200, 403]);
        assert.equal((await own()).while_limited, 0);
        await new Promise((done) => setTimeout(done, 1080));
        await get();
        assert.equal((await own()).while_limited, 1);
    });

    it('tells a secondary limit by the header that is ordered', async () => {
        const expected = {
            'retry-after': [true, false],
            'reset': [false, true],
            'none': [false, false],
        };
        for (const [hint, [hasRetry, hasReset]] of Object.entries(expected)) {
            await rig.sim.settings({ enforce: { content: 0, hint } });
            await rig.sim.openPull('acme/infra', { head: `by-${hint}`, files: { [hint]: 'x' } });
            const path = '/repos/acme/infra/issues/1/comments';
            const { status, headers } = await rig.call('POST', path, { body: 'hello' });
            assert.equal(status, 403);
            assert.equal(headers.has('retry-after'), hasRetry, hint);
            assert.equal(headers.get('x-ratelimit-remaining') === '0', hasReset, hint);
        }
    });

    it('notes the most that was asked for in a minute and at once', async () => {
        await rig.dispatch(inputs('most'));
        await rig.call('GET', '/repos/acme/infra');
        const { points_max, concurrent_max, content_max } = await own();
        assert.deepEqual([points_max, concurrent_max, content_max], [6, 1, 0]);
    });

    const odd: Record<
        Odd,
        (limit: string | null, remaining: string | null, reset: number) => boolean
    > = {
        missing: (limit, remaining) => limit === null && remaining === null,
        negative: (limit, remaining, reset) => limit === '-1' && remaining === '-1' && reset === -1,
        absurd: (limit) => limit === '1152921504606846976',
        text: (limit, remaining) => limit === 'NaN' && remaining === 'NaN',
        past: (_limit, _remaining, reset) => reset * 1000 < Date.now() - minutes(119),
        far: (_limit, _remaining, reset) => reset * 1000 > Date.now() + minutes(500_000),
        backwards: (_limit, remaining, reset) =>
            remaining === '500' && reset * 1000 < Date.now() + minutes(20),
    };
    for (const [kind, holds] of Object.entries(odd)) {
        it(`is told in an odd way on order: ${kind}`, async () => {
            await rig.sim.setBudget(id, { limit: 500, remaining: 90, reset_ms: minutes(29) });
            await rig.sim.fault({ on: 'api', kind: 'odd-limits', odd: kind as Odd });
            const [limit = null, remaining = null, reset] = await told();
            assert.ok(holds(limit, remaining, Number(reset)), `${limit}, ${remaining}, ${reset}`);
            const { body } = await rig.call('GET', '/rate_limit');
            const { core } = body['resources'] as { core: Record<string, unknown> };
            if (kind === 'missing') assert.deepEqual(core, {});
            if (kind === 'negative') assert.equal(core['remaining'], -1);
            if (kind === 'absurd') assert.equal(core['limit'], 2 ** 60);
            if (kind === 'text') assert.equal(core['limit'], null);
            if (kind === 'backwards') assert.equal(core['remaining'], 500);
        });
    }
});

describe('a forge whose clock is an hour ahead', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
        await rig.sim.settings({ clock_ahead_ms: minutes(60) });
    });
    after(() => rig.stop());

    it('says so in its date, its resets and its objects, and judges tokens by it', async () => {
        const late = await rig.call('GET', '/app', undefined, {
            authorization: `Bearer ${rig.jwt}`,
        });
        assert.equal(late.status, 401);
        const { app } = await rig.sim.settings();
        const there = Math.floor((Date.now() + minutes(60)) / 1000);
        rig.jwt = appJwt(app.id, app.private_key, { iat: there - 60, exp: there + 540 });
        rig.token = await rig.newToken();
        await rig.dispatch(inputs('skewed'));
        const { headers, body } = await rig.call('GET', '/repos/acme/infra/actions/runs');
        const ahead = (atMs: number) => Math.round((atMs - Date.now()) / minutes(60));
        assert.equal(ahead(Date.parse(headers.get('date') ?? '')), 1);
        const [run] = body['workflow_runs'] as { created_at: string }[];
        assert.equal(ahead(Date.parse(run?.created_at ?? '')), 1);
        assert.ok(Number(headers.get('x-ratelimit-reset')) * 1000 > Date.now() + minutes(61));
    });
});
