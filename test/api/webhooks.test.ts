/* Deliveries of GitHub (forges.md §1): signatures, duplicates, everything GitHub publishes as an example, and kill -9 after the answer. */
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { eventually, House, signature, type Repo, type Value } from './house.ts';

interface Example {
    name: string;
    examples: Value[];
}
const examples = createRequire(import.meta.url)(
    '@octokit/webhooks-examples/api.github.com/index.json',
) as Example[];
const count_of_examples = examples.reduce((sum, one) => sum + one.examples.length, 0);
const used =
    /^(pull_request|release|merge_group|push|workflow_run|installation|installation_repositories|repository|issue_comment|deployment_review)$/;

function push(repo: Repo, text = 'x'): Value {
    return {
        ref: 'refs/heads/main',
        after: 'e'.repeat(40),
        repository: { id: repo.id, full_name: repo.full_name, default_branch: 'main' },
        sender: { login: 'mona' },
        text,
    };
}

for (const kind of databases) {
    describe(`deliveries on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        before(async () => {
            house = await House.open(kind, {
                settings: { github_webhook_secret_before: 'the secret before that' },
            });
            house.secrets.set('the older secret', 'the secret before that');
            repo = await house.repo('hooks');
        });
        after(() => house?.close());
        const fact = async (guid: string) =>
            (await house.all('/api/v1/facts')).filter((one) => one['key'] === `github:${guid}`);
        const body = '{"zen":"x"}';
        const mac = (algorithm: string, secret: string) =>
            createHmac(algorithm, secret).update(body).digest('hex');

        const signatures: [string, (secret: string) => string | undefined, number][] = [
            ['right', (s) => `sha256=${mac('sha256', s)}`, 202],
            [
                'of the secret before',
                () => `sha256=${mac('sha256', 'the secret before that')}`,
                202,
            ],
            ['missing', () => undefined, 401],
            ['empty', () => '', 401],
            ['of another secret', () => `sha256=${mac('sha256', 'guess')}`, 401],
            ['of an empty secret', () => `sha256=${mac('sha256', '')}`, 401],
            ['sha1', (s) => `sha1=${mac('sha1', s)}`, 401],
            ['sha1 under the name of sha256', (s) => `sha256=${mac('sha1', s)}`, 401],
            ['without its name', (s) => mac('sha256', s), 401],
            ['cut', (s) => `sha256=${mac('sha256', s).slice(0, 63)}`, 401],
            ['too long', (s) => `sha256=${mac('sha256', s)}0`, 401],
            ['twice', (s) => `sha256=${mac('sha256', s)},sha256=${mac('sha256', s)}`, 401],
            ['no hex', () => `sha256=${'g'.repeat(64)}`, 401],
            ['all zeros', () => `sha256=${'0'.repeat(64)}`, 401],
            [
                'with one bit changed',
                (s) => `sha256=${mac('sha256', s).replace(/.$/, (c) => (c === '0' ? '1' : '0'))}`,
                401,
            ],
        ];
        for (const [name, make, status] of signatures)
            it(`answers a signature that is ${name} with ${status}`, async () => {
                const header = make(house.webhookSecret);
                const headers: Record<string, string> = {
                    'x-github-event': 'ping',
                    'x-github-delivery': randomUUID(),
                };
                if (header !== undefined) headers['x-hub-signature-256'] = header;
                const reply = await house.call('POST', '/webhooks/github', { raw: body, headers });
                assert.equal(reply.status, status, reply.text);
                if (status === 401) assert.equal(reply.body['errorTag'], 'InvalidSignature');
            });

        it('reads hex in capitals as GitHub never writes it, or refuses it, but never something else', async () => {
            const header = `sha256=${mac('sha256', house.webhookSecret).toUpperCase()}`;
            const reply = await house.call('POST', '/webhooks/github', {
                raw: body,
                headers: {
                    'x-github-event': 'ping',
                    'x-github-delivery': 'g',
                    'x-hub-signature-256': header,
                },
            });
            assert.ok([202, 401].includes(reply.status), reply.text);
        });

        it('sees one changed byte of the body, wherever it is', async () => {
            const bytes = Buffer.from(JSON.stringify(push(repo)));
            const mark = signature(house.webhookSecret, bytes);
            for (const at of [0, 1, Math.floor(bytes.length / 2), bytes.length - 1]) {
                const changed = Buffer.from(bytes);
                changed[at]! ^= 1;
                const guid = randomUUID();
                const reply = await house.deliver('push', null, {
                    raw: changed,
                    guid,
                    headers: { 'x-hub-signature-256': mark },
                });
                assert.equal(reply.status, 401);
                assert.equal((await fact(guid)).length, 0);
            }
            const longer = await house.deliver('push', null, {
                raw: Buffer.concat([bytes, Buffer.from(' ')]),
                headers: { 'x-hub-signature-256': mark },
            });
            assert.equal(longer.status, 401);
        });

        it('stores a delivery once, however often and however fast it comes', async () => {
            const guid = randomUUID();
            const replies = await Promise.all(
                Array.from({ length: 12 }, () => house.deliver('push', push(repo), { guid })),
            );
            for (const reply of replies) assert.equal(reply.status, 202);
            assert.deepEqual(replies.map((reply) => reply.data['state']).sort(), [
                ...Array<string>(11).fill('duplicate'),
                'stored',
            ]);
            await eventually(async () =>
                assert.deepEqual(
                    (await fact(guid)).map((one) => one['state']),
                    ['applied'],
                ),
            );
        });

        it('does not mind that a known delivery comes again after a restart', async () => {
            const guid = randomUUID();
            await house.deliver('push', push(repo), { guid });
            await house.server.stop();
            await house.start();
            assert.equal(
                (await house.deliver('push', push(repo), { guid })).data['state'],
                'duplicate',
            );
            assert.equal((await fact(guid)).length, 1);
        });

        it('answers 202 to what it has no use for, and keeps none of it', async () => {
            for (const event of [
                'ping',
                'star',
                'made_up_event',
                'x'.repeat(100),
                'workflow_job',
            ]) {
                const guid = randomUUID();
                const reply = await house.deliver(
                    event,
                    { action: 'whatever', repository: { id: repo.id } },
                    { guid },
                );
                assert.equal(reply.status, 202);
                assert.equal(reply.data['state'], 'dropped');
                assert.equal((await fact(guid)).length, 0);
            }
        });

        it('takes a form, too', async () => {
            const raw = `payload=${encodeURIComponent(JSON.stringify(push(repo, 'ä + & = %'))).replaceAll('%20', '+')}`;
            const guid = randomUUID();
            const reply = await house.deliver('push', null, {
                raw,
                guid,
                type: 'application/x-www-form-urlencoded',
            });
            assert.equal(reply.data['state'], 'stored', reply.text);
            await eventually(async () => assert.equal((await fact(guid))[0]?.['state'], 'applied'));
        });

        const broken: [string, Value, number][] = [
            ['no JSON', { raw: '{"a":' }, 400],
            ['a list', { raw: '[]' }, 400],
            ['a number', { raw: '1' }, 400],
            ['nothing', { raw: '' }, 400],
            ['not UTF-8', { raw: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }, 400],
            ['a key twice', { raw: '{"action":"opened","action":"closed"}' }, 400],
            ['300 levels deep', { raw: `{"a":${'['.repeat(300)}${']'.repeat(300)}}` }, 400],
            [
                'a form without payload',
                { raw: 'a=b', type: 'application/x-www-form-urlencoded' },
                400,
            ],
            [
                'a form with a broken escape',
                { raw: 'payload=%7', type: 'application/x-www-form-urlencoded' },
                400,
            ],
            ['text', { raw: '{}', type: 'text/plain' }, 415],
            ['no event', { raw: '{}', headers: { 'x-github-event': '' } }, 400],
            ['no id', { raw: '{}', headers: { 'x-github-delivery': '' } }, 400],
            ['an event with a blank', { raw: '{}', headers: { 'x-github-event': 'a b' } }, 400],
            [
                'an id that is a path',
                { raw: '{}', headers: { 'x-github-delivery': '../../etc' } },
                400,
            ],
            [
                'an id that is too long',
                { raw: '{}', headers: { 'x-github-delivery': 'a'.repeat(101) } },
                400,
            ],
        ];
        for (const [name, change, status] of broken)
            it(`refuses a signed delivery that is ${name} with ${status}`, async () => {
                const before_count = (await house.told()).length;
                const reply = await house.deliver('push', null, change);
                assert.equal(reply.status, status, reply.text);
                assert.equal((await house.told()).length, before_count);
            });

        it('takes bodies of many megabytes, and refuses past 25', async () => {
            const big = await house.deliver('push', push(repo, 'x'.repeat(8 << 20)));
            assert.equal(big.data['state'], 'stored', big.text);
            const all_too_big = await house
                .deliver('push', null, { raw: Buffer.alloc((25 << 20) + 1, 0x20) })
                .catch((error: NodeJS.ErrnoException) => error);
            if (all_too_big instanceof Error)
                assert.match(
                    String((all_too_big as NodeJS.ErrnoException).code),
                    /EPIPE|ECONNRESET/,
                );
            else assert.equal(all_too_big.status, 413);
        });

        it('counts deliveries by event and fate', async () => {
            const { text } = await house.ok('GET', '/metrics');
            for (const line of [
                /event="push",fate="stored"} \d/,
                /event="push",fate="duplicate"} \d/,
                /event="ping",fate="dropped"} \d/,
                /fate="refused"} \d/,
            ])
                assert.match(text, line);
        });

        it('has on disk what it answered 202 to: kill -9 at once, and after the start it is there and applied', async () => {
            for (let round = 0; round < 3; round++) {
                const guids = Array.from({ length: 5 }, () => randomUUID());
                await Promise.all(
                    guids.map(async (guid) =>
                        assert.equal(
                            (await house.deliver('push', push(repo), { guid })).status,
                            202,
                        ),
                    ),
                );
                await house.server.kill();
                await house.start();
                await eventually(async () => {
                    for (const guid of guids)
                        assert.deepEqual(
                            (await fact(guid)).map((one) => one['state']),
                            ['applied'],
                        );
                });
            }
        });
    });

    describe(`the examples that GitHub publishes, on ${kind.name}`, () => {
        let house: House;
        before(async () => {
            house = await House.open(kind);
        });
        after(() => house?.close());

        it(`are all accepted, all ${count_of_examples} of them, and none is set aside`, async () => {
            assert.equal(count_of_examples, 329);
            const states: Record<string, number> = {};
            for (const { name, examples: bodies } of examples)
                await Promise.all(
                    bodies.map(async (payload) => {
                        const reply = await house.deliver(name, payload);
                        assert.equal(
                            reply.status,
                            202,
                            `${name} ${String(payload['action'])}: ${reply.text}`,
                        );
                        states[reply.data['state'] as string] =
                            (states[reply.data['state'] as string] ?? 0) + 1;
                        if (used.test(name)) assert.equal(reply.data['state'], 'stored', name);
                    }),
                );
            assert.ok(states['stored']! > 60, JSON.stringify(states));
            await house.settled();
            const facts = await house.all('/api/v1/facts');
            assert.equal(
                facts.filter((one) => (one['kind'] as string).startsWith('webhook.')).length,
                states['stored'],
            );
            assert.deepEqual(
                facts
                    .filter((one) => one['state'] === 'set_aside')
                    .map((one) => `${String(one['kind'])}: ${String(one['note'])}`),
                [],
            );
        });
    });

    describe(`deliveries before there is an App, on ${kind.name}`, () => {
        it('are refused, signed with nothing or with anything', async () => {
            const house = await House.open(kind, { isBare: true });
            try {
                for (const secret of ['', 'x', house.webhookSecret]) {
                    const reply = await house.deliver('ping', { zen: 'x' }, { secret });
                    assert.equal(reply.status, 404, reply.text);
                }
                assert.deepEqual(await house.all('/api/v1/facts'), []);
            } finally {
                await house.close();
            }
        });
    });
}
