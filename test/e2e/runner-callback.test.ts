/* Telling the platform: as often as it takes, never twice, never where it must not lead. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, certificate, Platform, until, withRunner } from './runner-house.ts';

describe('a callback', { concurrency: 2 }, () => {
    it('is made until the platform, which was down, is there again', () =>
        withRunner({}, async (house) => {
            const { port } = house.platform;
            const payload = house.payload();
            await house.platform.stop();
            assert.equal((await house.call('POST', '/dispatch', payload)).status, 202);
            const runId = payload['runId'] as string;
            await until('it was tried in vain', async () => ((await house.run(runId))['callback']?.attempts ?? 0) >= 2);
            assert.equal((await house.run(runId))['callback'].state, 'waiting');
            await house.platform.start(port);
            const run = await house.closed(runId);
            assert.equal(run['callback'].state, 'delivered');
            house.outcome(runId);
        }));

    it('is made again when the platform stumbles', () =>
        withRunner({}, async (house) => {
            const answers = [500, 503, 429, 408];
            house.platform.will((heard, answer, nth) => answering(answers[nth - 1] ?? 200, { 'retry-after': '0' })(heard, answer, nth));
            const runId = await house.dispatch();
            const run = await house.closed(runId);
            assert.deepEqual(run['callback'], { state: 'delivered', attempts: 5, answer: 'answered 200' });
            const bodies = house.platform.of(runId).map((one) => JSON.stringify(one.body));
            assert.equal(new Set(bodies).size, 1, 'each time the same is said');
        }));

    it('waits as long as it is asked to', () =>
        withRunner({}, async (house) => {
            house.platform.will((heard, answer, nth) => answering(nth === 1 ? 503 : 200, { 'retry-after': '2' })(heard, answer, nth));
            const runId = await house.dispatch();
            await house.closed(runId);
            const [first, second] = house.platform.of(runId);
            assert.ok(second!.at - first!.at >= 1900, `${second!.at - first!.at} ms`);
        }));

    it('is made again when its connection dies in the middle', () =>
        withRunner({}, async (house) => {
            house.platform.will((heard, answer, nth) => (nth === 1 ? void answer.socket?.destroy() : answering(200)(heard, answer, nth)));
            const runId = await house.dispatch();
            assert.equal((await house.closed(runId))['callback'].attempts, 2);
        }));

    it('has patience with a slow platform, and the runner goes on meanwhile', () =>
        withRunner({}, async (house) => {
            let isSlow = true;
            house.platform.will(async (heard, answer, nth) => {
                while (isSlow && heard.runId === slow) await sleep(20);
                answering(200)(heard, answer, nth);
            });
            const payload = house.payload();
            const slow = payload['runId'] as string;
            assert.equal((await house.call('POST', '/dispatch', payload)).status, 202);
            await until('it is told', () => house.platform.of(slow).length === 1);
            const other = await house.dispatch();
            await house.closed(other);
            assert.equal((await house.run(slow))['callback'].state, 'waiting');
            isSlow = false;
            assert.equal((await house.closed(slow))['callback'].state, 'delivered');
        }));

    for (const [status, state] of [
        [401, 'refused'],
        [403, 'refused'],
        [404, 'refused'],
        [410, 'refused'],
        [409, 'delivered'],
    ] as const)
        it(`ends with the answer ${status}: ${state}`, () =>
            withRunner({}, async (house) => {
                house.platform.will(answering(status));
                const runId = await house.dispatch();
                assert.deepEqual((await house.closed(runId))['callback'], { state, attempts: 1, answer: `answered ${status}` });
                assert.equal(house.platform.of(runId).length, 1);
            }));

    it('never goes where an answer points', () =>
        withRunner({}, async (house) => {
            const other = new Platform();
            await other.start();
            const places = ['http://169.254.169.254/latest/meta-data/', `http://127.0.0.1:${other.port}/`, 'file:///etc/passwd', '/again'];
            try {
                for (const [i, location] of places.entries()) {
                    house.platform.will(answering([301, 302, 307, 308][i]!, { location }));
                    const runId = await house.dispatch();
                    const run = await house.closed(runId);
                    assert.equal(run['callback'].state, 'refused', location);
                    assert.equal(house.platform.of(runId).length, 1, location);
                }
                assert.equal(other.heard.length, 0);
                assert.equal(house.platform.heard.length, places.length);
            } finally {
                await other.stop();
            }
        }));

    it('goes over https to a platform whose certificate is trusted, and to no other', () =>
        withRunner({ settings: { CALLBACK_ALLOWED_HOSTS: 'localhost' } }, async (house) => {
            const [good, other] = [certificate(house.dir, 'localhost'), certificate(house.dir, 'example.com')];
            const { port } = house.platform;
            await house.platform.stop();
            const runIds: string[] = [];
            const told = async (tls: { key: Buffer; cert: Buffer }, what: string) => {
                await house.platform.start(port, tls);
                const runId = randomUUID();
                runIds.push(runId);
                await house.dispatch({ runId, callbackUrl: house.platform.url(runId, 'localhost') });
                await until(what, async () => ((await house.run(runId))['callback']?.attempts ?? 0) >= 2);
                assert.equal(house.platform.heard.length, 0, what);
                await house.platform.stop();
            };
            await told(good, 'a certificate that nobody has signed is refused');
            house.settings['CA_FILE'] = other.file;
            await house.kill();
            await house.start();
            await told(other, 'a certificate of another host is refused');
            house.settings['CA_FILE'] = good.file;
            await house.kill();
            await house.start();
            await house.platform.start(port, good);
            for (const runId of runIds) {
                assert.equal((await house.closed(runId))['callback'].state, 'delivered');
                house.outcome(runId);
            }
        }));

    it('swallows no answer that never ends', () =>
        withRunner({}, async (house) => {
            house.platform.will((_heard, answer) => {
                answer.writeHead(200);
                const more = () => {
                    while (!answer.destroyed && answer.write('x'.repeat(65536)));
                };
                answer.on('drain', more);
                more();
            });
            const runId = await house.dispatch();
            assert.equal((await house.closed(runId))['callback'].state, 'delivered');
        }));

    it('ends when its token does: the run has no time then', () =>
        withRunner({}, async (house) => {
            // a run ends a minute before its token, so this one is over before it begins
            const payload = house.payload({}, 50_000);
            assert.equal((await house.call('POST', '/dispatch', payload)).status, 202);
            const run = await house.closed(payload['runId'] as string);
            assert.equal(run['reason'], 'timeout');
            assert.equal(run['callback'].state, 'delivered');
            assert.equal(house.lines('starts').length, 0);
        }));

    it('is given up when the token has expired', () =>
        withRunner({}, async (house) => {
            house.platform.will(answering(500));
            const payload = house.payload({}, 12_000);
            assert.equal((await house.call('POST', '/dispatch', payload)).status, 202);
            const run = await house.closed(payload['runId'] as string);
            assert.equal(run['callback'].state, 'expired');
        }));

    it('that waits does so over a restart', () =>
        withRunner({}, async (house) => {
            house.platform.will(answering(503));
            const runId = await house.dispatch();
            await until('it was tried', async () => ((await house.run(runId))['callback']?.attempts ?? 0) >= 1);
            house.signal('SIGTERM');
            assert.deepEqual(await house.ended(), { code: 0, signal: null });
            house.platform.will(answering(200));
            await house.start();
            assert.equal((await house.closed(runId))['callback'].state, 'delivered');
            assert.equal(house.lines('starts').length, 1);
            const last = house.platform.of(runId).at(-1)!;
            assert.equal(last.body['status'], 'succeeded');
            assert.match(last.body['metadata'].logTail, /workflow ok/);
        }));
});
