/* Hostile text and hostile clients: a clear error in the envelope, nothing stored, nobody else disturbed. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases } from '../run/server.ts';
import { control, hostile } from './hostile.ts';
import { affected, House, upload, type Repo, type Value } from './house.ts';
import { wrongIn } from './spec.ts';

/** A small generator, so that what failed can be played again. */
function seeded(seed: number): (below: number) => number {
    let state = seed >>> 0;
    return (below) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
    };
}

interface Heard {
    text: string;
    tookMs: number;
}

/** Says these bytes on a connection of its own, and hears until the other side closes, or has said enough. */
function speak(url: string, bytes: Buffer, patience_ms = 60_000): Promise<Heard> {
    const where = new URL(url);
    const begin = Date.now();
    return new Promise((done) => {
        const parts: Buffer[] = [];
        const socket = connect(Number(where.port), where.hostname);
        const end = () => {
            clearTimeout(late);
            socket.destroy();
            done({ text: Buffer.concat(parts).toString('latin1'), tookMs: Date.now() - begin });
        };
        const late = setTimeout(end, patience_ms);
        socket.on('data', (part) => parts.push(part));
        socket.on('close', end);
        socket.on('error', end);
        socket.end(bytes);
    });
}

interface Said {
    status: number;
    headers: Record<string, string>;
    body: string;
}
function answerOf(text: string): Said | undefined {
    const match = /^HTTP\/1\.[01] (\d{3}) [^\r\n]*\r\n([\s\S]*?)\r\n\r\n/.exec(text);
    if (!match) return undefined;
    const headers = Object.fromEntries(
        match[2]!
            .split('\r\n')
            .map((line) => [
                line.slice(0, line.indexOf(':')).toLowerCase(),
                line.slice(line.indexOf(':') + 1).trim(),
            ]),
    );
    const from = match[0].length;
    const body = Buffer.from(
        text.slice(from, from + Number(headers['content-length'] ?? 0)),
        'latin1',
    ).toString();
    return { status: Number(match[1]), headers, body };
}

const good =
    'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n{"key":"k","ttl":1}';

/** One of: noise, a good request with bytes changed, with pieces cut out or doubled, or with a strange head. */
function garbage(random: (below: number) => number): Buffer {
    const noise = (n: number) => Buffer.from(Array.from({ length: n }, () => random(256)));
    const bytes = Buffer.from(good);
    const at = random(bytes.length);
    switch (random(6)) {
        case 0:
            return noise(1 + random(2000));
        case 1:
            for (let i = 0; i <= random(8); i++) bytes[random(bytes.length)] = random(256);
            return bytes;
        case 2:
            return bytes.subarray(0, at);
        case 3:
            return Buffer.concat([bytes.subarray(0, at), noise(random(40)), bytes.subarray(at)]);
        case 4:
            return Buffer.concat([bytes.subarray(0, at), bytes.subarray(random(bytes.length))]);
        default:
            return Buffer.concat([
                Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n'),
                noise(random(300)),
                Buffer.from('\r\n\r\n'),
            ]);
    }
}

const malformed: [string, string, number[]][] = [
    ['a method nobody knows', 'BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n', [405]],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n', [400]],
    ['two hosts', 'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', [400]],
    ['HTTP/3.0', 'GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n', [400, 505]],
    [
        'two lengths',
        'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
        [400],
    ],
    [
        'a length and chunks',
        'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        [400],
    ],
    [
        'a negative length',
        'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
        [400],
    ],
    [
        'a length of words',
        'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n',
        [400],
    ],
    [
        'a length past 64 bits',
        `POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nContent-Length: ${'9'.repeat(30)}\r\n\r\n`,
        [400, 413],
    ],
    [
        'an unknown transfer coding',
        'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n',
        [400],
    ],
    [
        'a bad chunk',
        'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
        [400],
    ],
    ['a blank before a colon', 'GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n', [400]],
    ['a folded header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', [400]],
    ['NUL in a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n', [400]],
    ['a bare line feed', 'GET /healthz HTTP/1.1\nHost: x\n\n', [400]],
    ['a target without a slash', 'GET healthz HTTP/1.1\r\nHost: x\r\n\r\n', [400]],
    [
        'a header of 20 KiB',
        `GET /healthz HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(20 << 10)}\r\n\r\n`,
        [431],
    ],
    ['200 headers', `GET /healthz HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(200)}\r\n`, [431]],
    ['a target of 9 KiB', `GET /${'a'.repeat(9 << 10)} HTTP/1.1\r\nHost: x\r\n\r\n`, [414, 431]],
    ['a broken escape in the path', 'GET /api/v1/batches/%zz HTTP/1.1\r\nHost: x\r\n\r\n', [400]],
    ['NUL in the path', 'GET /api/v1/batches/%00 HTTP/1.1\r\nHost: x\r\n\r\n', [400]],
    ['no UTF-8 in the path', 'GET /api/v1/batches/%ff HTTP/1.1\r\nHost: x\r\n\r\n', [400]],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
];

for (const kind of databases)
    describe(`bad input on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let session: string;
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('hostile');
            session = await house.session(repo);
        });
        after(async () => {
            assert.ok(
                !house.server.log.split('\n').some((line) => line.startsWith('planted')),
                'a text broke out of its log line',
            );
            // eslint-disable-next-line no-control-regex
            assert.doesNotMatch(
                house.server.log,
                /[\u0000-\u0008\u000b-\u001f\u007f]/,
                'a control character stands in the log',
            );
            await house.close();
        });

        it(`has more than sixty hostile texts`, () =>
            assert.ok(hostile.length + control.length > 60));

        for (const text of hostile)
            it(`keeps ${JSON.stringify(text.slice(0, 40))} as it is, wherever it is a name`, async () => {
                const body = {
                    key: `acme/hostile/dev/${text}`,
                    ttl: 60,
                    lockMessage: text,
                    properties: { [text]: text },
                };
                const { data } = await house.ok('POST', '/api/v1/locks', body, { token: session });
                assert.deepEqual(
                    [data['key'], data['lockMessage'], data['properties']],
                    [body.key, text, { [text]: text }],
                );
                const [row] = await house.all(`/api/v1/locks?key=${encodeURIComponent(body.key)}`);
                assert.equal(row!['key'], body.key);
                const lost = await house.call('POST', '/api/v1/locks', { token: session, body });
                assert.equal(lost.body['context'].message, text);

                await house.ok(
                    'POST',
                    '/api/v1/instances',
                    { instances: [{ stack: text, component: text, component_type: text }] },
                    { token: session },
                );
                const query = `stack=${encodeURIComponent(text)}&component=${encodeURIComponent(text)}`;
                await house.ok(
                    'PATCH',
                    `/api/v1/repos/acme/hostile/instances?${query}`,
                    { command: 'plan', exit_code: 2 },
                    { token: session },
                );
                const [instance] = await house.all(`/api/v1/instances?${query}`);
                assert.deepEqual(
                    [instance!['stack'], instance!['component'], instance!['lastExitCode']],
                    [text, text, 2],
                );
                await house.ok(
                    'POST',
                    '/api/v1/affected-stacks',
                    upload(repo, [affected(text, text)], { head_sha: 'd'.repeat(40) }),
                    { token: session },
                );
            });

        for (const text of control)
            it(`refuses the name ${JSON.stringify(text)}`, async () => {
                const lock = await house.call('POST', '/api/v1/locks', {
                    token: session,
                    body: { key: `k${text}`, ttl: 60 },
                });
                assert.equal(lock.status, 400, lock.text);
                const instances = { instances: [{ stack: `s${text}`, component: 'c' }] };
                assert.equal(
                    (
                        await house.call('POST', '/api/v1/instances', {
                            token: session,
                            body: instances,
                        })
                    ).status,
                    400,
                );
                const stacks = upload(repo, [affected(`c${text}`, 's')]);
                assert.equal(
                    (
                        await house.call('POST', '/api/v1/affected-stacks', {
                            token: session,
                            body: stacks,
                        })
                    ).status,
                    400,
                );
                const path = `/api/v1/batches/${encodeURIComponent(text)}`;
                assert.ok(
                    [400, 404].includes((await house.call('GET', path, { token: session })).status),
                );
            });

        const queries = [
            'limit=0',
            'limit=501',
            'limit=-1',
            'limit=x',
            'limit=1e2',
            'limit=99999999999999999999',
            'cursor=%00',
            'cursor=!!!!',
            'cursor=AA',
            'cursor=%ff',
            'orphaned=maybe',
            'drift=%zz',
        ];
        for (const query of queries)
            it(`answers ?${query} with 400`, async () => {
                const reply = await house.call('GET', `/api/v1/instances?${query}`, {
                    token: house.admin,
                });
                assert.equal(reply.status, 400, reply.text);
            });

        for (const path of [
            'locks',
            'instances',
            'uploads',
            'facts',
            'batches',
            'runs',
            'audit',
            'tokens',
            'repositories',
        ])
            it(`gives no 500 for any strange cursor of ${path}`, async () => {
                for (const text of [
                    '',
                    '1',
                    '-1',
                    '1,2',
                    'a:b',
                    '9223372036854775807',
                    '9223372036854775808',
                    "'",
                    '\u{1f680}',
                    'x'.repeat(500),
                    '{}',
                    '0|0',
                ]) {
                    const cursor = Buffer.from(text).toString('base64url');
                    const reply = await house.call('GET', `/api/v1/${path}?cursor=${cursor}`, {
                        token: house.admin,
                    });
                    assert.ok([200, 400].includes(reply.status), `${text}: ${reply.text}`);
                }
            });

        it('answers a body past 1 MiB with 413 where no upload is expected', async () => {
            const body = (bytes: number) => `{"key":"k","ttl":60,"x":"${'y'.repeat(bytes - 27)}"}`;
            const fits = await house.call('POST', '/api/v1/locks', {
                token: session,
                raw: body(1 << 20),
            });
            assert.equal(fits.status, 200, fits.text.slice(0, 300));
            const headers = { 'content-length': String((1 << 20) + 1) };
            const past = await house.call('POST', '/api/v1/locks', {
                token: session,
                raw: '{',
                headers,
            });
            assert.equal(past.status, 413, past.text);
            assert.equal(past.body['errorTag'], 'PayloadTooLarge');
        });

        for (const [what, bytes, statuses] of malformed)
            it(`answers ${what} with ${statuses.join(' or ')} in the envelope`, async () => {
                const { text } = await speak(house.server.url, Buffer.from(bytes, 'latin1'));
                const said = answerOf(text);
                assert.ok(said && statuses.includes(said.status), text.slice(0, 300));
                assert.deepEqual(
                    wrongIn('GET', '/malformed', {
                        status: said.status,
                        headers: said.headers,
                        text: said.body,
                    }),
                    [],
                );
            });

        it('answers 500 pieces of garbage with errors or not at all, and serves everybody else meanwhile', async () => {
            const random = seeded(20261121);
            const facts = (await house.told()).length;
            let answered = 0;
            for (let round = 0; round < 25; round++) {
                const pieces = Array.from({ length: 20 }, () => garbage(random));
                const heard = Promise.all(pieces.map((bytes) => speak(house.server.url, bytes)));
                await house.ok('GET', '/healthz');
                (await heard).forEach(({ text }, i) => {
                    const said = answerOf(text);
                    if (!said)
                        return assert.equal(
                            text,
                            '',
                            `${JSON.stringify(pieces[i]!.toString('latin1'))} → ${text.slice(0, 200)}`,
                        );
                    answered++;
                    assert.ok(
                        said.status >= 400 && said.status < 500,
                        `${JSON.stringify(pieces[i]!.toString('latin1'))} → ${text.slice(0, 300)}`,
                    );
                    assert.deepEqual(
                        wrongIn('GET', '/garbage', {
                            status: said.status,
                            headers: said.headers,
                            text: said.body,
                        }),
                        [],
                    );
                });
            }
            assert.ok(answered > 200, `only ${answered} were answered`);
            assert.equal((await house.told()).length, facts);
        });
    });

/** Sends one byte a second until the other side has had enough. */
async function trickle(url: string, start: string, patience_ms: number): Promise<Heard> {
    const where = new URL(url);
    const begin = Date.now();
    const parts: Buffer[] = [];
    const socket: Socket = connect(Number(where.port), where.hostname);
    let isOpen = true;
    socket.on('data', (part) => parts.push(part));
    socket.on('error', () => (isOpen = false));
    socket.on('end', () => (isOpen = false));
    socket.on('close', () => (isOpen = false));
    socket.write(start);
    while (isOpen && Date.now() - begin < patience_ms) {
        await sleep(1000);
        if (isOpen) socket.write('x');
    }
    socket.destroy();
    return { text: Buffer.concat(parts).toString('latin1'), tookMs: Date.now() - begin };
}

describe('slow clients', { concurrency: true }, () => {
    for (const kind of databases)
        it(`are cut while everybody else is served at once, on ${kind.name}`, async () => {
            const house = await House.open(kind);
            try {
                const head = 'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nA: ';
                const body =
                    'POST /api/v1/locks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{';
                let isOver = false;
                const slow = Promise.all([
                    ...Array.from({ length: 40 }, () => trickle(house.server.url, head, 120_000)),
                    ...Array.from({ length: 10 }, () => trickle(house.server.url, body, 120_000)),
                ]).finally(() => (isOver = true));
                let worst_ms = 0;
                let served = 0;
                for (; !isOver; served++) {
                    const began = Date.now();
                    await house.ok('POST', '/api/v1/locks', { key: `k${served}`, ttl: 60 });
                    worst_ms = Math.max(worst_ms, Date.now() - began);
                    await sleep(50);
                }
                const heard: Heard[] = await slow;
                heard.forEach(({ text, tookMs }, i) => {
                    const limit_ms = i < 40 ? 10_000 : 30_000;
                    assert.ok(tookMs < limit_ms + 30_000, `number ${i} was cut after ${tookMs} ms`);
                    assert.ok(tookMs > limit_ms - 2000, `number ${i} was cut after ${tookMs} ms`);
                    const said = answerOf(text);
                    assert.equal(said?.status, 408, text.slice(0, 200));
                    assert.deepEqual(
                        wrongIn('GET', '/slow', {
                            status: said.status,
                            headers: said.headers,
                            text: said.body,
                        }),
                        [],
                    );
                });
                /* Who had to wait for the slow ones would have waited until the first of them was cut. */
                assert.ok(served > 10, `only ${served} were served`);
                assert.ok(worst_ms < 9000, `somebody waited ${worst_ms} ms`);
                const data: Value = (await house.ok('GET', '/readyz')).data;
                assert.equal(data['ready'], true);
            } finally {
                await house.close();
            }
        });
});
