/* Locks (atmos-pro.md §12): one winner, an end by themselves, a token that rises, and a message for who comes second. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases } from '../run/server.ts';
import { eventually, House, type Reply, type Repo, type Value } from './house.ts';

for (const kind of databases)
    describe(`locks on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let session: string;
        let count = 0;
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('locks');
            session = await house.session(repo, { actor: 'mona' });
        });
        after(() => house?.close());
        const key = () => `acme/locks/dev/c${++count}`;
        const lock = (name: string, more: Value = {}, token = session): Promise<Reply> =>
            house.call('POST', '/api/v1/locks', { token, body: { key: name, ttl: 60, ...more } });
        const unlock = (name: string, token = session): Promise<Reply> =>
            house.call('DELETE', '/api/v1/locks', { token, body: { key: name } });
        const shown = async (name: string) =>
            (await house.all(`/api/v1/locks?key=${encodeURIComponent(name)}`))[0];

        it('lets one of twenty at once win, five times over, and tells the others who has it', async () => {
            const name = key();
            for (let round = 0; round < 5; round++) {
                const replies = await Promise.all(
                    Array.from({ length: 20 }, (_, i) => lock(name, { lockMessage: `from ${i}` })),
                );
                const winners = replies.filter((reply) => reply.status === 200);
                assert.equal(winners.length, 1);
                for (const loser of replies.filter((reply) => reply.status !== 200)) {
                    assert.equal(loser.status, 409);
                    assert.equal(loser.body['errorTag'], 'LockAlreadyExists');
                    assert.equal(loser.body['context'].message, winners[0]!.data['lockMessage']);
                    assert.equal(loser.body['context'].expires_at, winners[0]!.data['expiresAt']);
                    assert.equal(loser.body['context'].locked_by, 'mona');
                    assert.ok(
                        (loser.body['errorMessage'] as string).includes(
                            winners[0]!.data['lockMessage'] as string,
                        ),
                    );
                }
                const released = await Promise.all(Array.from({ length: 20 }, () => unlock(name)));
                assert.equal(released.filter((reply) => reply.status === 200).length, 1);
                for (const late of released.filter((reply) => reply.status !== 200))
                    assert.equal(late.body['errorTag'], 'LockNotFound');
            }
        });

        it('gives tokens that rise with every grant, also over kill -9', async () => {
            const name = key();
            let last = -1;
            for (let i = 0; i < 4; i++) {
                const { data } = await lock(name);
                assert.ok(Number(data['token']) > last, `${String(data['token'])} after ${last}`);
                last = Number(data['token']);
                await unlock(name);
                if (i === 1) {
                    await house.server.kill();
                    await house.start();
                }
            }
        });

        it('is on disk before the answer: kill -9 at once, and it is still held', async () => {
            const name = key();
            assert.equal((await lock(name)).status, 200);
            await house.server.kill();
            await house.start();
            assert.equal((await lock(name)).status, 409);
            assert.equal((await unlock(name)).status, 200);
            await house.server.kill();
            await house.start();
            assert.equal((await unlock(name)).status, 404);
        });

        const times: [unknown, number][] = [
            [1, 200],
            [30, 200],
            [2_592_000, 200],
            [2_592_001, 400],
            [0, 400],
            [-1, 400],
            [2_147_483_648, 400],
            [1e18, 400],
            [1.5, 400],
            ['30', 400],
            ['30s', 400],
            [null, 400],
            [true, 400],
            [[30], 400],
        ];
        for (const [ttl, status] of times)
            it(`answers a time of ${JSON.stringify(ttl)} seconds with ${status}`, async () => {
                const before_ms = Date.now();
                const reply = await lock(key(), { ttl });
                const after_ms = Date.now();
                assert.equal(reply.status, status, reply.text);
                if (status !== 200) return;
                /* shown in whole seconds */
                const taken_ms = Date.parse(reply.data['expiresAt'] as string) - (ttl as number) * 1000;
                assert.ok(
                    taken_ms >= before_ms - 1500 && taken_ms <= after_ms + 1500,
                    `${taken_ms - before_ms} ms`,
                );
            });

        /** Two locks of a short life, the first of which was seen to be held; a machine that is too slow for that is given longer ones. */
        const takenAndSeen = async () => {
            for (let ttl = 1; ; ttl *= 4) {
                const [one, two] = [key(), key()];
                const began = Date.now();
                const [first, second] = [await lock(one, { ttl }), await lock(two, { ttl })];
                const taken = await lock(one);
                if (Date.now() - began >= ttl * 1000) continue;
                assert.equal(taken.status, 409);
                return { one, two, first, second };
            }
        };
        it('ends by itself: then it is gone from the list, free to take, and cannot be released', async () => {
            const { one, two, first, second } = await takenAndSeen();
            await sleep(
                Math.max(0, Date.parse(second.data['expiresAt'] as string) - Date.now()) + 20,
            );
            const again = await eventually(async () => {
                const reply = await lock(one);
                assert.equal(reply.status, 200);
                return reply;
            });
            assert.notEqual(again.data['id'], first.data['id']);
            assert.ok(Number(again.data['token']) > Number(first.data['token']));
            await eventually(async () => assert.equal(await shown(two), undefined));
            assert.equal((await unlock(two)).status, 404);
        });

        it('belongs to nobody: another caller may release it', async () => {
            const name = key();
            await lock(name);
            const other = await house.token();
            assert.equal((await unlock(name, other.token)).status, 200);
        });

        it('is one under both paths', async () => {
            const name = key();
            assert.equal(
                (
                    await house.call('POST', '/api/locks', {
                        token: session,
                        body: { key: name, ttl: 60 },
                    })
                ).status,
                200,
            );
            assert.equal((await lock(name)).status, 409);
            assert.equal(
                (await house.call('DELETE', '/api/locks', { token: session, body: { key: name } }))
                    .status,
                200,
            );
            assert.equal((await unlock(name)).status, 404);
        });

        it('folds owner and repository, and nothing else', async () => {
            const name = key();
            await lock(name);
            assert.equal((await lock(name.replace('acme/locks', 'ACME/Locks'))).status, 409);
            assert.equal((await lock(name.replace('/dev/', '/DEV/'))).status, 200);
            assert.equal((await lock(`${name} `)).status, 200);
        });

        it('shows what it was given', async () => {
            const name = key();
            const properties = { ticket: 'OPS-1', deep: { list: [1, null, 'x'] } };
            await lock(name, { lockMessage: 'Ada: <b>migration</b>\nuntil 5', properties });
            const row = (await shown(name))!;
            assert.deepEqual(
                [row['lockMessage'], row['actor'], row['properties'], row['deletedAt']],
                ['Ada: <b>migration</b>\nuntil 5', 'mona', properties, null],
            );
        });

        const bad: [string, Value][] = [
            ['an empty key', { key: '' }],
            ['a key that is a number', { key: 5 }],
            ['a key of 1,025 bytes', { key: 'x'.repeat(1025) }],
            ['a message of 4,097 bytes', { lockMessage: 'x'.repeat(4097) }],
            ['a message that is a list', { lockMessage: ['x'] }],
            ['properties that are a text', { properties: 'x' }],
            ['properties without a key', { properties: [{ value: 1 }] }],
            ['properties of 17 KiB', { properties: { x: 'y'.repeat(17 << 10) } }],
        ];
        for (const [what, change] of bad)
            it(`refuses ${what}`, async () => {
                const reply = await lock(key(), change);
                assert.equal(reply.status, 400, reply.text);
            });

        it('writes a row of audit for each that is taken and released, and none for who lost', async () => {
            const name = key();
            await lock(name, { lockMessage: 'why' });
            await lock(name);
            await unlock(name);
            await unlock(name);
            const rows = (await house.all('/api/v1/audit?category=lock')).filter(
                (row) => row['target'].id === name,
            );
            assert.deepEqual(rows.map((row) => [row['action'], row['actor'].id]).reverse(), [
                ['lock.created', 'mona'],
                ['lock.deleted', 'mona'],
            ]);
        });

        it('ends the lock that a node waits for, for who may operate, and only the one that they saw', async () => {
            const files = {
                '.github/workflows/plan.yaml':
                    'on: {workflow_dispatch: {inputs: {atmos_pro_run_id: {type: string}}}}\njobs: {a: {runs-on: x, steps: []}}\n',
            };
            const waits = await house.repo('waits', files);
            const name = 'acme/waits/dev/vpc';
            const first = (await lock(name, { lockMessage: 'moving' }, await house.session(waits, { actor: 'mona' }))).data;
            const { data: batch } = await house.ok('POST', '/api/v1/dispatch', {
                repo: waits.full_name,
                stack: 'dev',
                component: 'vpc',
                workflow: 'plan.yaml',
            });
            const path = `/api/v1/batches/${String(batch['batch'])}/nodes/0`;
            const node = async () => (await house.ok('GET', path)).data;
            await eventually(async () => assert.equal((await node())['state'], 'locked'));
            const skip = (body: unknown, token?: string) =>
                house.call('POST', `${path}/skip-wait`, { body, ...(token ? { token } : {}) });
            const seen = { token: Number(first['token']) };
            const elsewhere = await house.token({ repositoryId: repo.lane });
            const here = await house.token({ repositoryId: waits.lane });
            for (const [token, status] of [
                [undefined, 401],
                [await house.session(waits), 403],
                [elsewhere.token, 404],
            ] as const)
                assert.equal((await skip(seen, token)).status, status);
            for (const body of [{}, { token: 0 }, { token: 'x' }, { ...seen, force: true }])
                assert.equal((await skip(body, here.token)).status, 400, JSON.stringify(body));

            const another = await skip({ token: seen.token + 1 }, here.token);
            assert.equal(another.status, 409, another.text);
            assert.match(
                another.body['errorMessage'] as string,
                /^vpc in dev is locked by mona until .*Z: moving: this is another lock/,
            );
            assert.equal((await shown(name))?.['token'], seen.token);
            assert.equal((await node())['state'], 'locked');

            const done = await skip(seen, here.token);
            assert.equal(done.status, 200, done.text);
            assert.equal(done.data['lockEnded'], true);
            assert.equal(await shown(name), undefined);
            await eventually(async () => assert.notEqual((await node())['state'], 'locked'));
            const why = (await house.ok('GET', `${path}/explain`)).data['reasons'] as Value[];
            const skipped = why.find((reason) => reason['code'] === 'wait_skipped');
            assert.match(skipped?.['text'] as string, /ended the lock by mona until .*Z: moving$/);
            const again = await skip(seen, here.token);
            assert.equal(again.status, 409, again.text);
            assert.match(again.body['errorMessage'] as string, /^vpc in dev does not wait for a lock/);
            const rows = await house.all('/api/v1/audit?action=node.wait_skipped');
            assert.equal(rows.length, 1);
            assert.deepEqual(
                [rows[0]!['actor'].type, rows[0]!['target']],
                ['token', { type: 'node', id: `${String(batch['batch'])}/0` }],
            );
            assert.match(
                rows[0]!['description'] as string,
                /^vpc in dev: ended the lock by mona until .*Z: moving$/,
            );
        });

        it('pages a list of many without losing or doubling one', async () => {
            const names = Array.from({ length: 60 }, (_, i) => `acme/locks/pages/p${i}`);
            await Promise.all(names.map((name) => lock(name)));
            const seen: string[] = [];
            for (let cursor: string | null = ''; cursor !== null;) {
                const { data } = await house.ok(
                    'GET',
                    `/api/v1/locks?prefix=acme/locks/pages/&limit=7${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
                );
                assert.ok((data['items'] as Value[]).length <= 7);
                seen.push(...(data['items'] as Value[]).map((row) => row['key'] as string));
                cursor = data['nextCursor'] as string | null;
            }
            assert.deepEqual(seen.sort(), names.sort());
        });
    });
