/* Permission rows: which workflow, on which branch, in which environment, may do what (atmos-pro.md §6.2, §17.1). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RunnerOrder } from '../forge-sim/runners.ts';
import { databases } from '../run/server.ts';
import { affected, House, upload, type Repo, type Value } from './house.ts';

for (const kind of databases)
    describe(`permission rows on ${kind.name}`, () => {
        let house: House;
        let repo: Repo;
        before(async () => {
            house = await House.open(kind);
            repo = await house.repo('rows');
        });
        after(() => house?.close());

        const pull: RunnerOrder = {
            event_name: 'pull_request',
            ref: 'refs/pull/7/merge',
            head_ref: 'feature/x',
            base_ref: 'main',
            workflow: 'plan.yaml',
        };
        const cases: [string, Value, RunnerOrder, boolean][] = [
            ['any row', {}, pull, true],
            ['the workflow', { workflow: 'plan.yaml' }, pull, true],
            ['another workflow', { workflow: 'apply.yaml' }, pull, false],
            ['a pattern of workflows', { workflow: '.*\\.yaml' }, pull, true],
            ['a pattern is anchored', { workflow: 'plan' }, pull, false],
            ['the base branch of a pull request', { branch: 'main' }, pull, true],
            ['not its head', { branch: 'feature/x' }, pull, false],
            ['a list of branches', { branch: '^(main|develop)$' }, pull, true],
            ['another branch', { branch: 'develop' }, pull, false],
            [
                'the branch of a push',
                { branch: 'main' },
                { event_name: 'push', ref: 'refs/heads/main' },
                true,
            ],
            [
                'the branch of another push',
                { branch: 'main' },
                { event_name: 'push', ref: 'refs/heads/mainly' },
                false,
            ],
            [
                'the base of a merge queue',
                { branch: 'main' },
                {
                    event_name: 'merge_group',
                    ref: `refs/heads/gh-readonly-queue/main/pr-1-${'d'.repeat(40)}`,
                },
                true,
            ],
            [
                'the environment',
                { environment: 'prod.*' },
                { ...pull, environment: 'production' },
                true,
            ],
            [
                'another environment',
                { environment: 'prod.*' },
                { ...pull, environment: 'staging' },
                false,
            ],
            ['no environment at all', { environment: 'prod.*' }, pull, false],
            ['an empty environment pattern means any', { environment: '*' }, pull, true],
            [
                'all three at once',
                { workflow: 'plan.yaml', branch: 'main', environment: 'prod' },
                { ...pull, environment: 'prod' },
                true,
            ],
            [
                'two of three',
                { workflow: 'plan.yaml', branch: 'main', environment: 'prod' },
                { ...pull, environment: 'dev' },
                false,
            ],
        ];
        const rowsAt = () => `/api/v1/repositories/${repo.lane}/permissions`;
        const clear = async (name: string) => {
            for (const row of await house.all(rowsAt()))
                if (row['name'] === name)
                    await house.ok('DELETE', `${rowsAt()}/${String(row['id'])}`);
        };

        for (const [title, row, runner, isAllowed] of cases)
            it(`${isAllowed ? 'allows' : 'refuses'}: ${title}`, async () => {
                await clear('Affected Stacks Create');
                await house.ok('POST', rowsAt(), { name: 'Affected Stacks Create', ...row });
                const body = upload(repo, [affected('vpc', 'dev')]);
                const reply = await house.call('POST', '/api/v1/affected-stacks', {
                    token: await house.session(repo, runner),
                    body,
                });
                assert.equal(reply.status, isAllowed ? 200 : 403, reply.text);
                if (isAllowed) return;
                assert.equal(reply.body['errorTag'], 'PermissionDenied');
                assert.match(reply.body['errorMessage'] as string, /Affected Stacks Create/);
            });

        const guarded: [string, string, string, Value][] = [
            [
                'Affected Stacks Create',
                'POST',
                '/api/v1/affected-stacks',
                { head_sha: 'a', base_sha: 'b', stacks: [] },
            ],
            [
                'Instances Create',
                'POST',
                '/api/v1/instances',
                { instances: [{ component: 'vpc', stack: 'dev' }] },
            ],
            [
                'Instances Update',
                'PATCH',
                '/api/v1/repos/acme/rows/instances?stack=dev&component=vpc',
                { command: 'plan', exit_code: 0 },
            ],
            [
                'Instances Update',
                'PATCH',
                '/api/v1/repos/acme/rows/instances/dev/vpc',
                { command: 'plan', exit_code: 0 },
            ],
            ['Locks Create', 'POST', '/api/v1/locks', { key: 'k', ttl: 30 }],
            ['Locks Create', 'POST', '/api/locks', { key: 'k', ttl: 30 }],
            ['Locks Delete', 'DELETE', '/api/v1/locks', { key: 'k' }],
            ['Locks Delete', 'DELETE', '/api/locks', { key: 'k' }],
        ];
        for (const [name, method, path, body] of guarded)
            it(`${method} ${path.split('?')[0]!} needs "${name}", which a static token has anyway`, async () => {
                const session = await house.session(repo);
                const { token } = await house.token({ repositoryId: repo.lane });
                await clear(name);
                const refused = await house.call(method, path, { token: session, body });
                assert.equal(refused.status, 403, refused.text);
                assert.notEqual((await house.call(method, path, { token, body })).status, 403);
                await house.ok('POST', rowsAt(), { name });
                assert.notEqual(
                    (await house.call(method, path, { token: session, body })).status,
                    403,
                );
            });

        it('one of several rows is enough', async () => {
            await clear('Instances Create');
            await house.ok('POST', rowsAt(), { name: 'Instances Create', branch: 'develop' });
            await house.ok('POST', rowsAt(), { name: 'Instances Create', branch: 'main' });
            await house.ok(
                'POST',
                '/api/v1/instances',
                { instances: [{ component: 'a', stack: 'b' }] },
                { token: await house.session(repo) },
            );
        });

        it('takes no row that could never be used', async () => {
            for (const bad of [
                { name: 'Everything' },
                { name: 'Locks Create', branch: '(' },
                { name: 'Locks Create', branch: 'x'.repeat(201) },
                { name: '' },
                { name: 'Locks Create', more: 1 },
            ])
                assert.equal(
                    (await house.call('POST', rowsAt(), { token: house.admin, body: bad })).status,
                    400,
                    JSON.stringify(bad),
                );
        });

        it('audits rows that come and go', async () => {
            const { data } = await house.ok('POST', rowsAt(), { name: 'Deployments Create' });
            await house.ok('DELETE', `${rowsAt()}/${String(data['id'])}`);
            assert.equal(
                (
                    await house.call('DELETE', `${rowsAt()}/${String(data['id'])}`, {
                        token: house.admin,
                    })
                ).status,
                404,
            );
            const actions = (await house.all('/api/v1/audit?category=permission')).map(
                (row) => row['action'] as string,
            );
            for (const action of [
                'permission.assigned',
                'permission.removed',
                'permission.default_created',
            ])
                assert.ok(actions.includes(action), action);
        });
    });
