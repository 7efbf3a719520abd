/* Signing in with GitHub: who may come in, what comes back to us, and where write access over there is asked for. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { eventually, House, send, type Browser, type Repo, type Reply, type Value } from './house.ts';

const refused = (reply: Reply, status: number, tag: string) => {
    assert.equal(reply.status, status, reply.text);
    assert.equal(reply.body['errorTag'], tag, reply.text);
};
const cookieOf = (reply: Reply) => [reply.headers['set-cookie'] ?? []].flat()[0]!.split(';')[0]!;
const isSignedIn = (reply: Reply) =>
    [reply.headers['set-cookie'] ?? []].flat().some((one) => one.startsWith('signalbox_session='));

for (const kind of databases)
    describe(`signing in with GitHub, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let owner: Browser;
        const problem = (reply: Reply, which: string) => {
            assert.equal(reply.status, 302, reply.text);
            assert.equal(reply.headers['location'], `/sign-in?problem=${which}`);
            assert.ok(!isSignedIn(reply));
        };
        const invite = async (login: string, role = 'member'): Promise<Value> =>
            (
                await house.ok(
                    'POST',
                    '/api/v1/invitations',
                    { login, role },
                    { token: undefined, browser: owner },
                )
            ).data;
        const as = (browser: Browser, method: string, path: string, body?: unknown) =>
            house.call(method, path, { browser, ...(body === undefined ? {} : { body }) });

        before(async () => {
            house = await House.open(kind);
            const { app } = await house.sim.settings();
            house.secrets.set('the client secret', app.client_secret);
            repo = await house.repo('signed');
            owner = await house.welcome('olga');
        });
        after(() => house?.close());

        it('lets in whom somebody invited by name, and only once by that invitation', async () => {
            problem(await house.throughGithub('mona'), 'stranger');
            const made = await invite('Mona', 'admin');
            const code = String(made['url']).split('#code=')[1]!;
            const found = await house.call('GET', `/api/v1/welcome?code=${code}`);
            assert.equal(found.data['source'], 'github');
            assert.equal(found.data['login'], 'Mona');
            const local = { code, name: 'mona', password: 'long enough, really' };
            refused(await house.call('POST', '/api/v1/welcome', { body: local }), 409, 'Conflict');
            const mona = await house.signInWithGithub('mona');
            assert.equal(mona.me['person'].source, 'github');
            assert.equal(mona.me['role'], 'admin');
            const again = await house.signInWithGithub('mona');
            assert.equal(again.me['person'].id, mona.me['person'].id);
            const open = (await as(owner, 'GET', '/api/v1/invitations')).data['items'] as Value[];
            assert.deepEqual(open, []);
            problem(await house.throughGithub('monalisa'), 'stranger');
        });

        it('goes on to a path of ours, and to nothing else', async () => {
            await invite('nina');
            for (const [next, want] of [
                ['/batches/batch_1?node=3', '/batches/batch_1?node=3'],
                ['https://evil.example/', '/'],
                ['//evil.example/', '/'],
                ['/\\evil.example/', '/'],
                ['/\t/evil.example', '/'],
                ['\\\\evil.example', '/'],
                ['evil', '/'],
                ['javascript:alert(1)', '/'],
                ['/a\r\nset-cookie: x=y', '/'],
                [`/${'x'.repeat(3000)}`, '/'],
                ['', '/'],
            ] as const) {
                await house.sim.browserOf('nina');
                const out = await house.call('GET', `/auth/github?next=${encodeURIComponent(next)}`);
                if (out.status === 400) continue;
                const reply = await house.backFromGithub(out);
                assert.equal(reply.headers['location'], want, next);
            }
        });

        it('believes no answer that does not belong to this browser', async () => {
            await house.sim.browserOf('nina');
            const out = await house.call('GET', '/auth/github');
            const there = new URL(String(out.headers['location']));
            assert.equal(there.searchParams.get('code_challenge_method'), 'S256');
            const seen = await send(there.origin, 'GET', there.pathname + there.search, {
                headers: { 'user-agent': 'browser' },
            });
            const back = new URL(String(seen.headers['location']));
            const path = back.pathname + back.search;
            const other = cookieOf(await house.call('GET', '/auth/github'));
            const come = (target: string, cookie?: string) =>
                house.call('GET', target, cookie === undefined ? {} : { headers: { cookie } });
            problem(await come(path), 'expired');
            problem(await come(path, other), 'expired');
            problem(await come(path, 'signalbox_trip=x'), 'expired');
            problem(await come(path, `${cookieOf(out).slice(0, -2)}AA`), 'expired');
            problem(await come('/auth/github/callback?code=x', cookieOf(out)), 'expired');
            problem(await come('/auth/github/callback', cookieOf(out)), 'expired');
            const state = back.searchParams.get('state')!;
            problem(await come(`/auth/github/callback?code=nonsense&state=${state}`, cookieOf(out)), 'github');
            problem(await come(`/auth/github/callback?state=${state}`, cookieOf(out)), 'denied');
            assert.ok(isSignedIn(await come(path, cookieOf(out))));
            problem(await come(path, cookieOf(out)), 'github'); // a code works once
        });

        it('sends its proof with the code: a code that somebody else began is worth nothing', async () => {
            await house.sim.browserOf('nina');
            const [mine, theirs] = [
                await house.call('GET', '/auth/github'),
                await house.call('GET', '/auth/github'),
            ];
            const at = new URL(String(theirs.headers['location']));
            const seen = await send(at.origin, 'GET', at.pathname + at.search, {
                headers: { 'user-agent': 'browser' },
            });
            const code = new URL(String(seen.headers['location'])).searchParams.get('code');
            const state = new URL(String(mine.headers['location'])).searchParams.get('state');
            const path = `/auth/github/callback?code=${code}&state=${state}`;
            problem(await house.call('GET', path, { headers: { cookie: cookieOf(mine) } }), 'github');
            assert.ok((await house.sim.oauth()).refused.includes('bad_verification_code'));
        });

        it('says so when the person does not agree, or GitHub fails', async () => {
            await house.sim.browserOf('nina', true);
            problem(await house.backFromGithub(await house.call('GET', '/auth/github')), 'denied');
            await house.sim.browserOf('nina');
            await house.sim.fault({ on: 'api', route: 'GET /user', kind: 'error500', count: 1 });
            problem(await house.backFromGithub(await house.call('GET', '/auth/github')), 'github');
        });

        it('knows people by their number: another login is the same person, the old one nobody', async () => {
            await invite('oldname');
            const before_ = await house.signInWithGithub('oldname');
            await house.sim.renameUser('oldname', 'newname');
            const after_ = await house.signInWithGithub('newname');
            assert.equal(after_.me['person'].id, before_.me['person'].id);
            assert.equal(after_.me['person'].login, 'newname');
            problem(await house.throughGithub('oldname'), 'stranger');
        });

        it('lets members operate where they may write over there, and nowhere else', async () => {
            const cases = [
                ['wanda', 'write', true],
                ['mark', 'maintain', true],
                ['trudy', 'triage', false],
                ['rita', 'read', false],
                ['noah', 'none', false],
            ] as const;
            for (const [login, permission, may] of cases) {
                await house.sim.addUser(repo.full_name, login, permission);
                await invite(login);
                const person = await house.signInWithGithub(login);
                assert.deepEqual(person.me['rights'], ['read', 'operate']);
                const { data } = await as(person, 'GET', `/api/v1/repositories/${repo.lane}/rights`);
                assert.equal(data['operate'], may, login);
                assert.equal(data['release'], may, login);
                assert.equal(data['admin'], false);
                if (!may) assert.match(data['why'], /write access/);
                const asked: [string, string, Value?][] = [
                    [
                        'POST',
                        '/api/v1/dispatch',
                        {
                            repo: repo.full_name,
                            stack: 'dev',
                            component: login,
                            workflow: 'plan.yaml',
                            dryRun: true,
                        },
                    ],
                    ['POST', '/api/v1/locks', { key: `acme/signed/dev/${login}`, ttl: 60 }],
                    ['GET', `/api/v1/repositories/${repo.lane}/secrets`],
                    ['DELETE', '/api/v1/locks', { key: `acme/signed/dev/${login}` }],
                ];
                for (const [method, path, body] of asked) {
                    const reply = await as(person, method, path, body);
                    if (may) assert.notEqual(reply.status, 403, `${login} ${path} ${reply.text}`);
                    else refused(reply, 403, 'PermissionDenied');
                }
                refused(await as(person, 'GET', '/api/v1/audit'), 403, 'PermissionDenied');
                for (const key of ['free', 'acme/elsewhere/dev/vpc', 'acme/signed'])
                    refused(
                        await as(person, 'POST', '/api/v1/locks', { key, ttl: 60 }),
                        403,
                        'PermissionDenied',
                    );
                refused(
                    await as(person, 'POST', '/api/v1/instances', { instances: [] }),
                    403,
                    'PermissionDenied',
                );
            }
        });

        it('wants write access for a release from owners, too', async () => {
            await invite('otto', 'owner');
            const otto = await house.signInWithGithub('otto');
            const { data } = await as(otto, 'GET', `/api/v1/repositories/${repo.lane}/rights`);
            assert.deepEqual(
                [data['operate'], data['release'], data['admin']],
                [true, false, true],
            );
            await house.ok('POST', '/api/v1/dispatch', {
                repo: repo.full_name,
                stack: 'dev',
                component: 'held',
                workflow: 'plan.yaml',
            });
            const [batch] = await eventually(async () => {
                const found = await house.all('/api/v1/batches');
                assert.ok(found.length > 0);
                return found;
            });
            const at = `/api/v1/batches/${String(batch!['id'])}`;
            refused(await as(otto, 'POST', `${at}/release`), 403, 'PermissionDenied');
            refused(await as(otto, 'POST', `${at}/parts`), 403, 'PermissionDenied');
            assert.notEqual((await as(owner, 'POST', `${at}/release`)).status, 403);
        });

        it('asks again when GitHub did not say, and lets nobody through meanwhile', async () => {
            await house.sim.addUser(repo.full_name, 'fay', 'write');
            await invite('fay');
            const fay = await house.signInWithGithub('fay');
            const path = `/api/v1/repositories/${repo.lane}/rights`;
            await house.sim.fault({
                on: 'api',
                route: 'GET *collaborators*',
                kind: 'error500',
                count: 1,
            });
            refused(await as(fay, 'GET', path), 502, 'UpstreamError');
            assert.equal((await as(fay, 'GET', path)).data['operate'], true);
        });
    });

for (const kind of databases)
    describe(`whoever has access to an installation, on ${kind.name}`, () => {
        let house: House;
        before(async () => {
            house = await House.open(kind, { settings: { github_sign_in: 'installed' } });
        });
        after(() => house?.close());

        it('becomes a member by signing in, and nobody else does', async () => {
            const repo = await house.repo('installed');
            await house.sim.addUser(repo.full_name, 'mona', 'read');
            await house.settled();
            const reply = await house.throughGithub('stranger');
            assert.equal(reply.headers['location'], '/sign-in?problem=stranger');
            const mona = await house.signInWithGithub('mona');
            assert.equal(mona.me['role'], 'member');
            assert.equal(mona.me['person'].login, 'mona');
        });

        it('is none any more when they sign in without that access', async () => {
            const repo = await house.repo('left');
            await house.sim.addUser(repo.full_name, 'lea', 'read');
            const lea = await house.signInWithGithub('lea');
            await house.sim.addUser(repo.full_name, 'lea', 'none');
            const reply = await house.throughGithub('lea');
            assert.equal(reply.headers['location'], '/sign-in?problem=stranger');
            refused(await house.call('GET', '/api/v1/session', { browser: lea }), 401, 'InvalidToken');
        });
    });
