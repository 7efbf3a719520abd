/* The stream of changes: what is told, to whom, what is told again to those who come back, and how it ends. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases, Server } from '../run/server.ts';
import { eventually, House, type Repo, type Value } from './house.ts';
import { wrongIn } from './spec.ts';
import { nodesOf, Stream, type ListenOrder } from './stream.ts';

const workflow =
    'on:\n  workflow_dispatch:\n    inputs:\n      component: {type: string}\n      stack: {type: string}\n      atmos_pro_run_id: {type: string}\njobs: {a: {runs-on: x, steps: []}}\n';

for (const kind of databases)
    describe(`the stream of changes, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        const open: Stream[] = [];
        const listen = async (order: Partial<ListenOrder> = {}, url = house.server.url) => {
            const stream = await Stream.open(url, { token: house.admin, ...order });
            open.push(stream);
            return stream;
        };
        let locks = 0;
        const takeLock = async (call = {}) => {
            const key = `acme/live/dev/n${++locks}`;
            await house.ok('POST', '/api/v1/locks', { key, ttl: 600 }, call);
        };
        const dispatch = async (component: string): Promise<string> => {
            const { data } = await house.ok('POST', '/api/v1/dispatch', {
                repo: repo.full_name,
                stack: 'dev',
                component,
                workflow: 'plan.yaml',
                inputs: { component, stack: 'dev' },
            });
            return data['batch'] as string;
        };
        before(async () => {
            house = await House.open(kind, { settings: { live_streams_person_max: '6' } });
            repo = await house.repo('live', { '.github/workflows/plan.yaml': workflow });
            await house.sim.script({ conclusion: 'success', queueMs: 0, runMs: 0 });
        });
        after(async () => {
            for (const stream of open) stream.close();
            await house?.close();
        });

        it('is described, and refused to strangers', async () => {
            const stranger = await listen({ token: '' });
            assert.equal(stranger.status, 401);
            const stream = await listen();
            assert.equal(stream.status, 200);
            assert.deepEqual(
                wrongIn('GET', '/api/v1/live', { status: 200, headers: stream.headers, text: '' }),
                [],
            );
            assert.equal(stream.headers['cache-control'], 'no-store');
            await house.call('HEAD', '/api/v1/live', { token: house.admin });
            const lost = await house.call('GET', '/api/v1/live?batch=batch_nowhere', { token: house.admin });
            assert.equal(lost.status, 404);
            stream.close();
        });

        it('tells what was changed by whom it may be', async () => {
            const stream = await listen();
            await takeLock();
            const lock = await stream.heard('changed', (data) => data.kinds.includes('locks'));
            assert.match(lock.id, /^[0-9a-f]{12}-\d+$/);
            const at = `/api/v1/repositories/${repo.lane}`;
            await house.ok('PATCH', `${at}/settings`, { strict_plans: true });
            await stream.heard('changed', (data) => data.kinds.includes('repositories') && data.repositories.includes(repo.lane));
            await house.sim.openPull(repo.full_name, { head: 'told', files: { 'a.tf': '#' } });
            await stream.heard('changed', (data) => data.kinds.includes('facts'));
            stream.close();
        });

        it('follows a batch from its first event to its end, node by node', async () => {
            const everything = await listen();
            const id = await dispatch('followed');
            const stream = await listen({ batch: id });
            const end = await stream.heard('batch', (data) => data.state === 'ended');
            assert.equal(end.data.batchId, id);
            assert.deepEqual(end.data.counts, { success: 1 });
            assert.equal(end.data.hold, null);
            assert.equal(nodesOf(stream).get(0), 'success');
            const [position, state, , runId, attempt, started, ended] = end.data.nodes.at(-1) as unknown[];
            assert.deepEqual([position, state, attempt], [0, 'success', 1]);
            assert.match(String(runId), /^run_/);
            assert.ok(Number(ended) >= Number(started) && Number(started) > Date.now() - 600_000);
            await everything.heard('changed', (data) => data.kinds.includes('batches') && (data.batches.length === 0 || data.batches.includes(id)));
            await everything.heard('changed', (data) => data.kinds.includes('runs'));
            // Who comes late is told all that has moved, at once.
            const late = await listen({ batch: id });
            const whole = await late.heard('batch');
            assert.deepEqual([whole.data.state, whole.data.nodes.length], ['ended', 1]);
            for (const one of [everything, stream, late]) one.close();
        });

        it('tells again what was missed, and says so when it cannot', async () => {
            const stream = await listen();
            await takeLock();
            const last = await stream.heard('changed', (data) => data.kinds.includes('locks'));
            stream.close();
            const witness = await listen();
            await takeLock();
            const missed = await witness.heard('changed', (data) => data.kinds.includes('locks'));
            const back = await listen({ after: last.id });
            const again = await back.heard('changed', (data) => data.kinds.includes('locks'));
            assert.equal(again.id, missed.id);
            assert.ok(!back.told.some((one) => one.name === 'resync'), back.text);
            const foreign = await listen({ after: `${'0'.repeat(12)}-5` });
            await foreign.heard('resync');
            const nonsense = await listen({ after: 'x'.repeat(300) });
            await nonsense.heard('resync');
            for (const one of [witness, back, foreign, nonsense]) one.close();
        });

        it('resumes after nobody had listened for a moment', async () => {
            const stream = await listen();
            const hello = await stream.until((one) => one.lastId || undefined);
            stream.close();
            await takeLock();
            const back = await listen({ after: hello });
            await back.heard('changed', (data) => data.kinds.includes('locks'));
            back.close();
        });

        it('tells a token of one repository only of that one', async () => {
            const other = await house.repo(`other`);
            const mine = await house.token({ repositoryId: repo.lane });
            const stream = await listen({ token: mine.token });
            assert.equal(stream.status, 200);
            await house.ok('PATCH', `/api/v1/repositories/${other.lane}/settings`, { strict_plans: true });
            await house.ok('PATCH', `/api/v1/repositories/${repo.lane}/settings`, { strict_plans: false });
            await stream.heard('changed', (data) => data.repositories.includes(repo.lane));
            for (const one of stream.told)
                assert.ok(!((one.data.repositories ?? []) as number[]).includes(other.lane), stream.text);
            stream.close();
        });

        it('ends when the token is revoked', async () => {
            const made = await house.token();
            const stream = await listen({ token: made.token });
            assert.equal(stream.status, 200);
            await house.ok('DELETE', `/api/v1/tokens/${made.id}`);
            await stream.over();
            const again = await listen({ token: made.token });
            assert.equal(again.status, 401);
        });

        it('gives one person only so many, and takes note of those that were closed', async () => {
            const { token } = await house.token();
            const mine: Stream[] = [];
            for (let i = 0; i < 6; i++) mine.push(await listen({ token }));
            assert.deepEqual(mine.map((one) => one.status), [200, 200, 200, 200, 200, 200]);
            const refused = await house.call('GET', '/api/v1/live', { token });
            assert.equal(refused.status, 503);
            assert.match(refused.body['errorMessage'], /live_streams_person_max/);
            mine[0]!.close();
            await eventually(async () => {
                const again = await listen({ token });
                mine.push(again);
                assert.equal(again.status, 200);
            });
            for (const one of mine) one.close();
        });

        it('says bye when the server stops, and what happened meanwhile is to be read again', async () => {
            const stream = await listen();
            await takeLock();
            const last = await stream.heard('changed', (data) => data.kinds.includes('locks'));
            const stopped = house.server.stop();
            await stream.heard('bye');
            await stream.over();
            assert.deepEqual(await stopped, { code: 0, signal: null });
            await house.start();
            const back = await listen({ after: last.id });
            await back.heard('resync');
            back.close();
        });
    });

describe('the stream of changes, of two servers on one PostgreSQL', () => {
    let house: House;
    let second: Server;
    let repo: Repo;
    const open: Stream[] = [];
    const listen = async (url: string, order: Partial<ListenOrder> = {}) => {
        const stream = await Stream.open(url, { token: house.admin, ...order });
        open.push(stream);
        return stream;
    };
    const hears = async (stream: Stream, what: string) => {
        const from = stream.told.length;
        await house.ok('POST', '/api/v1/locks', { key: `acme/two/dev/${what}`, ttl: 600 }, { url: what.startsWith('second') ? second.url : house.server.url });
        await stream.until(() =>
            stream.told.slice(from).find((one) => one.name === 'resync' || (one.data.kinds as string[] | undefined)?.includes('locks')),
        );
    };
    before(async () => {
        house = await House.open(databases[1]!);
        repo = await house.repo('two', { '.github/workflows/plan.yaml': workflow });
        await house.sim.script({ conclusion: 'success', queueMs: 0, runMs: 0 });
        second = new Server(house.database, {
            settings: { ...house.server.settings, listen: '127.0.0.1:0' },
        });
        await second.start();
    });
    after(async () => {
        for (const stream of open) stream.close();
        await second?.kill();
        await house?.close();
    });

    it('tells at each what is done at the other', async () => {
        const here = await listen(house.server.url);
        const there = await listen(second.url);
        await hears(here, 'second-a');
        await hears(there, 'first-b');
    });

    it('follows a batch whose lane is wherever it is', async () => {
        const { data } = await house.ok('POST', '/api/v1/dispatch', {
            repo: repo.full_name,
            stack: 'dev',
            component: 'vpc',
            workflow: 'plan.yaml',
            inputs: { component: 'vpc', stack: 'dev' },
        });
        const batch = data['batch'] as string;
        for (const stream of [await listen(house.server.url, { batch }), await listen(second.url, { batch })]) {
            const end = await stream.heard('batch', (one: Value) => one['state'] === 'ended');
            assert.deepEqual(end.data.counts, { success: 1 });
        }
    });

    it('goes on at the other when one is killed', async () => {
        const there = await listen(second.url);
        const here = await listen(house.server.url);
        const last = await here.until((one) => one.lastId || undefined);
        await second.kill();
        await there.over();
        const moved = await listen(house.server.url, { after: there.lastId });
        await moved.heard('resync');
        await hears(here, 'first-c');
        const back = await listen(house.server.url, { after: last });
        await back.heard('changed', (data) => data.kinds.includes('locks'));
    });
});
