/* 3. W6 (peers.md §4.4): 2,000 nodes in 8 levels with 6,000 edges, dispatched against the forge simulator. */
import { rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { workflow } from '../e2e/graph.ts';
import { ForgeSim, type PullView } from '../forge-sim/client.ts';
import { forgetPeak, median, now_ms, openBox, post, used, webhookSecret, type Box } from './rig.ts';
import { lattice, uploadBody } from './shapes.ts';
import { mb, ms, show, times, type Figure } from './table.ts';

interface Played {
    total_ms: number;
    lastDispatch_ms: number;
    cpuMs: number;
    peakMb: number;
    states: Record<string, number>;
    duplicates: number;
    lost: number;
    statuses: Record<string, number>;
    concurrent: number;
    points: number;
}
interface Plan {
    nodes: number;
    levels: number;
    edges: number;
    settings?: Record<string, string>;
    prepare?: (sim: ForgeSim) => Promise<unknown>;
    ms_max: number;
}

export async function simulator(box: Box, sim: ForgeSim): Promise<void> {
    await sim.settings({ webhook_url: `${box.serve.url}/webhooks/github`, events: ['pull_request', 'workflow_run', 'installation'] });
    await sim.script({ conclusion: 'success', queueMs: 0, runMs: 0 });
}

export async function repositoryOf(box: Box, sim: ForgeSim): Promise<number> {
    const repo = await sim.createRepo({ owner: 'acme', name: 'infra', files: { 'README.md': 'x', '.github/workflows/plan.yaml': workflow('plan') } });
    await sim.installation(repo.installation_id!, 'created');
    for (const end = Date.now() + 60_000; Date.now() < end; await sleep(50)) {
        const [row] = await box.api.all<{ id: number; owner: string }>('/api/v1/repositories');
        if (row) return row.id;
    }
    throw new Error('the repository did not become known');
}

export async function upload(box: Box, pull: PullView, stacks: object[]): Promise<number> {
    const body = uploadBody({ owner: 'acme', name: 'infra' }, { number: pull.number, sha: pull.head_sha }, stacks);
    const answer = await post(`${box.serve.url}/api/v1/affected-stacks`, { 'authorization': `Bearer ${box.api.token}`, 'content-type': 'application/json' }, body);
    if (answer.status !== 200) throw new Error(`the upload was answered ${answer.status}`);
    return answer.sentMs;
}

/** Waits for the batch's end without asking so often that the question is what is measured. */
async function ended(box: Box, head: string, ms_max: number): Promise<{ state: string; endedAt: string | null; id: string }> {
    for (const end = Date.now() + ms_max; Date.now() < end; await sleep(100)) {
        const [batch] = await box.api.all<{ id: string; state: string; endedAt: string | null }>(`/api/v1/batches?head_sha=${head}`);
        if (batch?.state === 'ended') return batch;
    }
    const [batch] = await box.api.all<{ id: string; state: string; endedAt: string | null }>(`/api/v1/batches?head_sha=${head}`);
    return batch ?? { id: '', state: 'none', endedAt: null };
}

/** The API says whole seconds; the row knows the millisecond. */
function endedMs(box: Box, id: string): number | undefined {
    const db = new DatabaseSync(`${box.dir}/signalbox.db`, { readOnly: true });
    const row = db.prepare('select ended_ms from batch where id = ?').get(id) as { ended_ms: number | null } | undefined;
    db.close();
    return row?.ended_ms ?? undefined;
}

export async function play(plan: Plan): Promise<Played> {
    const sim = await ForgeSim.start({ apiLatencyMs: 50, coreLimit: 1_000_000, app: { webhookSecret } });
    const { app } = await sim.settings();
    const key = `${sim.ready.dir}/bench.pem`;
    writeFileSync(key, app.private_key, { mode: 0o600 });
    const box = await openBox({ github_api: sim.ready.api, github_web: sim.ready.api, github_app_id: String(app.id), github_app_slug: app.slug, github_private_key_file: key, ca_file: sim.ready.ca, log_level: 'warn', github_pace: '0', ...plan.settings });
    try {
        await simulator(box, sim);
        const id = await repositoryOf(box, sim);
        await box.api.call('PATCH', `/api/v1/repositories/${id}/settings`, { dispatch_concurrency: 100 });
        /* A small one before: the workflow file and the token are known, as in daily use. */
        const warm = await sim.openPull('acme/infra', { head: 'warm', files: { 'a.txt': 'a' } });
        await sleep(300);
        await upload(box, warm, lattice(4, 2, 2));
        if ((await ended(box, warm.head_sha, 60_000)).state !== 'ended') throw new Error(`the small batch before did not end:\n${box.serve.logTail()}`);
        await plan.prepare?.(sim);
        await sim.control('POST', '/referee/reset');
        const pull = await sim.openPull('acme/infra', { head: 'w6', files: { 'b.txt': 'b' } });
        await sleep(500);
        forgetPeak(box.pid);
        const before = used(box.pid);
        const begin = await upload(box, pull, lattice(plan.nodes, plan.levels, plan.edges));
        const batch = await ended(box, pull.head_sha, plan.ms_max);
        const after = used(box.pid);
        const end_ms = endedMs(box, batch.id) ?? now_ms();
        const nodes = await box.api.all<{ state: string }>(`/api/v1/batches/${batch.id}/nodes`);
        const states: Record<string, number> = {};
        for (const node of nodes) states[node.state] = (states[node.state] ?? 0) + 1;
        const verdict = await sim.referee();
        const runs = (await sim.runs('acme/infra')).filter((run) => run.created_at_ms >= begin - 10);
        const lastDispatch = Math.max(...runs.map((run) => run.created_at_ms));
        return {
            total_ms: end_ms - begin,
            lastDispatch_ms: lastDispatch - begin,
            cpuMs: after.cpuMs - before.cpuMs,
            peakMb: after.peakMb,
            states,
            duplicates: verdict.runs.duplicateCount,
            lost: plan.nodes - (states['success'] ?? 0),
            statuses: verdict.calls.statuses,
            concurrent: verdict.calls.inFlightMax,
            points: Object.entries(verdict.calls.byRoute).reduce((sum, [route, n]) => sum + n * (route.startsWith('GET') ? 1 : route.includes('access_tokens') ? 0 : 5), 0),
        };
    } finally {
        await box.close();
        await sim.stop();
        rmSync(sim.ready.dir, { recursive: true, force: true });
    }
}

/** A bad day: lost, doubled and reordered webhooks, and answers that get lost after the effect. */
async function faults(sim: ForgeSim): Promise<void> {
    await sim.fault({ on: 'webhook', kind: 'drop-silent', probability: 0.01 });
    await sim.fault({ on: 'webhook', kind: 'duplicate', probability: 0.01 });
    await sim.fault({ on: 'webhook', kind: 'reorder', probability: 0.05, ms: 200 });
    await sim.fault({ on: 'api', kind: 'html502-after', route: 'POST *dispatches', probability: 0.005 });
}

/** GitHub's written limits, with a minute of four seconds: 900 points, a change costs 5; 80 creations, 500 in an hour of four minutes; a hundred at once. */
const window_ms = 4000;
const limits = (sim: ForgeSim) => sim.settings({ enforce: { points: 900, concurrent: 100, content: 80, contentHour: 500, windowMs: window_ms } });

export async function showBatch(isShort: boolean): Promise<Figure[]> {
    const size = isShort ? { nodes: 80, levels: 4, edges: 200 } : { nodes: 2000, levels: 8, edges: 6000 };
    const rounds = isShort ? 1 : 3;
    const quiet: Played[] = [];
    for (let round = 0; round < rounds; round++) quiet.push(await play({ ...size, ms_max: 240_000 }));
    const of = (pick: (one: Played) => number) => median(quiet.map(pick));
    const total = of((p) => p.total_ms), cpu = of((p) => p.cpuMs) / size.nodes;
    const bad = await play({ ...size, ms_max: 240_000, prepare: faults, settings: { sweep_ms: '1000', silent_ms: '3000', find_settle_ms: '3000' } });
    const paced = await play({ ...size, ms_max: 240_000, prepare: limits, settings: { github_pace: '100', github_minute_ms: String(window_ms) } });
    const writes = paced.points / 900;
    const least = Math.max(0, Math.ceil(writes) - 1) * window_ms;
    const refused = (paced.statuses['403'] ?? 0) + (paced.statuses['429'] ?? 0);
    const figures: Figure[] = [
        { what: `${size.nodes} nodes, ${size.levels} levels, ${size.edges} edges: upload to the batch's end`, ours: ms(total), beside: `last dispatch after ${ms(of((p) => p.lastDispatch_ms))}; hosted service: about 100 s`, target: '< 3 s', reached: total < 3000 },
        { what: '  our CPU a node, durable', ours: ms(cpu), target: '< 1 ms', reached: cpu < 1 },
        { what: '  peak memory; dispatch calls at once', ours: mb(of((p) => p.peakMb)), beside: `${of((p) => p.concurrent)} at once` },
        { what: '  duplicates, lost', ours: `${quiet.reduce((n, p) => n + p.duplicates, 0)}, ${quiet.reduce((n, p) => n + p.lost, 0)}`, target: '0, 0', reached: quiet.every((p) => p.duplicates === 0 && p.lost === 0) },
        { what: 'the same on a bad day: end', ours: ms(bad.total_ms), beside: JSON.stringify(bad.states) },
        { what: '  duplicates, lost', ours: `${bad.duplicates}, ${bad.lost}`, target: '0, 0', reached: bad.duplicates === 0 && bad.lost === 0 },
        { what: 'under the written limits (a minute of 4 s): last dispatch', ours: ms(paced.lastDispatch_ms), beside: `${ms(least)} is what they allow for ${paced.points} points`, ratio: least > 0 ? times(paced.lastDispatch_ms / least) : '', target: '<= 1.05x', reached: least === 0 || paced.lastDispatch_ms <= least * 1.05 },
        { what: '  refused (403, 429); duplicates, lost', ours: `${refused}; ${paced.duplicates}, ${paced.lost}`, target: '0; 0, 0', reached: refused === 0 && paced.duplicates === 0 && paced.lost === 0 },
    ];
    show('3. A batch (W6) against the forge simulator, which answers in 50 ms', figures);
    return figures;
}
