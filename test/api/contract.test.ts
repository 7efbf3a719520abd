/*
 * The atmos CLI against the server: the interactions of contract.ts. The CLI decides by the HTTP status for uploads and reports, by
 * `success` in the body for exchange, lock and unlock; both are checked for all.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { databases } from '../run/server.ts';
import { cli, interactions } from './contract.ts';
import { House, type Repo, type Value } from './house.ts';

for (const kind of databases)
    describe(`the atmos CLI, on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        let session: string;
        let count = 0;
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('infra');
            session = await house.session(repo, {
                event_name: 'pull_request',
                ref: 'refs/pull/1/merge',
                head_ref: 'feature',
                base_ref: 'main',
            });
            const instances = ['vpc', 'eks/cluster'].map((component) => ({
                component,
                stack: 'dev',
                component_type: 'terraform',
            }));
            await house.ok(
                'POST',
                '/api/v1/instances',
                { instances: [...instances, { component: 'a part', stack: 'a stack' }] },
                { token: session },
            );
        });
        after(() => house?.close());

        for (const one of interactions)
            it(`${one.name} → ${one.status}`, async () => {
                count++;
                const world = { house, repo, session, key: `acme/infra/dev/lock-${count}`, count };
                await one.given?.(world);
                const body = one.body?.(world);
                const raw = typeof body === 'string' ? { raw: body } : { body };
                const reply = await house.call(one.method, one.path(world), {
                    token: session,
                    headers: cli,
                    ...raw,
                });
                assert.equal(reply.status, one.status, reply.text);
                assert.equal(reply.body['success'], one.status < 400);
                assert.equal(reply.body['errorTag'], one.tag);
                one.more?.(reply, world);
            });

        it('exchanges → 200, and the session is a JWT whose exp is a number', async () => {
            const reply = await house.exchange(await house.mint(repo));
            assert.equal(reply.status, 200);
            const parts = (reply.data['token'] as string).split('.');
            assert.equal(parts.length, 3);
            const claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString()) as Value;
            assert.equal(typeof claims['exp'], 'number');
            const left_s = (claims['exp'] as number) - Date.now() / 1000;
            assert.ok(
                left_s > 600 && left_s <= 3600,
                `${left_s} s left; the CLI refreshes 300 s before the end`,
            );
            assert.equal(claims['typ'], 'ws:gh:action');
        });

        it('reads data back from the url that it was given, and may name it in the record', async () => {
            const stored = await house.ok(
                'POST',
                '/api/v1/atmos/exec/data',
                { execution_id: 'big', data: { version: 1, x: [1, 2] } },
                { token: session },
            );
            const url = stored.body['url'] as string;
            const read = await house.ok('GET', new URL(url).pathname, undefined, {
                token: session,
            });
            assert.deepEqual(read.data, { executionId: 'big', data: { version: 1, x: [1, 2] } });
            await house.ok(
                'POST',
                '/api/v1/atmos/exec',
                { execution_id: 'big', command: 'terraform plan', exit_code: 0, data: url },
                { token: session },
            );
        });

        it('lets the last of several reports win, also over an older one that comes late', async () => {
            const tell = (exit_code: number, last_run: string) =>
                house.ok(
                    'PATCH',
                    `/api/v1/repos/acme/infra/instances?stack=dev&component=vpc`,
                    { command: 'plan', exit_code, last_run },
                    { token: session },
                );
            await tell(2, '2030-01-01T00:00:10Z');
            await tell(0, '2030-01-01T00:00:05Z');
            const [vpc] = await house.all('/api/v1/instances?component=vpc&stack=dev');
            assert.equal(vpc!['lastExitCode'], 2);
            assert.equal(vpc!['lastRunAt'], '2030-01-01T00:00:10Z');
        });
    });
