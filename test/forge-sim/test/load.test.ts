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
        await rig.sim.settings({ events: ['workflow_run'], webhook_timeout_ms: 300_000 });
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
        const before_ms = rig.sim.cpuMs();
        let next = 0;
        await Promise.all(
            Array.from({ length: at_once }, async () => {
                while (next < nodes) assert.equal(await dispatch(`load-${next++}`), 200);
            }),
        );
        await rig.sim.idle(120_000);
        const took_ms = rig.sim.cpuMs() - before_ms;
        const verdict = await rig.sim.referee();
        assert.deepEqual(
            [verdict.runs.total, verdict.runs.intents, verdict.runs.duplicateCount],
            [nodes, nodes, 0],
        );
        const sent = await rig.sim.deliveries({ event: 'workflow_run', bodies: false });
        assert.equal(sent.length, 3 * nodes);
        assert.equal(sent[0]?.body, '');
        const perRun = Map.groupBy(
            rig.hook.of('workflow_run'),
            (one) => (one.body['workflow_run'] as Json)['id'],
        );
        assert.equal(perRun.size, nodes);
        assert.ok([...perRun.values()].every((list) => list.length === 3));
        /* Of the processor: how long it takes by the clock depends on who else is at work. */
        assert.ok(took_ms < 15_000, `${took_ms.toFixed(0)} ms`);
    });
});

describe('the faults of a bad day, at the rates of the benchmark', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start({ coreLimit: 100_000, seed: 42 });
    });
    after(() => rig.stop());

    it('fire about as often as asked, and every lost answer left a run behind', async () => {
        const count = 600;
        await rig.sim.settings({ events: ['workflow_run'], webhook_timeout_ms: 300_000 });
        await rig.sim.fault({ on: 'webhook', kind: 'drop-silent', probability: 0.01 });
        await rig.sim.fault({ on: 'webhook', kind: 'duplicate', probability: 0.01 });
        await rig.sim.fault({ on: 'webhook', kind: 'reorder', probability: 0.05, ms: 100 });
        await rig.sim.fault({
            on: 'api',
            kind: 'html502-after',
            route: 'POST *dispatches',
            probability: 0.05,
        });
        const statuses: number[] = [];
        for (let index = 0; index < count; index += 20) {
            const some = Array.from({ length: 20 }, (_, at) =>
                rig.dispatch(inputs(`bad-${index + at}`)),
            );
            statuses.push(...(await Promise.all(some)).map((one) => one.status));
        }
        await rig.sim.idle(120_000);
        const lost = statuses.filter((status) => status === 502).length;
        assert.ok(lost >= 8 && lost <= 60, `${lost} answers lost`);
        assert.equal((await rig.sim.referee()).runs.intents, count);
        const guids = rig.hook.of('workflow_run').map((one) => one.headers['x-github-delivery']);
        const doubled = guids.length - new Set(guids).size;
        const dropped = 3 * count - new Set(guids).size;
        assert.ok(doubled >= 3 && doubled <= 50, `${doubled} doubled`);
        assert.ok(dropped >= 3 && dropped <= 50, `${dropped} dropped`);
    });
});
