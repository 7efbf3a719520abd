/* People: the first account, signing in and out, cookies, forged requests, guesses (atmos-pro.md §17.2; docs/security.md). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases, Server } from '../run/server.ts';
import { eventually, House, type Browser, type Call, type Reply, type Value } from './house.ts';

const password = 'correct horse battery';
const refused = (reply: Reply, status: number, tag: string) => {
    assert.equal(reply.status, status, reply.text);
    assert.equal(reply.body['errorTag'], tag, reply.text);
};

for (const kind of databases) {
    describe(`a house without people, on ${kind.name}`, () => {
        let house: House;
        before(async () => {
            house = await House.open(kind);
        });
        after(() => house?.close());
        const welcome = (body: Value, call: Call = {}) =>
            house.call('POST', '/api/v1/welcome', { body, ...call });

        it('says so, and what its link is for', async () => {
            const { data } = await house.call('GET', '/api/v1/sign-in');
            assert.deepEqual(data, {
                local: true,
                github: true,
                githubUrl: '/auth/github',
                needsWelcome: true,
            });
            const found = await house.call('GET', `/api/v1/welcome?code=${house.welcomeCode()}`);
            assert.equal(found.data['role'], 'owner');
            assert.equal(found.data['invitedBy'], null);
            assert.equal(found.data['workspace'].id, house.workspace);
        });

        it('knows no code but its own', async () => {
            const code = house.welcomeCode();
            const [id, mac] = code.split('.') as [string, string];
            const codes = [
                'x',
                id,
                `${id}.`,
                `${id}.${mac.slice(0, -1)}`,
                `${id}.${[...mac].reverse().join('')}`,
                `${[...id].reverse().join('')}.${mac}`,
                `${code}x`,
                `.${mac}`,
                `${"'".repeat(28)}.${mac}`,
            ];
            for (const wrong of codes) {
                refused(await welcome({ code: wrong, name: 'eve', password }), 404, 'NotFound');
                const path = `/api/v1/welcome?code=${encodeURIComponent(wrong)}`;
                refused(await house.call('GET', path), 404, 'NotFound');
            }
        });

        it('takes no name that cannot be seen, and no short password', async () => {
            const code = house.welcomeCode();
            for (const name of ['', ' ', 'a\u200bda', '\u202eada', 'a\nb', '\u2066x', 'x'.repeat(101)])
                refused(await welcome({ code, name, password }), 400, 'ValidationError');
            for (const short of ['', 'short', '123456789'])
                refused(await welcome({ code, name: 'ada', password: short }), 400, 'ValidationError');
        });

        it('does not welcome what a page of another site sends', async () => {
            const body = { code: house.welcomeCode(), name: 'eve', password };
            for (const headers of [
                { 'sec-fetch-site': 'cross-site' },
                { 'sec-fetch-site': 'same-site' },
                { origin: 'https://evil.example' },
                { origin: 'null' },
            ] as Record<string, string>[])
                refused(await welcome(body, { headers }), 403, 'CsrfRefused');
        });

        it('makes the first owner, once, and prints its link no more', async () => {
            const code = house.welcomeCode();
            const both = await Promise.all(
                ['ada', 'eve'].map((name) => welcome({ code, name, password })),
            );
            const made = both.filter((reply) => reply.status === 201);
            assert.equal(made.length, 1, both.map((reply) => reply.text).join('\n'));
            const me = made[0]!.data;
            assert.equal(me['role'], 'owner');
            assert.deepEqual(me['rights'], ['read', 'operate', 'admin']);
            refused(await welcome({ code, name: 'eve2', password }), 404, 'NotFound');
            assert.equal((await house.call('GET', '/api/v1/sign-in')).data['needsWelcome'], false);
            await house.server.stop();
            house.server.log = '';
            await house.start();
            assert.doesNotMatch(house.server.log, /welcome#code/);
            const audit = await house.all('/api/v1/audit');
            const joined = audit.find((row) => row['action'] === 'member.joined');
            assert.equal(joined!['actor'].type, 'person');
            assert.equal(joined!['actor'].id, me['person'].login);
        });
    });

    describe(`the link of the first start, on ${kind.name}`, () => {
        let house: House;
        before(async () => {
            house = await House.open(kind);
        });
        after(() => house?.close());

        it('is the same at each start, and another one takes its place when somebody asks for it', async () => {
            const first = house.welcomeCode();
            await house.server.stop();
            house.server.log = '';
            await house.start();
            assert.equal(house.welcomeCode(), first);
            await house.server.stop();
            const link = house.server.bootstrapLink();
            const [where, anew] = link.split('/welcome#code=') as [string, string];
            assert.equal(where, 'http://signalbox.test');
            await house.start();
            assert.equal(house.welcomeCode(), anew);
            const body = { code: first, name: 'eve', password };
            refused(await house.call('POST', '/api/v1/welcome', { body }), 404, 'NotFound');
            await house.welcome('ada', anew);
            // all owners have lost their passwords
            await house.server.stop();
            const again = house.server.bootstrapLink().split('#code=')[1]!;
            await house.start();
            assert.equal((await house.welcome('bea', again)).me['role'], 'owner');
        });
    });

    describe(`people, on ${kind.name}`, () => {
        let house: House;
        let owner: Browser;
        before(async () => {
            house = await House.open(kind);
            house.secrets.set('a password', password);
            owner = await house.welcome('Ada Lovelace');
            house.secrets.set('a cookie', owner.cookie.split('=')[1]!);
        });
        after(() => house?.close());
        const signIn = (name: string, word: string, call: Call = {}) =>
            house.call('POST', '/api/v1/session', { body: { name, password: word }, ...call });
        const as = (browser: Browser, method: string, path: string, call: Call = {}) =>
            house.call(method, path, { browser, ...call });

        it('get a cookie that scripts cannot read and other sites cannot send', async () => {
            const reply = await signIn('ada lovelace', password);
            const [cookie] = [reply.headers['set-cookie'] ?? []].flat();
            assert.match(
                cookie!,
                /^signalbox_session=[\w-]{43}; Path=\/; Max-Age=7776000; HttpOnly; SameSite=Lax$/,
            );
            assert.equal(reply.headers['cache-control'], 'no-store');
        });

        it('are told who they are', async () => {
            const { data } = await as(owner, 'GET', '/api/v1/session');
            assert.equal(data['person'].login, 'Ada Lovelace');
            assert.equal(data['person'].source, 'local');
            assert.deepEqual(data['workspaces'], [
                { id: house.workspace, name: 'default', role: 'owner' },
            ]);
            assert.equal(data['csrf'], owner.csrf);
            assert.equal(data['token'], null);
            const left_ms = Date.parse(data['expiresAt']) - Date.now();
            assert.ok(left_ms > 13 * 86_400_000 && left_ms <= 14 * 86_400_000, data['expiresAt']);
        });

        it('come as a token when they send one, too', async () => {
            const { data } = await house.ok('GET', '/api/v1/session', undefined, { browser: owner });
            assert.equal(data['person'], null);
            assert.equal(data['token'].name, 'bootstrap');
            assert.equal(data['csrf'], null);
            refused(
                await as(owner, 'GET', '/api/v1/session', { token: 'sbx_tok_nonsense' }),
                401,
                'InvalidToken',
            );
        });

        it('are refused with another password, another name, or nothing at all', async () => {
            refused(await signIn('Ada Lovelace', 'wrong'), 401, 'SignInRefused');
            refused(await signIn('Bob', password), 401, 'SignInRefused');
            refused(await signIn('', password), 400, 'ValidationError');
            refused(await house.call('POST', '/api/v1/session', { body: {} }), 400, 'ValidationError');
        });

        it('need the proof of a page of ours for what changes something', async () => {
            const order = { name: 'x', role: 'member' };
            const make = (browser: Browser, headers: Record<string, string> = {}) =>
                as(browser, 'POST', '/api/v1/tokens', { body: order, headers, isSecret: true });
            const other = await house.signIn('Ada Lovelace');
            for (const csrf of ['', 'x', other.csrf, owner.csrf.slice(1), `${owner.csrf}x`])
                refused(await make({ ...owner, csrf }), 403, 'CsrfRefused');
            for (const headers of [
                { 'sec-fetch-site': 'cross-site' },
                { origin: 'https://evil.example' },
                { origin: `${house.server.url}.evil.example` },
                { origin: 'null' },
            ] as Record<string, string>[])
                refused(await make(owner, headers), 403, 'CsrfRefused');
            for (const headers of [
                {},
                { 'sec-fetch-site': 'same-origin', 'origin': house.server.url },
                { origin: 'http://signalbox.test' },
            ] as Record<string, string>[])
                assert.equal((await make(owner, headers)).status, 201);
            const plain = { type: null, raw: '{"name":"x"}', headers: { 'sec-fetch-site': 'cross-site' } };
            refused(await as(owner, 'POST', '/api/v1/tokens', plain), 403, 'CsrfRefused');
        });

        it('cannot be anybody by a cookie that we did not give', async () => {
            const value = owner.cookie.split('=')[1]!;
            for (const cookie of [
                'signalbox_session=x',
                `signalbox_session=${value.slice(0, -1)}`,
                `signalbox_session=${value}x`,
                `signalbox_session="${value}"`,
                `SIGNALBOX_SESSION=${value}`,
                `x; signalbox_sessions=${value}`,
                `__Host-signalbox_session=${value}`,
                `signalbox_session=${'x'.repeat(5000)}`,
            ]) {
                const reply = await house.call('GET', '/api/v1/session', { headers: { cookie } });
                refused(reply, 401, 'InvalidToken');
            }
            const crowd = `a=b; signalbox_session=${value}; c=d`;
            const reply = await house.call('GET', '/api/v1/session', { headers: { cookie: crowd } });
            assert.equal(reply.status, 200, reply.text);
        });

        it('get another session by signing in, and the one they came with ends (fixation)', async () => {
            const first = await house.signIn('Ada Lovelace');
            const again = house.browserOf(
                await signIn('Ada Lovelace', password, { headers: { cookie: first.cookie } }),
            );
            assert.notEqual(first.cookie, again.cookie);
            refused(await as(first, 'GET', '/api/v1/session'), 401, 'InvalidToken');
            assert.equal((await as(again, 'GET', '/api/v1/session')).status, 200);
            const planted = 'signalbox_session=planted-by-somebody-else';
            const mine = house.browserOf(
                await signIn('Ada Lovelace', password, { headers: { cookie: planted } }),
            );
            assert.notEqual(mine.cookie, planted);
        });

        it('sign out, and the cookie is worth nothing at once', async () => {
            const browser = await house.signIn('Ada Lovelace');
            refused(await as({ ...browser, csrf: '' }, 'DELETE', '/api/v1/session'), 403, 'CsrfRefused');
            const reply = await as(browser, 'DELETE', '/api/v1/session');
            assert.equal(reply.status, 200, reply.text);
            assert.match(String(reply.headers['set-cookie']), /^signalbox_session=; Path=\/; Max-Age=0;/);
            refused(await as(browser, 'GET', '/api/v1/session'), 401, 'InvalidToken');
        });

        if (kind.name === 'PostgreSQL')
            it('are out on other servers within seconds', async () => {
                const other = new Server(house.database, { settings: house.server.settings });
                other.settings['listen'] = '127.0.0.1:0';
                await other.start();
                try {
                    const browser = await house.signIn('Ada Lovelace');
                    const there = () =>
                        house.call('GET', '/api/v1/session', { browser, url: other.url });
                    assert.equal((await there()).status, 200);
                    await as(browser, 'DELETE', '/api/v1/session');
                    await eventually(async () => refused(await there(), 401, 'InvalidToken'));
                } finally {
                    await other.stop();
                }
            });

        it('look at no workspace that they do not belong to', async () => {
            const to = (workspaceId: string) =>
                as(owner, 'POST', '/api/v1/session/workspace', { body: { workspaceId } });
            refused(await to('ws_0000000000000000000000000000'), 404, 'WorkspaceNotFound');
            assert.equal((await to(house.workspace)).status, 200);
        });

        it('stand in the audit by their name', async () => {
            const key = `by/${kind.name}`;
            const body = { key, ttl: 60, message: 'hands off' };
            assert.equal((await as(owner, 'POST', '/api/v1/locks', { body })).status, 200);
            const [row] = await house.all('/api/v1/audit?category=lock');
            assert.deepEqual(row!['actor'], { type: 'person', id: 'Ada Lovelace' });
        });

    });

    describe(`who guesses, on ${kind.name}`, () => {
        let house: House;
        before(async () => {
            house = await House.open(kind);
            await house.welcome('ada');
        });
        after(() => house?.close());
        const signIn = (name: string, word: string) =>
            house.call('POST', '/api/v1/session', { body: { name, password: word } });

        it('has to wait after five failures, by whatever case the name is written', async () => {
            for (let i = 0; i < 5; i++) refused(await signIn('ada', `guess ${i}`), 401, 'SignInRefused');
            // Each wait is twice the one before: at some point a guess falls into it, however slow the machine is.
            for (let i = 0; ; i++) {
                assert.ok(i < 12);
                const reply = await signIn('ADA', `guess more ${i}`);
                if (reply.status === 401) continue;
                refused(reply, 429, 'TooManyAttempts');
                assert.ok(Number(reply.headers['retry-after']) >= 1);
                break;
            }
        });

        it('finds the house open still for those who do not guess', async () => {
            refused(await signIn('somebody', 'else entirely'), 401, 'SignInRefused');
            await house.ok('GET', '/api/v1/locks');
        });

        it('finds one at work: a crowd is told to come again', async () => {
            const many = await Promise.all(
                Array.from({ length: 12 }, (_, i) => signIn(`nobody ${i}`, 'x')),
            );
            for (const reply of many)
                assert.ok([401, 429, 503].includes(reply.status), reply.text);
            await house.ok('GET', '/api/v1/locks');
        });
    });
}

/** What a trusted proxy says about who came; what anybody may have written left of that is none of its words. */
describe('who guesses behind a proxy that is trusted', () => {
    let house: House;
    before(async () => {
        house = await House.open(databases[0]!, { settings: { trusted_proxies: '10.0.0.0/8 127.0.0.1' } });
        await house.welcome('ada');
    });
    after(() => house?.close());
    const signIn = (name: string, forwarded: string, word = 'a guess') =>
        house.call('POST', '/api/v1/session', {
            body: { name, password: word },
            headers: { 'x-forwarded-for': forwarded },
        });

    it('waits alone: neither do the others behind it, nor helps it to be somebody else by a header', async () => {
        let refusals = 0;
        // Another account each time: what is counted is the address. Each wait is twice the one before, so one guess falls into it.
        for (; ; refusals++) {
            assert.ok(refusals < 32);
            const reply = await signIn(`nobody ${refusals}`, `10.9.8.${refusals}, 203.0.113.9, 10.0.0.1`);
            if (reply.status === 429) break;
            refused(reply, 401, 'SignInRefused');
        }
        assert.ok(refusals >= 20, `${refusals}`);
        refused(await signIn('nobody else', '203.0.113.10'), 401, 'SignInRefused');
        const signedIn = await signIn('ada', '203.0.113.9, 2001:db8::7', 'correct horse battery');
        assert.equal(signedIn.status, 200, signedIn.text);
        const [row] = await house.all('/api/v1/audit?action=session.created');
        assert.equal(row!['description'], '2001:db8::7');
    });
});
