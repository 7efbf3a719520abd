import assert from 'node:assert/strict';
import * as http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { inputs, Rig } from './helper.ts';
import type { Json } from '../util.ts';

const nodes = 2000;
const at_once = 100;

describe('two thousand dispatches, a hundred at once', () => {
    let rig: Rig;
    const agent = new http.Agent({ keepAlive: true, maxSockets: at_once });
    before(async () => {
        rig = await Rig.start({ coreLimit: 100_000, apiLatencyMs: 50 });
        await rig.sim.settings({ events: ['workflow_run'] });
    });
    after(async () => {
        agent.destroy();
        await rig.stop();
    });

    function dispatch(id: string): Promise<number> {
        const body = JSON.stringify({ ref: 'main', inputs: inputs(id), return_run_details: true });
        const url = `${rig.sim.ready.api}/repos/acme/infra/actions/workflows/plan.yaml/dispatches`;
        const headers = {
            'authorization': `Bearer ${rig.token}`,
            'user-agent': 'load',
            'accept': 'application/vnd.github+json',
            'x-github-api-version': '2022-11-28',
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
        };
        return new Promise((done, failed) => {
            const request = http.request(url, { agent, method: 'POST', headers }, (response) => {
                response.resume();
                response.on('end', () => done(response.statusCode ?? 0));
            });
            request.on('error', failed);
            request.end(body);
        });
    }

    it('each makes one run and three webhooks, fast enough to measure somebody else with', async () => {
        const started = performance.now();
        let next = 0;
        await Promise.all(
            Array.from({ length: at_once }, async () => {
                while (next < nodes) assert.equal(await dispatch(`load-${next++}`), 200);
            }),
        );
        const tookMs = performance.now() - started;
        await rig.sim.idle(60_000);
        const verdict = await rig.sim.referee();
        assert.deepEqual(
            [verdict.runs.total, verdict.runs.intents, verdict.runs.duplicateCount],
            [nodes, nodes, 0],
        );
        assert.equal(verdict.calls.concurrentDispatchesMax > 0, true);
        const perRun = Map.groupBy(
            rig.hook.of('workflow_run'),
            (one) => (one.body['workflow_run'] as Json)['id'],
        );
        assert.equal(perRun.size, nodes);
        assert.ok([...perRun.values()].every((list) => list.length === 3));
        /* Twenty rounds of 50 ms are the floor; ten times that is a sick machine or a slow simulator. */
        assert.ok(tookMs < 10_000, `${tookMs.toFixed(0)} ms`);
    });
});
