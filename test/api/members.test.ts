/* Members, roles and invitations; what a role may do is said by the API and enforced by it (atmos-pro.md §17.2). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { House, type Browser, type Call, type Repo, type Reply, type Value } from './house.ts';
import { operations } from './spec.ts';

const hostile = [
    '<script>alert(1)</script>',
    "'; drop table person; --",
    '🦊'.repeat(25),
    'Zoë "the=boss"',
    '%s%n%00',
    'x'.repeat(100),
];

const refused = (reply: Reply, status: number, tag: string) => {
    assert.equal(reply.status, status, reply.text);
    assert.equal(reply.body['errorTag'], tag, reply.text);
};

for (const kind of databases)
    describe(`members, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let owner: Browser;
        let admin: Browser;
        let member: Browser;
        const as = (browser: Browser, method: string, path: string, body?: unknown, more: Call = {}) =>
            house.call(method, path, { browser, ...(body === undefined ? {} : { body }), ...more });
        const invite = async (by: Browser, role: string): Promise<Value> => {
            const reply = await as(by, 'POST', '/api/v1/invitations', { role });
            assert.equal(reply.status, 201, reply.text);
            return reply.data;
        };
        const codeOf = (invitation: Value) => String(invitation['url']).split('#code=')[1]!;
        const join = async (role: string, name: string) =>
            house.welcome(name, codeOf(await invite(owner, role)));
        const idOf = (browser: Browser) => browser.me['person'].id as string;
        const role = (by: Browser, whom: Browser, to: string) =>
            as(by, 'PATCH', `/api/v1/members/${idOf(whom)}`, { role: to });

        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('members');
            owner = await house.welcome('olga');
            admin = await join('admin', 'adam');
            member = await join('member', 'mia');
        });
        after(() => house?.close());

        it('have the role they were invited to', async () => {
            const found = (await as(member, 'GET', '/api/v1/members')).data['items'] as Value[];
            assert.deepEqual(
                found.map((one) => [one['login'], one['role'], one['invitedBy']]).sort(),
                [
                    ['adam', 'admin', 'olga'],
                    ['mia', 'member', 'olga'],
                    ['olga', 'owner', 'signalbox'],
                ],
            );
            assert.deepEqual(member.me['rights'], ['read']);
            assert.deepEqual(admin.me['rights'], ['read', 'operate', 'admin']);
        });

        it('who only read are refused everything else by the API, with or without a button', async () => {
            for (const one of operations.filter((each) => ['session', 'operate', 'admin'].includes(each.needs))) {
                const path = one.path
                    .replaceAll('{owner}', 'acme')
                    .replaceAll('{repo}', 'members')
                    .replaceAll('{repositoryId}', String(repo.lane))
                    .replaceAll(/\{\w+\}/g, '999999');
                const reply = await as(member, one.method, path, one.hasBody ? {} : undefined);
                refused(reply, 403, 'PermissionDenied');
            }
            const rights = await as(member, 'GET', `/api/v1/repositories/${repo.lane}/rights`);
            assert.equal(rights.data['read'], true);
            assert.equal(rights.data['operate'], false);
            assert.equal(rights.data['admin'], false);
            assert.match(rights.data['why'], /read only/);
        });

        it('who are owners or admins with a local account operate everywhere', async () => {
            for (const browser of [owner, admin]) {
                const { data } = await as(browser, 'GET', `/api/v1/repositories/${repo.lane}/rights`);
                assert.deepEqual(data, {
                    read: true,
                    operate: true,
                    release: true,
                    admin: true,
                    why: null,
                });
            }
            const key = `acme/members/dev/vpc`;
            assert.equal((await as(admin, 'POST', '/api/v1/locks', { key, ttl: 60 })).status, 200);
            assert.equal((await as(owner, 'DELETE', '/api/v1/locks', { key })).status, 200);
        });

        it('act under their own name, in the order and in the audit', async () => {
            const order = {
                repo: repo.full_name,
                stack: 'dev',
                component: 'vpc',
                workflow: 'plan.yaml',
            };
            const reply = await as(admin, 'POST', '/api/v1/dispatch', order);
            assert.ok([200, 202, 409].includes(reply.status), reply.text);
            await house.settled();
            const facts = await house.all('/api/v1/facts?kind=order');
            assert.equal(facts[0]!['actor'], 'adam');
            await as(admin, 'PATCH', `/api/v1/repositories/${repo.lane}/settings`, {
                strict_plans: true,
            });
            const [row] = await house.all('/api/v1/audit?action=repository.settings_changed');
            assert.deepEqual(row!['actor'], { type: 'person', id: 'adam' });
        });

        it('who are admins do not touch owners, and make none', async () => {
            refused(await role(admin, owner, 'member'), 403, 'PermissionDenied');
            refused(await role(admin, member, 'owner'), 403, 'PermissionDenied');
            refused(await role(admin, admin, 'owner'), 403, 'PermissionDenied');
            const away = await as(admin, 'DELETE', `/api/v1/members/${idOf(owner)}`);
            refused(away, 403, 'PermissionDenied');
            const made = await as(admin, 'POST', '/api/v1/invitations', { role: 'owner' });
            refused(made, 403, 'PermissionDenied');
            // nor do their tokens
            const path = `/api/v1/members/${idOf(owner)}`;
            refused(await house.call('DELETE', path, { token: house.admin }), 403, 'PermissionDenied');
        });

        it("who are admins do not see an owner's link, nor take it back", async () => {
            const made = await invite(owner, 'owner');
            const seen = (await as(admin, 'GET', '/api/v1/invitations')).data['items'] as Value[];
            assert.equal(seen.find((one) => one['id'] === made['id'])!['url'], null);
            const at = `/api/v1/invitations/${String(made['id'])}`;
            refused(await as(admin, 'DELETE', at), 403, 'PermissionDenied');
            assert.equal((await as(owner, 'DELETE', at)).status, 200);
            const late = { code: codeOf(made), name: 'late', password: 'long enough, really' };
            refused(await house.call('POST', '/api/v1/welcome', { body: late }), 404, 'NotFound');
        });

        it('stay when they are the last owner', async () => {
            refused(await role(owner, owner, 'admin'), 409, 'Conflict');
            refused(await as(owner, 'DELETE', '/api/v1/account/membership'), 409, 'Conflict');
            refused(await as(owner, 'DELETE', `/api/v1/members/${idOf(owner)}`), 409, 'Conflict');
            const second = await join('owner', 'otto');
            const both = await Promise.all([
                role(owner, second, 'member'),
                role(second, owner, 'member'),
            ]);
            // Both at once: one of them comes too late, and is an owner still, or no owner any more.
            assert.equal(both.filter((reply) => reply.status === 200).length, 1);
            if (both[1]!.status === 200) {
                refused(await role(owner, second, 'member'), 403, 'PermissionDenied');
                assert.equal((await role(second, owner, 'owner')).status, 200);
                assert.equal((await role(owner, second, 'member')).status, 200);
            }
            assert.equal((await as(second, 'DELETE', '/api/v1/account/membership')).status, 200);
        });

        it('lose what a role gave at once, in every browser', async () => {
            const temp = await join('admin', 'tim');
            const elsewhere = await house.signIn('tim');
            assert.equal((await as(elsewhere, 'GET', '/api/v1/audit')).status, 200);
            assert.equal((await role(owner, temp, 'member')).status, 200);
            refused(await as(temp, 'GET', '/api/v1/audit'), 403, 'PermissionDenied');
            refused(await as(elsewhere, 'GET', '/api/v1/audit'), 403, 'PermissionDenied');
            const away = await as(owner, 'DELETE', `/api/v1/members/${idOf(temp)}`);
            assert.equal(away.status, 200, away.text);
            refused(await as(temp, 'GET', '/api/v1/session'), 401, 'InvalidToken');
            refused(await as(elsewhere, 'GET', '/api/v1/session'), 401, 'InvalidToken');
            const again = { name: 'tim', password: 'correct horse battery' };
            refused(await house.call('POST', '/api/v1/session', { body: again }), 401, 'SignInRefused');
            // whoever is gone can be invited again, under the same name
            assert.equal((await join('member', 'tim')).me['role'], 'member');
        });

        it('see where they are signed in, and sign out there at once', async () => {
            const phone = await house.signIn('adam');
            const seen = (await as(admin, 'GET', '/api/v1/sessions')).data['items'] as Value[];
            assert.equal(seen.length, 2);
            assert.equal(seen.filter((one) => one['current']).length, 1);
            const other = seen.find((one) => !one['current'])!;
            refused(
                await as(owner, 'DELETE', `/api/v1/sessions/${String(other['id'])}`),
                404,
                'NotFound',
            );
            const out = await as(admin, 'DELETE', `/api/v1/sessions/${String(other['id'])}`);
            assert.equal(out.status, 200, out.text);
            refused(await as(phone, 'GET', '/api/v1/session'), 401, 'InvalidToken');
            assert.equal((await as(admin, 'GET', '/api/v1/session')).status, 200);
        });

        it('change their password, and every other browser is out', async () => {
            const browser = await join('member', 'petra');
            const other = await house.signIn('petra');
            const put = (old: string, next: string) =>
                as(browser, 'PUT', '/api/v1/account/password', { old, new: next });
            refused(await put('not it', 'a new long password'), 401, 'SignInRefused');
            refused(await put('correct horse battery', 'short'), 400, 'ValidationError');
            const done = await put('correct horse battery', 'a new long password');
            assert.equal(done.status, 200, done.text);
            refused(await as(other, 'GET', '/api/v1/session'), 401, 'InvalidToken');
            assert.equal((await as(browser, 'GET', '/api/v1/session')).status, 200);
            await house.signIn('petra', 'a new long password');
        });

        it('may be called what they like', async () => {
            for (const name of hostile) {
                const browser = await join('member', name);
                assert.equal(browser.me['person'].login, name);
                const found = (await as(owner, 'GET', '/api/v1/members?limit=500')).data;
                assert.ok((found['items'] as Value[]).some((one) => one['login'] === name));
                await house.signIn(name);
            }
        });

        it('may not take the name of another, in whatever case', async () => {
            const body = {
                code: codeOf(await invite(owner, 'member')),
                name: 'OLGA',
                password: 'long enough, really',
            };
            refused(await house.call('POST', '/api/v1/welcome', { body }), 409, 'Conflict');
        });

        it('everything of that stands in the audit, with who it was', async () => {
            const rows = await house.all('/api/v1/audit');
            const invited = rows.find((row) => row['action'] === 'member.invited')!;
            assert.deepEqual(invited['actor'], { type: 'person', id: 'olga' });
            assert.deepEqual(invited['metadata'], { personId: idOf(owner) });
            const seen = new Set(rows.map((row) => row['action']));
            for (const action of [
                'member.invited',
                'member.joined',
                'member.role_changed',
                'member.removed',
                'member.invitation_revoked',
                'session.created',
                'session.revoked',
                'account.password_changed',
            ])
                assert.ok(seen.has(action), action);
        });
    });
