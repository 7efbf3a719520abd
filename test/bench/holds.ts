/* 3b. A batch of 10,000 that the threshold holds: from its graph to the stored hold, and from a person's word to the first dispatch. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { databasesStop, postgres, type Database } from '../e2e/box.ts';
import { ForgeSim } from '../forge-sim/client.ts';
import { repositoryOf, simulator, upload } from './batch.ts';
import { median, openBox, webhookSecret, type Box } from './rig.ts';
import { lattice } from './shapes.ts';
import { ms, show, type Figure } from './table.ts';

interface Held {
    rows_ms: number;
    look_ms: number;
    firstDispatch_ms: number;
    early: number;
}
interface Row {
    id: string;
    state: string;
}

async function stateOf(box: Box, head: string, wanted: string[]): Promise<Row> {
    for (const end = Date.now() + 120_000; Date.now() < end; await sleep(20)) {
        const [batch] = await box.api.all<Row>(`/api/v1/batches?head_sha=${head}`);
        if (batch && wanted.includes(batch.state)) return batch;
    }
    throw new Error(`the batch of ${head} did not become ${wanted.join(' or ')}:\n${box.serve.logTail()}`);
}

/** "batch made … rows_us=… look_us=…": what the engine measured itself, without the disk's commit. */
function madeIn(box: Box, batch: string): { rows_ms: number; look_ms: number } {
    const line = readFileSync(box.serve.logFile, 'utf8').split('\n').find((one) => one.includes('batch made') && one.includes(batch)) ?? '';
    const [rows, look] = ['rows_us', 'look_us'].map((name) => Number(new RegExp(`${name}=(\\d+)`).exec(line)?.[1] ?? NaN) / 1000);
    return { rows_ms: rows!, look_ms: look! };
}

/** Servers that share a database share a key. */
async function elsewhere(database: Database | undefined, dir: string): Promise<Record<string, string>> {
    if (!database) return {};
    writeFileSync(`${dir}/seal.key`, Buffer.alloc(32, 7), { mode: 0o600 });
    return { database: await database.fresh(dir), secret_key_file: `${dir}/seal.key` };
}

/** "budget given out … batches=500 … took_us=…": who goes, the claims, and the word to each batch's lane. */
async function wake(batches: number, database?: Database): Promise<number> {
    const sim = await ForgeSim.start({ coreLimit: 5000, app: { webhookSecret } });
    const { app } = await sim.settings();
    const key = `${sim.ready.dir}/bench.pem`;
    writeFileSync(key, app.private_key, { mode: 0o600 });
    const box = await openBox({ github_api: sim.ready.api, github_web: sim.ready.api, github_app_id: String(app.id), github_app_slug: app.slug, github_private_key_file: key, ca_file: sim.ready.ca, log_level: 'info', github_pace: '0', ...(await elsewhere(database, sim.ready.dir)) });
    try {
        await simulator(box, sim);
        await repositoryOf(box, sim);
        const [installation] = await box.api.all<{ id: number }>('/api/v1/installations');
        const remaining = async () => (await box.api.call<{ remaining: number | null }>('GET', `/api/v1/installations/${installation!.id}/budget`)).remaining;
        await sim.setBudget(installation!.id, { limit: 5000, remaining: 4, reset_ms: 30_000, window_ms: 3600_000 });
        const reset_at = Date.now() + 30_000;
        /* Their checks bring the news; a window that ends earlier than the last one said is believed when it is told twice. */
        for (let i = 0; i < 4; i++) await sim.openPull('acme/infra', { head: `news${i}`, files: { [`n${i}.txt`]: 'n' } });
        while (((await remaining()) ?? 5000) > 1 && Date.now() < reset_at) await sleep(20);
        const order = (i: number) => ({ repo: 'acme/infra', stack: 'prod', component: `w${i}`, workflow: 'plan.yaml', inputs: {} });
        for (let i = 0; i < batches; i += 50)
            await Promise.all(Array.from({ length: 50 }, (_, k) => box.api.call('POST', '/api/v1/dispatch', order(i + k))));
        for (const end = Date.now() + 120_000; Date.now() < end; await sleep(50)) {
            const line = readFileSync(box.serve.logFile, 'utf8').split('\n').find((one) => one.includes('budget given out'));
            if (line) return Number(/took_us=(\d+)/.exec(line)?.[1]) / 1000 / (Number(/batches=(\d+)/.exec(line)?.[1]) / batches);
        }
        throw new Error(`nothing was given out:\n${box.serve.logTail()}`);
    } finally {
        await box.close();
        await sim.stop();
        rmSync(sim.ready.dir, { recursive: true, force: true });
    }
}

async function hold(nodes: number): Promise<Held> {
    const sim = await ForgeSim.start({ coreLimit: 1_000_000, app: { webhookSecret } });
    const { app } = await sim.settings();
    const key = `${sim.ready.dir}/bench.pem`;
    writeFileSync(key, app.private_key, { mode: 0o600 });
    const box = await openBox({ github_api: sim.ready.api, github_web: sim.ready.api, github_app_id: String(app.id), github_app_slug: app.slug, github_private_key_file: key, ca_file: sim.ready.ca, log_level: 'info', github_pace: '0' });
    try {
        await simulator(box, sim);
        const id = await repositoryOf(box, sim);
        /* The token and the workflow file are known, as in daily use. */
        const warm = await sim.openPull('acme/infra', { head: 'warm', files: { 'a.txt': 'a' } });
        await sleep(300);
        await upload(box, warm, lattice(4, 2, 2));
        await stateOf(box, warm.head_sha, ['ended']);
        await box.api.call('PATCH', `/api/v1/repositories/${id}/settings`, { threshold_hold: true });
        const pull = await sim.openPull('acme/infra', { head: 'wide', files: { 'b.txt': 'b' } });
        await sleep(500);
        await upload(box, pull, lattice(nodes, 8, nodes * 3));
        const batch = await stateOf(box, pull.head_sha, ['held', 'running']);
        const runs = async () => (await sim.runs('acme/infra')).filter((run) => run.head_sha !== warm.head_sha);
        const before = (await runs()).length;
        const known = new Set((await runs()).map((run) => run.id));
        await sleep(500);
        const early = (await runs()).length - before;
        const asked = Date.now();
        await box.api.call('POST', `/api/v1/batches/${batch.id}/release`, {});
        for (const end = Date.now() + 60_000; Date.now() < end; await sleep(50)) {
            const fresh = (await runs()).filter((run) => !known.has(run.id));
            if (fresh.length === 0) continue;
            const first = Math.min(...fresh.map((run) => run.created_at_ms));
            return { ...madeIn(box, batch.id), firstDispatch_ms: first - asked, early };
        }
        throw new Error(`nothing was dispatched after the release:\n${box.serve.logTail()}`);
    } finally {
        await box.close();
        await sim.stop();
        rmSync(sim.ready.dir, { recursive: true, force: true });
    }
}

export async function showHolds(isShort: boolean): Promise<Figure[]> {
    const nodes = isShort ? 200 : 10_000;
    const all: Held[] = [];
    for (let round = 0; round < (isShort ? 1 : 3); round++) all.push(await hold(nodes));
    const of = (pick: (one: Held) => number) => median(all.map(pick));
    const whole = of((one) => one.rows_ms + one.look_ms), first = of((one) => one.firstDispatch_ms), early = all.reduce((n, one) => n + one.early, 0);
    const figures: Figure[] = [
        { what: `${nodes} instances: from the graph to the stored hold`, ours: ms(whole), beside: `${ms(of((one) => one.rows_ms))} to plan and store them, ${ms(of((one) => one.look_ms))} to look and hold`, target: '< 20 ms', reached: whole < 20 },
        { what: '  dispatched while it was held', ours: String(early), target: '0', reached: early === 0 },
        { what: '  release to the first dispatch', ours: ms(first), target: '< 100 ms', reached: first < 100 },
    ];
    const batches = isShort ? 50 : 500;
    /* Each waits half a minute for its reset: alone where it is measured, together where it only has to run. */
    const inTurn = async (): Promise<[number, number]> => [await wake(batches), await wake(batches, postgres)];
    const [planned, far] = isShort ? await Promise.all([wake(batches), wake(batches, postgres)]) : await inTurn();
    databasesStop();
    figures.push({ what: `${batches} held batches woken at one reset: planned`, ours: ms(planned), target: '< 50 ms', reached: planned < 50 });
    figures.push({ what: '  on PostgreSQL', ours: ms(far), target: '< 50 ms', reached: far < 50 });
    show('3b. A held batch', figures);
    return figures;
}
