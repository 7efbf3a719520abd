/* 2. An upload: from its last byte to the first dispatch call at the forge; what a node of it costs, and how that grows. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Child, forgetPeak, importRepository, median, openBox, post, used, type Box } from './rig.ts';
import { chains, headOf, pullOpened, uploadBody } from './shapes.ts';
import { ms, show, times, type Figure } from './table.ts';

interface Sample {
    first_ms: number;
    answer_ms: number;
    cpu_us: number;
    peakKb: number;
    bytes: number;
}

class Forge {
    private child: Child;
    readonly url: string;
    private constructor(child: Child, url: string) {
        this.child = child;
        this.url = url;
    }
    static async start(): Promise<Forge> {
        const child = new Child(process.execPath, [new URL('./fake-forge.ts', import.meta.url).pathname, '0', '-'], 'pipe');
        return new Forge(child, `http://127.0.0.1:${await child.line()}`);
    }
    async forget(dispatch_ms: number): Promise<void> {
        await fetch(`${this.url}/_forget=${dispatch_ms}`);
    }
    async first(repo: string, ms_max = 60_000): Promise<number> {
        for (const end = Date.now() + ms_max; Date.now() < end; await sleep(20)) {
            const all = (await (await fetch(`${this.url}/_dispatches`)).json()) as { repo: string; at_ms: number }[];
            const found = all.find((one) => one.repo === repo);
            if (found) return found.at_ms;
        }
        throw new Error(`no dispatch for ${repo} came`);
    }
    stop(): Promise<void> {
        return this.child.stop();
    }
}

/** One upload into a repository of its own: its workflow file is known by an upload before, as it is in daily use. */
async function sample(box: Box, forge: Forge, number: number, count: number, depth: number): Promise<Sample> {
    const repository = { id: 5000 + number, owner: 'acme', name: `infra-${number}` };
    const id = await importRepository(box, repository.id, repository.owner, repository.name);
    await box.api.call('PATCH', `/api/v1/repositories/${id}/settings`, { dispatch_concurrency: 1, comment: false });
    const send = async (head: number, stacks: object[]) => {
        await box.deliver('pull_request', pullOpened(repository, headOf(head)));
        await sleep(100);
        const body = uploadBody(repository, headOf(head), stacks);
        forgetPeak(box.pid);
        const before = used(box.pid);
        const answer = await post(`${box.serve.url}/api/v1/affected-stacks`, { 'authorization': `Bearer ${box.api.token}`, 'content-type': 'application/json' }, body);
        if (answer.status !== 200) throw new Error(`the upload was answered ${answer.status}`);
        const first = await forge.first(repository.name);
        const after = used(box.pid);
        return { first_ms: first - answer.sentMs, answer_ms: answer.answeredMs - answer.sentMs, cpu_us: (after.cpuMs - before.cpuMs) * 1000, peakKb: (after.peakMb - before.rssMb) * 1024, bytes: body.length };
    };
    await forge.forget(0);
    await send(1, chains(1, 1));
    await sleep(100);
    /* The first answer is held back, so that nothing but the upload itself is measured. */
    await forge.forget(3000);
    /* The note's upload had 495 bytes an instance (peers.md §4.1). */
    return send(2, chains(count, depth, count === 2422 ? { file: 'components/terraform/network/vpc/modules/endpoints/main.tf', reason: 'x' } : {}));
}

async function measure(count: number, depth: number, rounds: number): Promise<Sample> {
    const samples: Sample[] = [];
    const forge = await Forge.start();
    const box = await openBox({ github_api: forge.url, log_level: 'warn' });
    try {
        for (let round = 0; round < rounds; round++) samples.push(await sample(box, forge, round + 1, count, depth));
    } finally {
        await box.close();
        await forge.stop();
    }
    const of = (pick: (one: Sample) => number) => median(samples.map(pick));
    return { first_ms: of((s) => s.first_ms), answer_ms: of((s) => s.answer_ms), cpu_us: of((s) => s.cpu_us), peakKb: of((s) => s.peakKb), bytes: of((s) => s.bytes) };
}

export async function showUploads(isShort: boolean): Promise<Figure[]> {
    const rounds = isShort ? 1 : 5;
    const figures: Figure[] = [];
    const costs = new Map<number, Sample>();
    for (const [count, depth, target_ms] of [[100, 8, 0], [1000, 8, 0], [2422, 8, 50], [10_000, 8, 300]] as const) {
        if (isShort && count > 3000) continue;
        const s = await measure(count, depth, rounds);
        costs.set(count, s);
        const what = `${count.toLocaleString('en')} affected, ${(s.bytes / 1e6).toFixed(1)} MB: last byte to first dispatch`;
        if (target_ms > 0) figures.push({ what, ours: ms(s.first_ms), beside: `answered after ${ms(s.answer_ms)}`, target: `< ${target_ms} ms`, reached: s.first_ms < target_ms });
        else figures.push({ what, ours: ms(s.first_ms), beside: `answered after ${ms(s.answer_ms)}` });
        figures.push({ what: '  of that, a node', ours: `${(s.cpu_us / count).toFixed(1)} us CPU`, beside: `${(s.peakKb / count).toFixed(2)} KB at the peak` });
    }
    const large = costs.get(10_000), small = costs.get(100);
    if (large && small) {
        const growth = large.first_ms / 10_000 / (small.first_ms / 100);
        figures.push({ what: 'time a node, 10,000 beside 100', ours: times(growth), target: '<= 1.5x', reached: growth <= 1.5 });
        const middle = costs.get(1000)!;
        figures.push({ what: 'time a node, 10,000 beside 1,000', ours: times(large.first_ms / 10 / middle.first_ms) });
    }
    show('2. Uploads', figures);
    return figures;
}
