/* The runner is killed, in every phase; a job is killed; the runner is asked to stop. Nothing runs twice, nothing is forgotten, nothing is left. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answering, isAlive, until, withRunner, type RunnerHouse } from './runner-house.ts';

const lost = (house: RunnerHouse, runId: string): void => {
    const { status, error, metadata } = house.outcome(runId);
    assert.equal(status, 'failed');
    assert.match(error, /^runner restarted/);
    assert.equal(metadata.reason, 'internal');
};

/** The process of a job, as the log names it. */
const jobPid = (house: RunnerHouse, runId: string): number => {
    const line = house.log.split('\n').find((text) => text.includes('"a job has started"') && text.includes(runId));
    return (JSON.parse(line!) as { pid: number }).pid;
};

describe('kill -9 of the runner', { concurrency: 2 }, () => {
    it('while runs wait: they run', () =>
        withRunner({ settings: { MAX_CONCURRENT_RUNS: '1' } }, async (house) => {
            house.touch('hold');
            const first = await house.dispatch({ vars: { mark: 'first' } });
            const waiting = [await house.dispatch({ vars: { mark: 'second' } }), await house.dispatch({ vars: { mark: 'third' } })];
            await house.kill();
            house.remove('hold');
            await house.start();
            for (const runId of waiting) assert.equal((await house.closed(runId))['state'], 'succeeded');
            await house.closed(first);
            assert.deepEqual(house.lines('starts').filter((line) => line !== 'ok first'), ['ok second', 'ok third']);
        }));

    it('while a repository is cloned: the run has failed, once, and its stack is free again', () =>
        withRunner({}, async (house) => {
            house.touch('hold');
            const runId = await house.dispatch({ stack: 'prod' });
            await until('it clones', () => house.lines('clones').length > 0);
            await house.kill();
            await house.start();
            await house.closed(runId);
            lost(house, runId);
            house.remove('hold');
            const next = await house.dispatch({ stack: 'prod' });
            assert.equal((await house.closed(next))['state'], 'succeeded');
            assert.equal(house.lines('starts').length, 1);
        }));

    it('while a workflow runs: it is stopped, then reported, then its stack is free again', () =>
        withRunner({}, async (house) => {
            const runId = await house.dispatch({ workflow: 'sleep', stack: 'prod' });
            await until('it runs', () => house.lines('starts').length === 1);
            await house.kill();
            await house.start();
            const next = await house.dispatch({ stack: 'prod', workflow: 'ok' });
            await house.closed(runId);
            lost(house, runId);
            assert.equal((await house.closed(next))['state'], 'succeeded');
            assert.deepEqual(
                house.lines('starts').map((line) => line.trim()),
                ['sleep', 'ok'],
            );
        }));

    it('while a workflow runs that does not want to end', () =>
        withRunner({ settings: { STOP_GRACE: '300ms' } }, async (house) => {
            const runId = await house.dispatch({ workflow: 'stubborn' });
            await until('it runs', () => house.lines('starts').length === 1);
            await house.kill();
            await house.start();
            await house.closed(runId);
            lost(house, runId);
        }));

    it('while a callback waits: it is made', () =>
        withRunner({}, async (house) => {
            house.platform.will(answering(500));
            const runId = await house.dispatch();
            await until('it was tried', () => house.platform.of(runId).length > 0);
            await house.kill();
            house.platform.will(answering(200));
            await house.start();
            const run = await house.closed(runId);
            assert.equal(run['state'], 'succeeded');
            assert.equal(run['callback'].state, 'delivered');
            assert.deepEqual([...new Set(house.platform.of(runId).map((one) => one.body['status']))], ['succeeded']);
            assert.equal(house.lines('starts').length, 1);
        }));

    it('in the very moment after it accepted: what was answered 202 is not lost', () =>
        withRunner({}, async (house) => {
            for (let i = 0; i < 5; i++) {
                const payload = house.payload({ vars: { mark: `m${i}` } });
                const reply = await house.call('POST', '/dispatch', payload);
                await house.kill();
                assert.equal(reply.status, 202);
                await house.start();
                const runId = payload['runId'] as string;
                const again = await house.call('POST', '/dispatch', payload);
                assert.equal(again.status, 200, again.text);
                const run = await house.closed(runId);
                assert.ok(run['state'] === 'succeeded' || /^runner restarted/.test(run['error']), JSON.stringify(run));
                house.outcome(runId);
                assert.ok(house.lines('starts').filter((line) => line === `ok m${i}`).length <= 1);
            }
        }));

    it('together with its job: what they left is ended and removed', () =>
        withRunner({}, async (house) => {
            const runId = await house.dispatch({ workflow: 'orphan' });
            await until('it runs', () => house.lines('starts').length === 1);
            const pid = jobPid(house, runId);
            house.signal('SIGSTOP');
            process.kill(pid, 'SIGKILL');
            await house.kill();
            await house.start();
            await house.closed(runId);
            lost(house, runId);
        }));
});

describe('kill -9 of a job', { concurrency: 2 }, () => {
    it('while it clones', () =>
        withRunner({}, async (house) => {
            house.touch('hold');
            const runId = await house.dispatch();
            await until('it clones', () => house.lines('clones').length > 0);
            process.kill(jobPid(house, runId), 'SIGKILL');
            const run = await house.closed(runId);
            assert.equal(run['reason'], 'internal');
            assert.match(run['error'], /signal 9/);
            house.remove('hold');
            assert.equal(house.lines('starts').length, 0);
        }));

    for (const workflow of ['sleep', 'stubborn', 'orphan'])
        it(`while its workflow runs (${workflow})`, () =>
            withRunner({}, async (house) => {
                const runId = await house.dispatch({ workflow, stack: 'prod' });
                await until('it runs', () => house.lines('starts').length === 1);
                const pid = jobPid(house, runId);
                process.kill(pid, 'SIGKILL');
                const run = await house.closed(runId);
                assert.equal(run['reason'], 'internal');
                assert.equal(house.outcome(runId)['status'], 'failed');
                assert.equal(isAlive(pid), false);
                const next = await house.dispatch({ stack: 'prod' });
                assert.equal((await house.closed(next))['state'], 'succeeded');
            }));
});

describe('asked to stop', { concurrency: 2 }, () => {
    it('it takes nothing new, lets what runs end, and keeps what waits', () =>
        withRunner({ settings: { MAX_CONCURRENT_RUNS: '1' } }, async (house) => {
            const running = await house.dispatch({ workflow: 'wait', vars: { mark: 'first' } });
            await until('it runs', () => house.lines('starts').length === 1);
            const waiting = await house.dispatch({ vars: { mark: 'second' } });
            house.signal('SIGTERM');
            await until('it is not ready any more', async () => (await house.call('GET', '/readyz')).status === 503);
            const refused = await house.call('POST', '/dispatch', house.payload());
            assert.equal(refused.status, 503);
            assert.ok(Number(refused.headers['retry-after']) > 0);
            assert.equal((await house.call('GET', '/healthz')).status, 200);
            house.touch('go');
            assert.deepEqual(await house.ended(), { code: 0, signal: null });
            assert.equal(house.outcome(running)['status'], 'succeeded');
            assert.deepEqual(house.platform.of(waiting), []);
            await house.start();
            assert.equal((await house.closed(waiting))['state'], 'succeeded');
            assert.deepEqual(house.lines('starts'), ['wait first', 'ok second']);
        }));

    it('it stops what takes too long', () =>
        withRunner({ settings: { DRAIN_TIMEOUT: '200ms' } }, async (house) => {
            const runId = await house.dispatch({ workflow: 'sleep' });
            await until('it runs', () => house.lines('starts').length === 1);
            house.signal('SIGTERM');
            assert.deepEqual(await house.ended(), { code: 0, signal: null });
            assert.equal(house.outcome(runId)['metadata'].reason, 'stopped');
            await house.start();
        }));

    it('twice, it stops at once', () =>
        withRunner({}, async (house) => {
            const runId = await house.dispatch({ workflow: 'sleep' });
            await until('it runs', () => house.lines('starts').length === 1);
            house.signal('SIGTERM');
            await until('it drains', async () => (await house.call('GET', '/readyz')).status === 503);
            house.signal('SIGINT');
            assert.deepEqual(await house.ended(), { code: 0, signal: null });
            assert.equal(house.outcome(runId)['metadata'].reason, 'stopped');
            await house.start();
        }));
});
