/*
 * Batches on a registered runner: the real server hands nodes to the real runner, which clones a local repository, runs a workflow for each,
 * and reports. Nothing runs at the stand-in for GitHub.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { affected, eventually, House, upload, type Repo, type Value } from '../api/house.ts';
import { databases } from '../run/server.ts';
import { answering, RunnerHouse, until } from './runner-house.ts';

/** A server and a runner that know each other, and a repository whose nodes run there. */
class Pair {
    readonly house: House;
    readonly runner: RunnerHouse;
    repo!: Repo;

    private constructor(house: House, runner: RunnerHouse) {
        this.house = house;
        this.runner = runner;
    }

    static async open(kind: (typeof databases)[number], serve: Record<string, string> = {}, runs: Record<string, string> = {}): Promise<Pair> {
        const runner = await RunnerHouse.open({ settings: { ALLOWED_REFS: '*', ...runs } });
        try {
            const house = await House.open(kind, { settings: { runner_hosts: '127.0.0.1', public_url: '', sweep_ms: '200', ...serve } });
            const pair = new Pair(house, runner);
            await pair.furnish();
            return pair;
        } catch (error) {
            await runner.close();
            throw error;
        }
    }

    /** vpc → eks → app in prod: what an upload says, so that dependents are known. */
    private async furnish(): Promise<void> {
        const { house, runner } = this;
        this.repo = await house.repo('infra');
        const at = `/api/v1/repositories/${this.repo.lane}`;
        house.secrets.set('the runner token', runner.authToken);
        await house.ok('PUT', `${at}/secrets/runner-token`, { value: runner.authToken });
        await house.ok('PUT', `${at}/runners/local`, { endpoint: `http://127.0.0.1:${runner.port}/dispatch`, tokenSecret: 'runner-token' });
        await house.ok('PATCH', `${at}/settings`, { executor: 'runner', runner: 'local' });
        const pro = { settings: { pro: { enabled: true } } };
        const chain = affected('vpc', 'prod', { ...pro, dependents: [affected('eks', 'prod', { ...pro, dependents: [affected('app', 'prod', pro)] })] });
        const body = upload(this.repo, [chain], { head_sha: 'c'.repeat(40) });
        await house.call('POST', '/api/v1/affected-stacks', { token: await house.session(this.repo), body });
        await house.settled();
    }

    /** A batch of one component in prod, or of it and all behind it. */
    async dispatch(workflow: string, more: Value = {}): Promise<string> {
        const body = { repo: this.repo.full_name, stack: 'prod', component: 'vpc', workflow, inputs: { mark: '{{ .atmos_component }}' }, ...more };
        return (await this.house.ok('POST', '/api/v1/dispatch', body)).data['batch'] as string;
    }

    chain(workflow: string): Promise<string> {
        return this.dispatch(workflow, { withDependents: true });
    }

    async batch(id: string): Promise<Value> {
        return (await this.house.ok('GET', `/api/v1/batches/${id}`)).data;
    }

    ends(id: string, verdict: string): Promise<Value> {
        return until(`${id} ends`, async () => {
            const batch = await this.batch(id);
            if (batch['state'] !== 'ended') return undefined;
            assert.equal(batch['verdict'], verdict, JSON.stringify(batch));
            return batch;
        });
    }

    async runs(id: string): Promise<Value[]> {
        return (await this.house.all('/api/v1/runs')).filter((run) => run['batchId'] === id).reverse();
    }

    states(id: string): Promise<Record<string, string>> {
        return this.nodes(id).then((nodes) => Object.fromEntries(nodes.map((node) => [node['component'], node['state']])));
    }

    async nodes(id: string): Promise<Value[]> {
        return this.house.all(`/api/v1/batches/${id}/nodes`);
    }

    /** The server knows that it runs, and so it does; its id at the runner. */
    async running(id: string): Promise<string> {
        await until('it runs', async () => (await this.runs(id)).some((run) => run['state'] === 'running'));
        const live = await until('its process is there', async () => {
            const { body } = await this.runner.call('GET', '/runs');
            return (body['runs'] as Value[]).find((run) => run['state'] === 'running');
        });
        return live['runId'] as string;
    }

    /** Nothing of a batch ever went to GitHub. */
    async nothingAtGitHub(): Promise<void> {
        assert.deepEqual(await this.house.sim.runs(this.repo.full_name), []);
    }

    async close(): Promise<void> {
        try {
            await this.house.close();
        } finally {
            await this.runner.close();
        }
    }
}

for (const kind of databases)
    describe(`batches on a runner, on ${kind.name}`, () => {
        let pair: Pair;
        before(async () => {
            pair = await Pair.open(kind);
        });
        after(() => pair?.close());

        it('go level by level, each node with its component', async () => {
            const id = await pair.chain('ok-1.yaml');
            await pair.ends(id, 'success');
            assert.deepEqual(pair.runner.lines('starts').filter((line) => line.startsWith('ok-1 ')), ['ok-1 vpc', 'ok-1 eks', 'ok-1 app']);
            const runs = await pair.runs(id);
            assert.equal(runs.length, 3);
            for (const run of runs) {
                assert.deepEqual([run['state'], run['runner'], run['exitCode'], run['forgeRunId']], ['success', 'local', 0, null]);
                assert.match(run['metadata'].commit, /^[0-9a-f]{40}$/);
                assert.equal(run['url'], `${pair.house.server.url}/runs/${run['id']}`);
                assert.equal(run['inputs'].atmos_component, run['component']);
            }
            await pair.nothingAtGitHub();
        });

        it('skip what stands behind a failure, and say why it failed', async () => {
            const id = await pair.chain('fail-1');
            await pair.ends(id, 'failure');
            assert.deepEqual(await pair.states(id), { vpc: 'failure', eks: 'skipped', app: 'skipped' });
            const [run] = await pair.runs(id);
            assert.deepEqual([run!['exitCode'], run!['errorCode']], [42, 'exit_code']);
            assert.match(run!['metadata'].logTail, /it went wrong/);
            const { data } = await pair.house.ok('GET', `/api/v1/batches/${id}/nodes/0/explain`);
            assert.match(data['reasons'][0].text, /vpc in prod failed.*exit code 42.*42/);
        });

        it('stop with all that a workflow started when a person says so', async () => {
            const id = await pair.chain('sleep-1');
            const there = await pair.running(id);
            await pair.house.ok('POST', `/api/v1/batches/${id}/cancel`);
            await pair.ends(id, 'cancelled');
            assert.equal((await pair.runner.closed(there))['reason'], 'cancelled');
            assert.deepEqual(await pair.states(id), { vpc: 'cancelled', eks: 'cancelled', app: 'cancelled' });
        });

        it('hear of a run that a runner lost when it was killed, and run it again', async () => {
            const id = await pair.dispatch('sleep-2');
            await pair.running(id);
            pair.runner.settings['PORT'] = String(pair.runner.port);
            await pair.runner.kill();
            await pair.runner.start();
            await pair.ends(id, 'failure');
            assert.match((await pair.runs(id))[0]!['errorText'], /restarted/);
            await pair.house.ok('POST', `/api/v1/batches/${id}/retry`);
            const there = await pair.running(id);
            await pair.house.ok('POST', `/api/v1/batches/${id}/cancel`);
            await pair.ends(id, 'cancelled');
            await pair.runner.closed(there);
        });

        it('hear of an outcome of the time when the server was away itself', async () => {
            const id = await pair.dispatch('wait-1');
            const there = await pair.running(id);
            await pair.house.server.kill();
            pair.runner.touch('go');
            await until('it was told in vain', async () => ((await pair.runner.run(there))['callback']?.attempts ?? 0) >= 1);
            await pair.house.start();
            await pair.ends(id, 'success');
            assert.equal((await pair.runs(id)).length, 1);
            pair.runner.remove('go');
        });

        it('name a runner that is gone, and go on when it is back', async () => {
            const at = `/api/v1/repositories/${pair.repo.lane}/runners/local`;
            await pair.house.ok('DELETE', at);
            const id = await pair.dispatch('ok-2');
            await pair.ends(id, 'failure');
            assert.match((await pair.runs(id))[0]!['errorText'], /no registered runner local: signalbox runners set local/);
            await pair.house.ok('PUT', at, { endpoint: `http://127.0.0.1:${pair.runner.port}/dispatch`, tokenSecret: 'runner-token' });
            await pair.house.ok('POST', `/api/v1/batches/${id}/retry`);
            await pair.ends(id, 'success');
        });
    });

for (const kind of databases)
    describe(`a runner with little room, on ${kind.name}`, () => {
        let pair: Pair;
        before(async () => {
            pair = await Pair.open(kind, { silent_ms: '1000' }, { MAX_CONCURRENT_RUNS: '1', MAX_QUEUE: '1' });
        });
        after(() => pair?.close());

        it('is waited for, and whoever asks is told so', async () => {
            const ids: string[] = [];
            for (const component of ['a', 'b', 'c', 'd']) ids.push(await pair.dispatch(`wait-${component}`, { component, stack: `prod-${component}` }));
            const blocked = await until('two wait for the runner', async () => {
                const all = await Promise.all(ids.map(async (id) => (await pair.nodes(id))[0]!));
                const waiting = all.filter((node) => node['state'] === 'locked');
                return waiting.length === 2 ? ids.filter((_, i) => all[i]!['state'] === 'locked') : undefined;
            });
            await eventually(async () => {
                const { data } = await pair.house.ok('GET', `/api/v1/batches/${blocked[0]}/nodes/0/explain`);
                assert.equal(data['reasons'][0].code, 'runner_full');
                assert.match(data['reasons'][0].text, /waits for runner local, which has as many runs waiting as it takes/);
            });
            pair.runner.touch('go');
            for (const id of ids) await pair.ends(id, 'success');
            pair.runner.remove('go');
            assert.equal(pair.runner.lines('starts').length, 4);
            await pair.nothingAtGitHub();
        });

        /* Its callbacks come to nothing: the server was told another address of its own. */
        it('is asked when it says nothing', async () => {
            await pair.house.server.stop();
            pair.runner.platform.will(answering(404));
            pair.house.server.settings['public_url'] = `http://127.0.0.1:${pair.runner.platform.port}`;
            await pair.house.start();
            const id = await pair.dispatch('ok-3', { component: 'e', stack: 'prod-e' });
            await pair.ends(id, 'success');
            const failed = await pair.dispatch('fail-3', { component: 'f', stack: 'prod-f' });
            await pair.ends(failed, 'failure');
            assert.equal((await pair.runs(failed))[0]!['exitCode'], 42);
        });
    });
