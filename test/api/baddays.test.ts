/* Disks that are full, databases that are gone, servers that share one or must not: 503, not ready, and well again by itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { databases, Server } from '../run/server.ts';
import { affected, eventually, House, upload, type Reply, type Repo, type Value } from './house.ts';

const [sqlite, postgres] = databases as [(typeof databases)[0], (typeof databases)[0]];

function push(repo: Repo): Value {
    return {
        ref: 'refs/heads/main',
        after: 'e'.repeat(40),
        repository: { id: repo.id, full_name: repo.full_name, default_branch: 'main' },
        sender: { login: 'mona' },
    };
}

/** It refuses to start: in words, and by its own will. */
function refusedToStart(
    server: Server,
    ended: { code: number | null; signal: string | null; said: string },
    words: RegExp,
): void {
    assert.deepEqual(server.complaints(), []);
    assert.equal(ended.signal, null);
    assert.ok(ended.code !== 0 && ended.code !== null, String(ended.code));
    assert.match(ended.said, words);
}

function unavailable(reply: Reply): void {
    assert.equal(reply.status, 503, reply.text);
    assert.ok(
        ['StorageUnavailable', 'Unavailable'].includes(reply.body['errorTag'] as string),
        reply.text,
    );
    assert.equal(reply.headers['retry-after'], '1');
}

/** While something is broken, everything that writes says so; and nothing of it is there afterwards. */
async function refusesToWrite(house: House, repo: Repo, session: string): Promise<string[]> {
    const guids = [randomUUID(), randomUUID()];
    for (const guid of guids) unavailable(await house.deliver('push', push(repo), { guid }));
    unavailable(
        await house.call('POST', '/api/v1/locks', {
            token: session,
            body: { key: 'acme/bad/dev/day', ttl: 60 },
        }),
    );
    unavailable(
        await house.call('POST', '/api/v1/affected-stacks', {
            token: session,
            body: upload(repo, [affected('a', 'dev')], { head_sha: '7'.repeat(40) }),
        }),
    );
    unavailable(await house.exchange(await house.mint(repo)));
    return guids;
}

async function isWellAgain(
    house: House,
    repo: Repo,
    session: string,
    refused: string[],
): Promise<void> {
    await eventually(async () =>
        assert.equal((await house.call('GET', '/readyz')).status, 200),
    );
    const facts = (await house.all('/api/v1/facts')).map((fact) => fact['key']);
    for (const guid of refused)
        assert.ok(!facts.includes(`github:${guid}`), 'what was refused must not be there');
    assert.deepEqual(await house.all(`/api/v1/uploads?head_sha=${'7'.repeat(40)}`), []);
    await house.ok(
        'POST',
        '/api/v1/locks',
        { key: 'acme/bad/dev/day', ttl: 60 },
        { token: session },
    );
    for (const guid of refused)
        assert.equal(
            (await house.deliver('push', push(repo), { guid })).data['state'],
            'stored',
            'GitHub sends it again, and it counts',
        );
    await house.settled();
}

describe('a full disk, on SQLite', () => {
    it('answers 503, is not ready, loses nothing, and recovers by itself when there is room', async () => {
        // A file may not grow past the limit, and the kernel says so by an error instead of a signal.
        const house = await House.open(sqlite, {
            prefix: ['sh', '-c', 'trap "" XFSZ; exec "$@"', 'sh'],
        });
        try {
            const repo = await house.repo('bad');
            const session = await house.session(repo);
            const before_guid = randomUUID();
            await house.deliver('push', push(repo), { guid: before_guid });
            await house.settled();
            const limit = (bytes: string) =>
                execFileSync('prlimit', ['--pid', String(house.server.pid), `--fsize=${bytes}:`]);
            limit('64');
            const refused = await refusesToWrite(house, repo, session);
            await eventually(async () =>
                assert.equal((await house.call('GET', '/readyz')).status, 503),
            );
            assert.equal((await house.call('GET', '/healthz')).status, 200);
            await house.ok('GET', '/api/v1/locks');
            assert.match((await house.ok('GET', '/metrics')).text, /^signalbox_database_up 0$/m);
            limit('unlimited');
            await isWellAgain(house, repo, session, refused);
            assert.ok(
                (await house.all('/api/v1/facts')).some(
                    (fact) => fact['key'] === `github:${before_guid}`,
                ),
            );
        } finally {
            await house.close();
        }
    });
});

describe('a database that goes away, on PostgreSQL', () => {
    it('answers 503, is not ready, loses nothing, and recovers by itself when it is back; three times', async () => {
        const house = await House.open(postgres);
        try {
            const repo = await house.repo('bad');
            const session = await house.session(repo);
            const kept = randomUUID();
            await house.deliver('push', push(repo), { guid: kept });
            await house.settled();
            for (let round = 0; round < 3; round++) {
                await house.database.rig!.kill();
                const refused = await refusesToWrite(house, repo, session);
                await eventually(async () => unavailable(await house.call('GET', '/readyz')));
                unavailable(await house.call('GET', '/api/v1/repositories', { token: session }));
                assert.equal((await house.call('GET', '/healthz')).status, 200);
                assert.match(
                    (await house.call('GET', '/metrics')).text,
                    /^signalbox_database_up 0$/m,
                );
                await house.database.rig!.revive();
                await isWellAgain(house, repo, session, refused);
                await house.ok('DELETE', '/api/v1/locks', { key: 'acme/bad/dev/day' });
            }
            assert.equal(
                (await house.all('/api/v1/facts')).filter(
                    (fact) => fact['key'] === `github:${kept}`,
                ).length,
                1,
            );
        } finally {
            await house.close();
        }
    });

    it('says at the start that it is not there', async () => {
        const database = await postgres.open();
        try {
            const server = new Server(database);
            await database.rig!.kill();
            const ended = await server.startAndEnd();
            refusedToStart(server, ended, /cannot start: .*(database|PostgreSQL|connect)/i);
            await database.rig!.revive();
            await server.start();
            assert.equal((await server.stop()).code, 0);
        } finally {
            await database.close();
        }
    });
});

for (const kind of databases) {
    describe(`the schema, on ${kind.name}`, () => {
        const statement = (database: { url: string }, sql: string) => {
            if (kind.name === 'PostgreSQL')
                execFileSync(
                    'psql',
                    ['-q', '-v', 'ON_ERROR_STOP=1', '-d', database.url, '-c', sql],
                    { stdio: 'pipe' },
                );
            else {
                const db = new DatabaseSync(database.url);
                db.exec(sql);
                db.close();
            }
        };
        it('of a newer program is refused at the start, in words that help, and is left as it is', async () => {
            const database = await kind.open();
            try {
                const server = new Server(database);
                server.bootstrap();
                statement(
                    database,
                    "insert into migration (version, name, sha256, applied_ms) select 99, '0099_future.sql', sha256, applied_ms from migration where version = 1",
                );
                const ended = await server.startAndEnd();
                refusedToStart(
                    server,
                    ended,
                    /cannot start: the database has schema 99, this signalbox knows schemas up to \d+/,
                );
                statement(database, 'delete from migration where version = 99');
                await server.start();
                assert.deepEqual(await server.stop(), { code: 0, signal: null });
            } finally {
                await database.close();
            }
        });
        it('that somebody changed is refused, too', async () => {
            const database = await kind.open();
            try {
                const server = new Server(database);
                server.bootstrap();
                statement(database, "update migration set sha256 = 'other' where version = 1");
                const ended = await server.startAndEnd();
                refusedToStart(server, ended, /cannot start: migration 0001\S* is not the one/);
            } finally {
                await database.close();
            }
        });
    });
}

describe('a server on any free port', () => {
    it('names the real one in its links', async () => {
        const house = await House.open(sqlite, { isBare: true, settings: { public_url: '' } });
        try {
            const said = () => /setup="?(http:[^" ]+)/.exec(house.server.log)?.[1];
            for (let i = 0; i < 6000 && said() === undefined; i++)
                await new Promise((done) => setTimeout(done, 10));
            assert.equal(said()?.replace(/\/setup.*/, ''), house.server.url);
        } finally {
            await house.close();
        }
    });
});

describe('a second server', () => {
    it('on one SQLite file is refused with the number of the first, which goes on', async () => {
        const house = await House.open(sqlite);
        try {
            const second = new Server(house.database, {
                settings: { ...house.server.settings, listen: '127.0.0.1:0' },
            });
            const ended = await second.startAndEnd();
            refusedToStart(
                second,
                ended,
                new RegExp(
                    `another signalbox \\(process ${house.server.pid}\\) is using the database`,
                ),
            );
            assert.throws(() => second.bootstrap(), /another signalbox/);
            await house.ok('POST', '/api/v1/locks', { key: 'still/here/a/b', ttl: 60 });
        } finally {
            await house.close();
        }
    });

    describe('on one PostgreSQL', () => {
        let house: House;
        let second: Server;
        const repos: Repo[] = [];
        before(async () => {
            house = await House.open(postgres);
            for (let i = 0; i < 6; i++) repos.push(await house.repo(`shared${i}`));
            second = new Server(house.database, {
                settings: { ...house.server.settings, listen: '127.0.0.1:0' },
            });
            await second.start();
        });
        after(async () => {
            await second?.kill();
            await house?.close();
        });
        const applied = async (guids: string[], url: string) => {
            const { data } = await house.ok('GET', '/api/v1/facts?limit=500', undefined, { url });
            const states = new Map(
                (data['items'] as Value[]).map((fact) => [fact['key'], fact['state']]),
            );
            assert.deepEqual(
                guids.map((guid) => states.get(`github:${guid}`)),
                guids.map(() => 'applied'),
            );
        };
        const deliverAll = async (url: string) => {
            const guids = repos.map(() => randomUUID());
            await Promise.all(
                repos.map(async (repo, i) =>
                    assert.equal(
                        (await house.deliver('push', push(repo), { guid: guids[i]!, url })).data[
                            'state'
                        ],
                        'stored',
                    ),
                ),
            );
            return guids;
        };
        const owned = async (url: string) =>
            Number(
                /^signalbox_lanes_owned (\d+)$/m.exec(
                    (await house.ok('GET', '/metrics', undefined, { url })).text,
                )?.[1],
            );

        it('shares sessions, locks and what came in with the first', async () => {
            const session = await house.session(repos[0]!);
            await house.ok(
                'POST',
                '/api/v1/locks',
                { key: 'acme/shared0/a/b', ttl: 60 },
                { token: session },
            );
            const lost = await house.call('POST', '/api/v1/locks', {
                token: session,
                body: { key: 'acme/shared0/a/b', ttl: 60 },
                url: second.url,
            });
            assert.equal(lost.status, 409);
            const guid = randomUUID();
            assert.equal(
                (await house.deliver('push', push(repos[0]!), { guid })).data['state'],
                'stored',
            );
            assert.equal(
                (await house.deliver('push', push(repos[0]!), { guid, url: second.url })).data[
                    'state'
                ],
                'duplicate',
            );
        });

        it('applies what is posted to either, each lane by one of them', async () => {
            const guids = [
                ...(await deliverAll(house.server.url)),
                ...(await deliverAll(second.url)),
            ];
            await eventually(() => applied(guids, second.url));
            const [mine, theirs] = [await owned(house.server.url), await owned(second.url)];
            assert.ok(mine + theirs >= repos.length, `${mine} and ${theirs}`);
        });

        it('takes the lanes over when the leases of one that was killed are over, whoever held them', async () => {
            await deliverAll(house.server.url);
            await sleep(500);
            const old = house.server.url;
            await house.server.kill();
            const guids = await deliverAll(second.url);
            await eventually(() => applied(guids, second.url));
            await eventually(async () => assert.ok((await owned(second.url)) >= repos.length));
            await house.start();
            assert.equal(house.server.url, old);
            const more = await deliverAll(house.server.url);
            await eventually(() => applied(more, house.server.url));
        });

        it('gives its lanes back at once when it is stopped in peace', async () => {
            /* a minute: whoever waited for the end of its leases would be late */
            await second.stop();
            second.settings['lease_ms'] = '60000';
            await second.start();
            await eventually(async () => assert.ok((await owned(second.url)) > 0));
            await second.stop();
            const guids = await deliverAll(house.server.url);
            await eventually(() => applied(guids, house.server.url), 40_000);
            assert.deepEqual(second.complaints(), []);
        });
    });
});
