/* The whole way: an action of the real server, sent to the real runner, which clones, runs a workflow and reports back. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { House, type Repo, type Value } from '../api/house.ts';
import { databases, program } from '../run/server.ts';
import { RunnerHouse, until } from './runner-house.ts';

const run = promisify(execFile);

for (const kind of databases)
    describe(`serve and runner together, on ${kind.name}`, () => {
        let house: House;
        let runner: RunnerHouse;
        let repo: Repo;
        let at = '';
        before(async () => {
            runner = await RunnerHouse.open();
            house = await House.open(kind, { settings: { runner_hosts: '127.0.0.1', public_url: '' } });
            repo = await house.repo('tenants');
            at = `/api/v1/repositories/${repo.lane}`;
            for (const [name, value] of [
                ['atmos-runner-token', runner.authToken],
                ['db-password', 'the-db-password-5ecret'],
            ] as const) {
                house.secrets.set(name, value);
                runner.secrets.set(name, value);
                await house.ok('PUT', `${at}/secrets/${name}`, { value });
            }
        });
        after(async () => {
            try {
                await house?.close();
            } finally {
                await runner?.close();
            }
        });

        const define = async (workflow: string, more: Value = {}): Promise<void> => {
            await house.ok('PUT', `${at}/runners/local`, {
                endpoint: `http://127.0.0.1:${runner.port}/dispatch`,
                tokenSecret: 'atmos-runner-token',
            });
            await house.ok('PUT', `${at}/actions/${workflow}`, {
                parameters: [{ name: 'tenant', default: 'acme' }],
                trigger: {
                    type: 'atmos-workflow',
                    workflow,
                    stack: 'tenant-{{ parameters.tenant }}',
                    vars: { mark: '{{ parameters.tenant }}', db_password: '{{ secrets.db-password }}' },
                    runner: 'local',
                    ...more,
                },
            });
        };
        const start = async (workflow: string, parameters: Value = {}): Promise<string> => {
            const { data } = await house.ok('POST', `${at}/actions/${workflow}/runs`, { parameters });
            return data['id'] as string;
        };
        const read = async (id: string): Promise<Value> => (await house.ok('GET', `/api/v1/action-runs/${id}`)).data;
        const reaches = (id: string, state: string): Promise<Value> =>
            until(`${id} is ${state}`, async () => {
                const row = await read(id);
                return row['state'] === state ? row : undefined;
            });
        /** The server knows that the runner has it, and the workflow's process is there. */
        const runs = async (id: string): Promise<void> => {
            await reaches(id, 'running');
            await runner.inState(id, 'running');
        };

        it('runs a workflow with its parameters, and has its outcome', async () => {
            await define('ok-1');
            const id = await start('ok-1', { tenant: 'umbrella' });
            const row = await reaches(id, 'succeeded');
            assert.equal(row['metadata'].exitCode, 0);
            assert.match(row['metadata'].commit, /^[0-9a-f]{40}$/);
            assert.equal(row['metadata'].stack, 'tenant-umbrella');
            assert.deepEqual(runner.lines('starts').filter((line) => line.startsWith('ok-1')), ['ok-1 umbrella']);
            await runner.closed(id);
        });

        it('has why a workflow failed', async () => {
            await define('fail-1');
            const row = await reaches(await start('fail-1'), 'failed');
            assert.equal(row['metadata'].exitCode, 42);
            assert.match(row['metadata'].logTail, /it went wrong/);
            assert.match(row['error'], /42/);
            assert.doesNotMatch(row['error'], /^\[delivery\]/);
        });

        it('shows nothing of a secret that a workflow prints', async () => {
            await define('say-1');
            const row = await reaches(await start('say-1'), 'succeeded');
            assert.match(row['metadata'].logTail, /said: \*+/);
            house.findSecrets('the database', house.database.dump());
        });

        it('stops a workflow, and all that it started, when a person says so', async () => {
            await define('sleep-1');
            const id = await start('sleep-1');
            await runs(id);
            await house.ok('DELETE', `/api/v1/action-runs/${id}`);
            const row = await reaches(id, 'cancelled');
            assert.equal(row['metadata'].reason, 'cancelled');
            await runner.closed(id);
        });

        it('hears of a run that a runner lost when it was killed', async () => {
            await define('sleep-2');
            const id = await start('sleep-2');
            await runs(id);
            runner.settings['PORT'] = String(runner.port);
            await runner.kill();
            await runner.start();
            const row = await reaches(id, 'failed');
            assert.match(row['error'], /restarted/);
            await runner.closed(id);
        });

        it('hears of an outcome of the time when it was away itself', async () => {
            await define('wait-1');
            const id = await start('wait-1');
            await runs(id);
            await house.server.kill();
            runner.touch('go');
            await until('it was told in vain', async () => ((await runner.run(id))['callback']?.attempts ?? 0) >= 1);
            await house.start();
            await reaches(id, 'succeeded');
            assert.equal((await runner.closed(id))['callback'].state, 'delivered');
            runner.remove('go');
        });

        it('has the words of a runner that refuses', async () => {
            await define('ok-2', { stack: 'tenant-{{ entity.name }}' });
            const row = await reaches(await start('ok-2'), 'failed');
            assert.match(row['error'], /^\[delivery\] the runner refused it: the runner answered 422: .*stack/);
            await house.ok('PUT', `${at}/secrets/other-token`, { value: 'x'.repeat(64) });
            await house.ok('PUT', `${at}/runners/local`, {
                endpoint: `http://127.0.0.1:${runner.port}/dispatch`,
                tokenSecret: 'other-token',
            });
            assert.match((await reaches(await start('ok-2'), 'failed'))['error'], /answered 401/);
        });

        it('is waited for on the command line', async () => {
            const env = { ...process.env, SIGNALBOX_URL: house.server.url, SIGNALBOX_TOKEN: house.admin };
            const cli = (...words: string[]) => run(program, [...words, '--repo', repo.full_name], { env });
            await define('ok-3');
            await define('fail-3');
            const { stderr } = await cli('actions', 'run', 'ok-3', '--param', 'tenant=hooli', '--wait');
            assert.match(stderr, /succeeded/);
            const failed = (await cli('actions', 'run', 'fail-3', '--wait').catch((error: unknown) => error)) as { code: number };
            assert.equal(failed.code, 1);
            const { stdout } = await cli('action-runs', 'list', '--action', 'ok-3', '--json');
            const [item] = (JSON.parse(stdout) as { items: Value[] }).items;
            assert.deepEqual([item!['state'], item!['parameters']], ['succeeded', { tenant: 'hooli' }]);
        });
    });
