/* Uploads whole and in chunks (atmos-pro.md §4.14), their limits, and what comes again byte for byte. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { databases } from '../run/server.ts';
import { affected, House, upload, type Reply, type Repo, type Value } from './house.ts';

const path = '/api/v1/affected-stacks';

for (const kind of databases)
    describe(`uploads on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let session: string;
        let count = 0;
        before(async () => {
            house = await House.open(kind, { settings: { upload_bytes_max: String(12 << 20) } });
            repo = await house.repo('uploads');
            session = await house.session(repo);
        });
        after(() => house?.close());

        const sha = () => (++count).toString(16).padStart(40, '0');
        const send = (body: Value): Promise<Reply> =>
            house.call('POST', path, { token: session, body });
        const stored = async (head: string) =>
            (await house.all(`/api/v1/uploads?head_sha=${head}`)).filter(
                (one) => !['superseded', 'refused'].includes(one['state'] as string),
            );
        const chunk = (
            head: string,
            id: string,
            index: number,
            total: number,
            names = [`c${index}`],
        ) =>
            upload(
                repo,
                names.map((name) => affected(name, 'dev')),
                { head_sha: head, batch_id: id, batch_index: index, batch_total: total },
            );
        const state = (reply: Reply, status = 200) => {
            assert.equal(reply.status, status, reply.text);
            return reply.data['state'] as string;
        };

        it('stores a whole upload once, however often the same bytes come', async () => {
            const body = upload(repo, [affected('a', 'dev'), affected('b', 'dev')], {
                head_sha: sha(),
            });
            const first = await send(body);
            assert.equal(state(first), 'stored');
            const again = await Promise.all(Array.from({ length: 8 }, () => send(body)));
            for (const reply of again) assert.equal(state(reply), 'duplicate');
            const rows = await stored(body['head_sha'] as string);
            assert.equal(rows.length, 1);
            assert.deepEqual([rows[0]!['affected'], rows[0]!['instances']], [2, 2]);
        });

        it('lets one of many equal uploads at once win', async () => {
            const body = upload(repo, [affected('a', 'dev')], { head_sha: sha() });
            const states = (await Promise.all(Array.from({ length: 16 }, () => send(body))))
                .map((reply) => state(reply))
                .sort();
            assert.deepEqual(states, [...Array<string>(15).fill('duplicate'), 'stored']);
            assert.equal((await stored(body['head_sha'] as string)).length, 1);
        });

        it('takes the same bytes of another attempt of the run as another upload', async () => {
            const body = upload(repo, [affected('a', 'dev')], { head_sha: sha() });
            const [one, two] = [
                await house.session(repo, { run_id: 77, run_attempt: 1 }),
                await house.session(repo, { run_id: 77, run_attempt: 2 }),
            ];
            assert.equal(state(await house.call('POST', path, { token: one, body })), 'stored');
            assert.equal(state(await house.call('POST', path, { token: two, body })), 'stored');
        });

        it('puts chunks together when the last has come', async () => {
            const [head, id] = [sha(), randomUUID()];
            for (const index of [0, 1])
                assert.equal(
                    state(await send(chunk(head, id, index, 3, [`x${index}`, `y${index}`]))),
                    'waiting_for_chunks',
                );
            assert.equal((await stored(head)).length, 0);
            assert.equal(state(await send(chunk(head, id, 2, 3))), 'stored');
            const [row] = await stored(head);
            assert.equal(row!['instances'], 5);
        });

        it('counts chunks, not requests: duplicates, another order, the last one wins', async () => {
            const [head, id] = [sha(), randomUUID()];
            for (const index of [2, 0, 0, 2, 0])
                assert.equal(state(await send(chunk(head, id, index, 3))), 'waiting_for_chunks');
            assert.equal(
                state(await send(chunk(head, id, 0, 3, ['better', 'more']))),
                'waiting_for_chunks',
            );
            assert.equal(state(await send(chunk(head, id, 1, 3))), 'stored');
            assert.equal((await stored(head))[0]!['instances'], 4);
        });

        it('answers the last chunk again when its answer was lost', async () => {
            const [head, id] = [sha(), randomUUID()];
            await send(chunk(head, id, 0, 2));
            assert.equal(state(await send(chunk(head, id, 1, 2))), 'stored');
            for (const index of [1, 1, 0])
                assert.equal(state(await send(chunk(head, id, index, 2))), 'duplicate');
            assert.equal((await stored(head)).length, 1);
        });

        it('lets the last two chunks race: one upload', async () => {
            for (let round = 0; round < 5; round++) {
                const [head, id] = [sha(), randomUUID()];
                const states = (
                    await Promise.all([0, 1, 2, 3].map((index) => send(chunk(head, id, index, 4))))
                ).map((reply) => state(reply));
                assert.equal(states.filter((one) => one === 'stored').length, 1, states.join());
                assert.equal((await stored(head)).length, 1);
            }
        });

        it('forgets what was given up after a 413: a new id, half the size, all there', async () => {
            const head = sha();
            await send(chunk(head, randomUUID(), 0, 2));
            const id = randomUUID();
            for (const index of [0, 1, 2, 3]) await send(chunk(head, id, index, 4));
            assert.equal((await stored(head)).length, 1);
        });

        it('waits for a chunk that never comes, and takes a later whole upload of the commit', async () => {
            const head = sha();
            await send(chunk(head, randomUUID(), 0, 2));
            assert.equal((await stored(head)).length, 0);
            assert.equal(
                state(await send(upload(repo, [affected('a', 'dev')], { head_sha: head }))),
                'stored',
            );
        });

        it('keeps chunks over kill -9', async () => {
            const [head, id] = [sha(), randomUUID()];
            await send(chunk(head, id, 0, 2));
            await house.server.kill();
            await house.start();
            assert.equal(state(await send(chunk(head, id, 1, 2))), 'stored');
        });

        const mismatches: [string, Value][] = [
            ['the total', { batch_total: 4 }],
            ['the head', { head_sha: 'f'.repeat(40) }],
            ['the base', { base_sha: 'f'.repeat(40) }],
        ];
        for (const [what, change] of mismatches)
            it(`refuses chunks that disagree about ${what}`, async () => {
                const [head, id] = [sha(), randomUUID()];
                await send(chunk(head, id, 0, 3));
                const reply = await send({ ...chunk(head, id, 1, 3), ...change });
                assert.equal(reply.status, 409, reply.text);
                assert.equal(reply.body['errorTag'], 'BatchMismatch');
            });

        it('refuses chunks of another repository under the same id', async () => {
            const [head, id] = [sha(), randomUUID()];
            const other = await house.repo(`other${count}`);
            await send(chunk(head, id, 0, 2));
            const body = { ...chunk(head, id, 1, 2), repo_name: other.name };
            const reply = await house.call('POST', path, {
                token: await house.session(other),
                body,
            });
            assert.equal(reply.body['errorTag'], 'BatchMismatch', reply.text);
        });

        const bad_chunks: [string, Value][] = [
            ['an index past the end', { batch_index: 3, batch_total: 3 }],
            ['a negative index', { batch_index: -1, batch_total: 3 }],
            ['no total', { batch_index: 0, batch_total: undefined }],
            ['a total of none', { batch_index: 0, batch_total: 0 }],
            ['a total that is absurd', { batch_index: 0, batch_total: 10_001 }],
            ['an index that is half', { batch_index: 0.5, batch_total: 3 }],
            ['an index as text', { batch_index: '0', batch_total: 3 }],
            ['a total past 64 bits', { batch_index: 0, batch_total: 1e30 }],
            ['an id that is a number', { batch_id: 7, batch_index: 0, batch_total: 2 }],
            ['an id of 101 bytes', { batch_id: 'x'.repeat(101), batch_index: 0, batch_total: 2 }],
            ['an index without an id', { batch_id: undefined, batch_index: 0, batch_total: 2 }],
        ];
        for (const [what, change] of bad_chunks)
            it(`refuses a chunk with ${what}`, async () => {
                const reply = await send({ ...chunk(sha(), randomUUID(), 0, 3), ...change });
                assert.equal(reply.status, 400, reply.text);
            });

        it('collects the inventory from chunks, too', async () => {
            const id = randomUUID();
            const part = (index: number, name: string) => ({
                instances: [{ component: name, stack: 'inv' }],
                batch_id: id,
                batch_index: index,
                batch_total: 2,
            });
            const post = (body: Value) =>
                house.call('POST', '/api/v1/instances', { token: session, body });
            assert.equal(state(await post(part(0, 'one'))), 'waiting_for_chunks');
            assert.equal((await house.all('/api/v1/instances?stack=inv')).length, 0);
            assert.equal(state(await post(part(1, 'two'))), 'stored');
            assert.deepEqual(
                (await house.all('/api/v1/instances?stack=inv'))
                    .map((one) => one['component'])
                    .sort(),
                ['one', 'two'],
            );
        });

        it('takes a body of 8 MiB and more, refuses one past the limit, and stores nothing of it', async () => {
            const sized = (bytes: number, head: string) => {
                const body = JSON.stringify(
                    upload(repo, [affected('big', 'dev', { settings: { pad: '' } })], {
                        head_sha: head,
                    }),
                );
                return body.replace('"pad":""', `"pad":"${'x'.repeat(bytes - body.length)}"`);
            };
            const [good, bad] = [sha(), sha()];
            assert.equal(
                state(
                    await house.call('POST', path, {
                        token: session,
                        raw: sized((8 << 20) + 1, good),
                    }),
                ),
                'stored',
            );
            const reply = await house
                .call('POST', path, { token: session, raw: sized((12 << 20) + 1, bad) })
                .catch((error: NodeJS.ErrnoException) => error);
            if (reply instanceof Error)
                assert.match(String((reply as NodeJS.ErrnoException).code), /EPIPE|ECONNRESET/);
            else assert.equal(reply.status, 413);
            assert.equal((await stored(bad)).length, 0);
        });

        it('answers 413 to a length alone, before the body comes', async () => {
            const reply = await house
                .call('POST', path, {
                    token: session,
                    raw: 'x',
                    headers: { 'content-length': String(13 << 20) },
                })
                .catch((error: Error) => error);
            assert.ok(!(reply instanceof Error), String(reply));
            assert.equal(reply.status, 413, reply.text);
        });

        it('takes 2,000 stacks with dependents in one body', async () => {
            const head = sha();
            const many = Array.from({ length: 2000 }, (_, i) =>
                affected(`c${i}`, `s${i % 50}`, { dependents: [affected(`d${i}`, 'dev')] }),
            );
            assert.equal(state(await send(upload(repo, many, { head_sha: head }))), 'stored');
            assert.equal((await stored(head))[0]!['affected'], 2000);
        });

        it('takes dependents 100 levels deep, and refuses more in plain words', async () => {
            const deep = (levels: number): Value => {
                let entry = affected(`l${levels}`, 'dev');
                for (let i = levels - 1; i > 0; i--)
                    entry = affected(`l${i}`, 'dev', { dependents: [entry] });
                return entry;
            };
            assert.equal(
                state(await send(upload(repo, [deep(100)], { head_sha: sha() }))),
                'stored',
            );
            const reply = await send(upload(repo, [deep(102)], { head_sha: sha() }));
            assert.equal(reply.status, 400, reply.text);
            assert.match(reply.body['errorMessage'] as string, /100/);
        });

        it('shows an upload that it refused, and why, and plans nothing of it', async () => {
            const head = sha();
            const session_of_run = await house.session(repo, { run_id: 4711 } as never);
            const body = upload(repo, [affected('bad\u0007name', 'dev')], { head_sha: head });
            const reply = await house.call('POST', path, { token: session_of_run, body });
            assert.equal(reply.status, 400, reply.text);
            const rows = await house.all(`/api/v1/uploads?head_sha=${head}`);
            assert.deepEqual(
                rows.map((one) => [one['state'], one['affected'], one['note']]),
                [['refused', 0, reply.body['errorMessage']]],
            );
            const { data } = await house.ok('GET', '/api/v1/home');
            const refused = data['needs']['refused'] as Value[];
            assert.ok(refused.some((one) => one['id'] === rows[0]!['id']));
        });

        const good_text = (head: string) =>
            JSON.stringify(upload(repo, [affected('a', 'dev')], { head_sha: head }));
        const broken: [string, (head: string) => Value, number][] = [
            ['truncated', (h) => ({ raw: good_text(h).slice(0, -7) }), 400],
            ['with bytes after its end', (h) => ({ raw: `${good_text(h)}x` }), 400],
            ['empty', () => ({ raw: '' }), 400],
            [
                'not UTF-8',
                (h) => ({
                    raw: Buffer.concat([
                        Buffer.from(good_text(h).slice(0, -1) + ',"x":"'),
                        Buffer.from([0xc3, 0x28]),
                        Buffer.from('"}'),
                    ]),
                }),
                400,
            ],
            ['UTF-16', (h) => ({ raw: Buffer.from(good_text(h), 'utf16le') }), 400],
            [
                'with a key twice',
                (h) => ({ raw: good_text(h).replace('{', '{"head_sha":"zzz",') }),
                400,
            ],
            [
                '300 levels deep',
                (h) => ({
                    raw: good_text(h).replace('{', `{"x":${'['.repeat(300)}${']'.repeat(300)},`),
                }),
                400,
            ],
            ['deep without an end', () => ({ raw: '['.repeat(1_000_000) }), 400],
            ['a list', () => ({ raw: '[]' }), 400],
            ['null', () => ({ raw: 'null' }), 400],
            [
                'with a lone surrogate',
                (h) => ({ raw: good_text(h).replace('"dev"', '"\\ud800"') }),
                400,
            ],
            [
                'with NUL in a name',
                (h) => ({ raw: good_text(h).replace('"dev"', '"a\\u0000b"') }),
                400,
            ],
            ['with a comment', (h) => ({ raw: good_text(h).replace('{', '{/* hi */') }), 400],
            ['with NaN', (h) => ({ raw: good_text(h).replace('{', '{"n":NaN,') }), 400],
            [
                'gzipped',
                (h) => ({ raw: gzipSync(good_text(h)), headers: { 'content-encoding': 'gzip' } }),
                415,
            ],
            ['gzipped without saying so', (h) => ({ raw: gzipSync(good_text(h)) }), 400],
            ['a form', () => ({ raw: 'a=b', type: 'application/x-www-form-urlencoded' }), 415],
            [
                'with stacks that are an object',
                (h) => ({ body: { ...upload(repo, [], { head_sha: h }), stacks: {} } }),
                400,
            ],
            [
                'without stacks',
                (h) => ({ body: { ...upload(repo, [], { head_sha: h }), stacks: undefined } }),
                400,
            ],
            [
                'with entries that are texts',
                (h) => ({ body: { ...upload(repo, [], { head_sha: h }), stacks: ['a', 1, null] } }),
                400,
            ],
            [
                'with dependents that are a text',
                (h) => ({
                    body: upload(repo, [affected('a', 'dev', { dependents: 'all' })], {
                        head_sha: h,
                    }),
                }),
                400,
            ],
            [
                'with a head that is a number',
                () => ({ body: { ...upload(repo, []), head_sha: 12 } }),
                400,
            ],
            [
                'with a head of 201 bytes',
                () => ({ body: upload(repo, [], { head_sha: 'a'.repeat(201) }) }),
                400,
            ],
        ];
        for (const [what, make, status] of broken)
            it(`refuses an upload that is ${what} with ${status}, and stores nothing`, async () => {
                const head = sha();
                const facts = (await house.all('/api/v1/facts?kind=upload.affected')).length;
                const reply = await house.call('POST', path, { token: session, ...make(head) });
                assert.equal(reply.status, status, reply.text);
                assert.equal((await stored(head)).length, 0);
                assert.equal((await house.all('/api/v1/facts?kind=upload.affected')).length, facts);
            });
    });
