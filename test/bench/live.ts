/* 8. The stream of changes: a batch that runs while nobody, one or a thousand look on. */
import { rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgeSim } from '../forge-sim/client.ts';
import { repositoryOf, simulator, upload } from './batch.ts';
import { forgetPeak, now_ms, openBox, percentile, used, webhookSecret, type Box } from './rig.ts';
import { lattice } from './shapes.ts';
import { mb, ms, show, times, type Figure } from './table.ts';

/** As thin as can be: a thousand of them share one process with the clock. */
class Listener {
    events = 0;
    bytes = 0;
    ended_ms = NaN;
    isOver = false;
    changed: number[] = [];
    private socket: Socket;
    private tail = '';

    constructor(port: number, token: string, batch: string) {
        const ask = batch === '' ? '/api/v1/live' : `/api/v1/live?batch=${batch}`;
        this.socket = connect(port, '127.0.0.1');
        this.socket.setEncoding('latin1');
        this.socket.on('data', (text) => this.take(String(text)));
        this.socket.on('error', () => (this.isOver = true));
        this.socket.on('close', () => (this.isOver = true));
        this.socket.write(`GET ${ask} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    }

    private take(text: string): void {
        const at_ms = now_ms();
        this.bytes += text.length;
        const seen = this.tail + text;
        for (let at = seen.indexOf('\nevent: ', Math.max(0, this.tail.length - 8)); at >= 0; at = seen.indexOf('\nevent: ', at + 8)) {
            this.events++;
            if (seen.startsWith('changed', at + 8)) this.changed.push(at_ms);
        }
        if (Number.isNaN(this.ended_ms) && seen.includes('"state":"ended"')) this.ended_ms = at_ms;
        this.tail = seen.slice(-40);
    }

    close(): void {
        this.socket.destroy();
    }
}

const portOf = (box: Box): number => Number(new URL(box.serve.url).port);

interface Seen {
    total_ms: number;
    cpuMs: number;
    rssMb: number;
    before_mb: number;
    lag_ms: number[];
    lost: number;
    events: number;
}

/** Held until everybody listens, then released: the whole batch moves in a second or two. */
async function watch(nodes: number, listeners: number): Promise<Seen> {
    const sim = await ForgeSim.start({ apiLatencyMs: 50, coreLimit: 1_000_000, app: { webhookSecret } });
    const { app } = await sim.settings();
    const key = `${sim.ready.dir}/bench.pem`;
    writeFileSync(key, app.private_key, { mode: 0o600 });
    const box = await openBox({ github_api: sim.ready.api, github_web: sim.ready.api, github_app_id: String(app.id), github_app_slug: app.slug, github_private_key_file: key, ca_file: sim.ready.ca, log_level: 'warn', github_pace: '0', live_streams_max: '5000', live_streams_person_max: '5000' });
    const open: Listener[] = [];
    try {
        await simulator(box, sim);
        const id = await repositoryOf(box, sim);
        await box.api.call('PATCH', `/api/v1/repositories/${id}/settings`, { dispatch_concurrency: 100, threshold_hold: true });
        const pull = await sim.openPull('acme/infra', { head: 'watched', files: { 'a.txt': 'a' } });
        await upload(box, pull, lattice(nodes, 8, nodes * 3));
        const batch = await until(box, pull.head_sha, 'held');
        const before_mb = used(box.pid).rssMb;
        for (let i = 0; i < listeners; i += 50) {
            for (let k = i; k < Math.min(listeners, i + 50); k++) open.push(new Listener(portOf(box), box.api.token, batch));
            await sleep(5);
        }
        for (const end = Date.now() + 60_000; open.some((one) => one.events === 0) && Date.now() < end; ) await sleep(20);
        forgetPeak(box.pid);
        const cpu = used(box.pid).cpuMs;
        const begin = now_ms();
        await box.api.call('POST', `/api/v1/batches/${batch}/release`, {});
        await until(box, pull.head_sha, 'ended');
        for (const end = Date.now() + 20_000; open.some((one) => Number.isNaN(one.ended_ms)) && Date.now() < end; ) await sleep(20);
        const after = used(box.pid);
        const db = new DatabaseSync(`${box.dir}/signalbox.db`, { readOnly: true });
        const { ended_ms } = db.prepare('select ended_ms from batch where id = ?').get(batch) as { ended_ms: number };
        db.close();
        return {
            total_ms: ended_ms - begin,
            cpuMs: after.cpuMs - cpu,
            rssMb: after.peakMb,
            before_mb,
            lag_ms: open.map((one) => one.ended_ms - ended_ms).filter((lag) => !Number.isNaN(lag)),
            lost: open.filter((one) => one.isOver || Number.isNaN(one.ended_ms)).length,
            events: open.reduce((sum, one) => sum + one.events, 0) / Math.max(1, listeners),
        };
    } finally {
        for (const one of open) one.close();
        await box.close();
        await sim.stop();
        rmSync(sim.ready.dir, { recursive: true, force: true });
    }
}

async function until(box: Box, head: string, state: string): Promise<string> {
    for (const end = Date.now() + 240_000; Date.now() < end; await sleep(50)) {
        const [batch] = await box.api.all<{ id: string; state: string }>(`/api/v1/batches?head_sha=${head}`);
        if (batch?.state === state) return batch.id;
    }
    throw new Error(`the batch did not become ${state}:\n${box.serve.logTail()}`);
}

/** From the answer of a lock call, which is given after its commit, to the event; each alone, so that none is gathered with another. */
async function delays(rounds: number): Promise<number[]> {
    const box = await openBox({ log_level: 'warn' });
    const listener = new Listener(portOf(box), box.api.token, '');
    const found: number[] = [];
    try {
        await sleep(300);
        for (let i = 0; i < rounds; i++) {
            const heard = listener.changed.length;
            await box.api.call('POST', '/api/v1/locks', { key: `acme/infra/dev/n${i}`, ttl: 60 });
            const begin = now_ms();
            for (const end = Date.now() + 10_000; listener.changed.length === heard && Date.now() < end; ) await sleep(1);
            found.push(Math.max(0, (listener.changed[heard] ?? NaN) - begin));
            await sleep(120);
        }
        return found;
    } finally {
        listener.close();
        await box.close();
    }
}

export async function showLive(isShort: boolean): Promise<Figure[]> {
    const nodes = isShort ? 200 : 2000, crowd = isShort ? 50 : 1000;
    const alone = await watch(nodes, 0), one = await watch(nodes, 1), many = await watch(nodes, crowd);
    const delay = await delays(isShort ? 5 : 30);
    const last = Math.max(...many.lag_ms), per = (seen: Seen) => seen.cpuMs / nodes;
    const figures: Figure[] = [
        { what: `a lock's commit to the event`, ours: ms(percentile(delay, 0.5)), beside: `95 %: ${ms(percentile(delay, 0.95))}`, target: '< 200 ms', reached: percentile(delay, 0.95) < 200 },
        { what: `${nodes} nodes, one listener: the batch's end to its event`, ours: ms(one.lag_ms[0] ?? NaN), target: '< 200 ms', reached: (one.lag_ms[0] ?? NaN) < 200 },
        { what: `${crowd} listeners: until the last has the end`, ours: ms(last), beside: `half of them ${ms(percentile(many.lag_ms, 0.5))}; ${Math.round(many.events)} events each`, target: '< 1 s', reached: last < 1000 && many.lost === 0 },
        { what: '  peak memory', ours: mb(many.rssMb), beside: `${mb(alone.rssMb)} without a listener`, target: '< 100 MB', reached: many.rssMb < 100 },
        { what: '  listeners lost', ours: String(many.lost), target: '0', reached: many.lost === 0 },
        { what: 'our CPU a node: nobody listens', ours: ms(per(alone)) },
        { what: '  one does', ours: ms(per(one)), ratio: times(per(one) / per(alone)) },
        { what: `  ${crowd} do`, ours: ms(per(many)), ratio: times(per(many) / per(alone)) },
        { what: 'the batch from release to end: 0, 1, many', ours: `${ms(alone.total_ms)}, ${ms(one.total_ms)}, ${ms(many.total_ms)}` },
    ];
    show('8. The stream of changes', figures);
    return figures;
}
