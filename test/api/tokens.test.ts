/* Who may come in: GitHub's OIDC tokens, our sessions, static tokens (atmos-pro.md §6). */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import type { Tamper } from '../forge-sim/oidc.ts';
import { House, upload, type Repo, type Reply, type Value } from './house.ts';

const tampered: [Tamper, string][] = [
    ['none-alg', 'InvalidToken'],
    ['hs256', 'InvalidToken'],
    ['rs512', 'InvalidToken'],
    ['bad-signature', 'InvalidToken'],
    ['other-key', 'InvalidToken'],
    ['unknown-kid', 'InvalidToken'],
    ['no-kid', 'InvalidToken'],
    ['wrong-iss', 'InvalidToken'],
    ['wrong-aud', 'InvalidToken'],
    ['not-yet', 'InvalidToken'],
    ['expired', 'TokenExpired'],
];

const no_tokens = [
    'x',
    'a.b',
    'a.b.c',
    '..',
    'e30.e30.',
    `${Buffer.from('{"alg":"RS256","kid":"x"}').toString('base64url')}.!.x`,
    'ä',
    'x'.repeat(20_000),
];

function claimsOf(token: string): Value {
    return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Value;
}
function encoded(value: unknown): string {
    return Buffer.from(JSON.stringify(value)).toString('base64url');
}

for (const kind of databases) {
    describe(`OIDC on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('oidc');
        });
        after(() => house?.close());
        const refused = (reply: Reply, status: number, tag: string) => {
            assert.equal(reply.status, status, reply.text);
            assert.equal(reply.body['errorTag'], tag, reply.text);
            assert.equal(reply.body['success'], false);
        };

        for (const [tamper, tag] of tampered)
            it(`refuses a token that is ${tamper}`, async () => {
                refused(await house.exchange(await house.mint(repo, {}, { tamper })), 401, tag);
            });

        it('accepts a token once; the second time it is a replay, also after a restart', async () => {
            const token = await house.mint(repo);
            assert.equal((await house.exchange(token)).status, 200);
            refused(await house.exchange(token), 401, 'TokenReplayed');
            await house.server.stop();
            await house.start();
            refused(await house.exchange(token), 401, 'TokenReplayed');
        });

        it('lets exactly one of twenty exchanges of one token win', async () => {
            const token = await house.mint(repo);
            const replies = await Promise.all(
                Array.from({ length: 20 }, () => house.exchange(token)),
            );
            assert.equal(replies.filter((reply) => reply.status === 200).length, 1);
            for (const reply of replies.filter((one) => one.status !== 200))
                refused(reply, 401, 'TokenReplayed');
        });

        it('does not use a token up when the workspace was wrong', async () => {
            const token = await house.mint(repo);
            refused(await house.exchange(token, 'ws_nobody'), 404, 'WorkspaceNotFound');
            assert.equal((await house.exchange(token)).status, 200);
        });

        it('refuses a repository that the workspace does not have, and says so in the audit', async () => {
            const foreign = await house.sim.createRepo({
                owner: 'evil',
                name: 'other',
                files: { a: 'b' },
            });
            refused(
                await house.exchange(await house.mint(foreign.full_name)),
                403,
                'RepositoryNotInWorkspace',
            );
            const [row] = await house.all('/api/v1/audit?action=auth.oidc_token_exchange_failure');
            assert.equal(row!['target'].id, 'evil/other');
        });

        it("goes by the repository's id: a stranger's repository of the same name stays outside", async () => {
            const token = await house.mint(repo, {}, { claims: {} });
            const renamed = await house.mint(repo, { claims: { repository: 'somebody/else' } });
            assert.equal((await house.exchange(token)).status, 200);
            assert.equal(
                (await house.exchange(renamed)).status,
                200,
                'the id counts, not the name',
            );
            refused(
                await house.exchange(
                    await house.mint(repo, { claims: { repository_id: '999999999' } }),
                ),
                403,
                'RepositoryNotInWorkspace',
            );
            for (const bad of ['', '-1', '0', '1e3', 'x', null, [], {}])
                refused(
                    await house.exchange(
                        await house.mint(repo, { claims: { repository_id: bad as string } }),
                    ),
                    401,
                    'InvalidToken',
                );
        });

        it('accepts no audience besides the configured ones, also in a list', async () => {
            for (const aud of [['x', 'y'], [], {}, 42, 'atmos-pro.com.evil.test', 'ATMOS-PRO.COM'])
                refused(
                    await house.exchange(
                        await house.mint(
                            repo,
                            {},
                            { claims: { ...(await claims(house, repo)), aud } },
                        ),
                    ),
                    401,
                    'InvalidToken',
                );
            const listed = await house.mint(
                repo,
                {},
                { claims: { ...(await claims(house, repo)), aud: ['x', 'atmos-pro.com'] } },
            );
            assert.equal((await house.exchange(listed)).status, 200);
        });

        it('refuses times that are missing or absurd', async () => {
            const base = await claims(house, repo);
            const bad: Value[] = [
                { exp: null },
                { iat: null },
                { exp: 'soon' },
                { exp: 1e300 },
                { exp: -1 },
                { nbf: 4e9 },
                { jti: '' },
                { jti: null },
            ];
            for (const change of bad) {
                const reply = await house.exchange(
                    await house.mint(repo, {}, { claims: { ...base, ...change } }),
                );
                assert.equal(reply.status, 401, `${JSON.stringify(change)} ${reply.text}`);
            }
        });

        it('takes tokens of every key that is published, and none of the keys that are gone', async () => {
            const before_rotation = await house.mint(repo);
            await house.sim.rotateKeys(true);
            assert.equal(
                (await house.exchange(before_rotation)).status,
                200,
                'the old key is still published',
            );
            const gone = await house.mint(repo);
            await house.sim.rotateKeys(false);
            const fresh = await house.mint(repo);
            // Strangers with unknown keys must not make us ask the issuer all the time; a server that has just started asks at once.
            await house.server.stop();
            await house.start();
            assert.equal((await house.exchange(fresh)).status, 200);
            refused(await house.exchange(gone), 401, 'InvalidToken');
        });

        for (const text of no_tokens)
            it(`refuses what is no token at all: ${JSON.stringify(text.slice(0, 20))}`, async () => {
                const reply = await house.exchange(text);
                assert.ok([400, 401].includes(reply.status), reply.text);
            });

        it('asks for both fields, as texts', async () => {
            for (const body of [
                {},
                { token: 'x' },
                { workspaceId: 'x' },
                { token: '', workspaceId: 'x' },
                { token: 1, workspaceId: 2 },
                { token: 'x', workspaceId: '' },
                [],
            ])
                assert.equal(
                    (await house.call('POST', '/api/v1/auth/github-oidc', { body })).status,
                    400,
                );
        });

        it('audits the exchange with the claims, never with the token', async () => {
            const token = await house.mint(repo, { actor: 'mona', environment: 'prod' });
            house.secrets.set('an OIDC token', token.split('.')[2]!);
            await house.exchange(token);
            const [row] = await house.all('/api/v1/audit?action=auth.oidc_token_exchange_success');
            assert.equal(row!['actor'].id, 'mona');
            assert.equal(row!['metadata'].environment, 'prod');
        });
    });

    describe(`sessions and static tokens on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let other: Repo;
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('mine');
            other = await house.repo('other');
        });
        after(() => house?.close());
        const look = (token?: string) =>
            house.call('GET', '/api/v1/repositories', token === undefined ? {} : { token });

        it('refuses every session that was changed', async () => {
            const session = await house.session(repo);
            const [head, body, mark] = session.split('.') as [string, string, string];
            const claims_now = claimsOf(session);
            const forged = [
                `${head}.${encoded({ ...claims_now, repository: other.lane })}.${mark}`,
                `${head}.${encoded({ ...claims_now, exp: 4e9 })}.${mark}`,
                `${encoded({ alg: 'none' })}.${body}.`,
                `${encoded({ alg: 'none' })}.${body}.${mark}`,
                `${head}.${body}.${mark.slice(0, -4)}AAAA`,
                `${head}.${body}`,
                `${head}.${body}.${mark}.`,
                `${encoded({ alg: 'HS256' })}.${body}.${createHmac('sha256', '')
                    .update(`${encoded({ alg: 'HS256' })}.${body}`)
                    .digest('base64url')}`,
                `${encoded({ alg: 'HS512' })}.${body}.${mark}`,
            ];
            assert.equal((await look(session)).status, 200);
            for (const token of forged) assert.equal((await look(token)).status, 401, token);
        });

        it('does not take an OIDC token for a session', async () => {
            assert.equal((await look(await house.mint(repo))).status, 401);
        });

        it('does not take a session of another server', async () => {
            const stranger = await House.open(kind);
            try {
                const theirs = await stranger.repo('mine');
                assert.equal((await look(await stranger.session(theirs))).status, 401);
            } finally {
                await stranger.close();
            }
        });

        it('shows a session its own repository and nothing of the others', async () => {
            const session = await house.session(repo);
            await house.ok('POST', '/api/v1/instances', {
                repo_owner: 'acme',
                repo_name: 'other',
                instances: [{ component: 'secret', stack: 'dev' }],
            });
            assert.deepEqual(
                (await look(session)).data['items'].map((one: Value) => one['name']),
                ['mine'],
            );
            const { data } = await house.call('GET', '/api/v1/instances', { token: session });
            assert.deepEqual(data['items'], []);
            assert.equal(
                (await house.call('GET', `/api/v1/repositories/${other.lane}`, { token: session }))
                    .status,
                404,
            );
            assert.equal(
                (await house.call('GET', `/api/v1/instances?repo=acme/other`, { token: session }))
                    .status,
                404,
            );
        });

        it('accepts a static token until it is revoked, and counts its use', async () => {
            const made = await house.token({ name: 'ci' });
            assert.match(made.token, /^sbx_/);
            assert.equal((await look(made.token)).status, 200);
            await house.ok('DELETE', `/api/v1/tokens/${made.id}`);
            assert.equal((await look(made.token)).status, 401);
            assert.equal(
                (await house.call('DELETE', `/api/v1/tokens/${made.id}`, { token: house.admin }))
                    .status,
                404,
            );
            const row = (await house.all('/api/v1/tokens')).find((one) => one['id'] === made.id)!;
            assert.ok(row['revokedAt']);
            assert.equal(row['token'], undefined);
            const actions = (await house.all('/api/v1/audit'))
                .filter((one) => one['target'].id === made.id)
                .map((one) => one['action']);
            assert.deepEqual(actions.sort(), ['token.created', 'token.revoked']);
        });

        it('holds a static token of one repository to that repository', async () => {
            const made = await house.token({ repositoryId: repo.lane });
            assert.deepEqual(
                (await look(made.token)).data['items'].map((one: Value) => one['name']),
                ['mine'],
            );
            assert.equal(
                (
                    await house.call('POST', '/api/v1/affected-stacks', {
                        token: made.token,
                        body: upload(repo, []),
                    })
                ).status,
                200,
            );
            assert.equal(
                (
                    await house.call('POST', '/api/v1/affected-stacks', {
                        token: made.token,
                        body: upload(other, []),
                    })
                ).status,
                403,
            );
            const at = `/api/v1/repos/acme/other/instances?stack=dev&component=secret`;
            assert.equal(
                (
                    await house.call('PATCH', at, {
                        token: made.token,
                        body: { command: 'plan', exit_code: 0 },
                    })
                ).status,
                403,
            );
            const dispatch = {
                repo: 'acme/other',
                stack: 'a',
                component: 'b',
                workflow: 'c.yaml',
                dryRun: true,
            };
            assert.equal(
                (
                    await house.call('POST', '/api/v1/dispatch', {
                        token: made.token,
                        body: dispatch,
                    })
                ).status,
                404,
            );
        });

        it("does not let one repository's admin make a token of the whole workspace", async () => {
            const small = await house.token({ role: 'admin', repositoryId: repo.lane });
            const ask = (body: Value) =>
                house.call('POST', '/api/v1/tokens', { token: small.token, body, isSecret: true });
            assert.equal((await ask({ name: 'x', role: 'admin' })).status, 403);
            assert.equal(
                (await ask({ name: 'x', role: 'admin', repositoryId: other.lane })).status,
                404,
            );
            const own = await ask({ name: 'x', repositoryId: repo.lane });
            assert.equal(own.status, 201);
            assert.equal(
                (
                    await house.call('POST', '/api/v1/repositories', {
                        token: small.token,
                        body: { owner: 'a', name: 'b', forgeId: 5 },
                    })
                ).status,
                403,
            );
        });

        it('knows no token that was cut, changed or made up', async () => {
            const made = await house.token();
            const bad = [
                made.token.slice(0, -1),
                `${made.token}a`,
                made.token.toUpperCase(),
                'sbx_',
                'sbx__',
                'sbx_x_y',
                `sbx_${'a'.repeat(5000)}_b`,
                ` ${made.token} x`,
            ];
            for (const token of bad) assert.equal((await look(token)).status, 401, token);
            for (const authorization of [
                '',
                'Bearer',
                'Bearer ',
                `Basic ${made.token}`,
                made.token,
                `Token ${made.token}`,
            ])
                assert.equal(
                    (
                        await house.call('GET', '/api/v1/repositories', {
                            headers: { authorization },
                        })
                    ).status,
                    401,
                    authorization,
                );
            assert.equal(
                (
                    await house.call('GET', '/api/v1/repositories', {
                        headers: { authorization: `bearer  ${made.token}` },
                    })
                ).status,
                200,
            );
        });

        it('asks 401 callers for a bearer, without telling what exists', async () => {
            const [one, two] = [await look('sbx_x_y'), await look()];
            assert.equal(one!.headers['www-authenticate'], 'Bearer');
            assert.equal(two!.headers['www-authenticate'], 'Bearer');
        });
    });
}

async function claims(house: House, repo: Repo): Promise<Value> {
    const { jti: _, ...rest } = claimsOf(await house.mint(repo));
    return rest;
}
